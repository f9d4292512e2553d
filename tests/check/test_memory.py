"""What check remembers, and that it never remembers wrongly."""

from __future__ import annotations

import os
import time

import pytest

from liftlock.check import memory as memory_module
from liftlock.check.report import check
from liftlock.check.tree import read_directory

from .conftest import make_tree


def age(tree, seconds=10):
    """Make everything in a checkout old enough for `stat` to be proof."""
    then = time.time() - seconds
    for path in (tree / "model_services").rglob("*"):
        os.utime(path, (then, then))


@pytest.fixture
def remembered(tree, monkeypatch):
    """A checked checkout whose files count as old; ctime cannot be set back, so the tick is made short."""
    monkeypatch.setattr(memory_module, "_TICK_NS", 0)
    age(tree)
    time.sleep(0.02)
    assert check(tree).examined == ("onnx", "xgboost")
    return tree


def test_an_unchanged_checkout_is_not_read_again(remembered):
    report = check(remembered)
    assert (report.examined, report.files_parsed, report.problems) == ((), 0, ())
    assert report.services == 2


def test_one_changed_file_costs_one_service(remembered):
    with (remembered / "model_services" / "onnx" / "service.yaml").open("a") as spec:
        spec.write("# a comment\n")
    assert check(remembered).examined == ("onnx",)


def test_a_touched_file_with_the_same_bytes_is_not_parsed(remembered):
    (remembered / "model_services" / "onnx" / "service.yaml").touch()
    assert check(remembered).examined == ()


def test_a_change_that_keeps_size_and_time_is_seen(remembered):
    path = remembered / "model_services" / "onnx" / "service.yaml"
    before = path.stat()
    path.write_text(path.read_text().replace("protocol: v2", "protocol: v7"))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert len(check(remembered).problems) == 1


def test_a_file_as_young_as_the_look_at_it_is_compared_by_content(tree):
    assert check(tree).examined == ("onnx", "xgboost")
    directory = read_directory(tree, "onnx")
    memory = memory_module.Memory.load(tree)
    assert memory.recall(directory) is not None
    young = memory.entries["onnx"]
    memory.entries["onnx"] = memory_module.Remembered(young.stamp, "other bytes", young.seen_ns, young.facts)
    assert memory.recall(directory) is None


def test_a_faulty_service_is_never_remembered(remembered):
    path = remembered / "model_services" / "onnx" / "service.yaml"
    path.write_text(path.read_text().replace("protocol: v2", "protocol: v7"))
    first, second = check(remembered), check(remembered)
    assert first.problems == second.problems != ()
    assert second.examined == ("onnx",)


def test_a_handler_that_failed_is_tried_again(remembered):
    path = remembered / "model_services" / "xgboost" / "handler.py"
    path.write_text("import absent_module\n")
    assert len(check(remembered).problems) == 1
    assert len(check(remembered).problems) == 1


def test_a_removed_service_is_forgotten(remembered):
    for file in (remembered / "model_services" / "onnx").iterdir():
        file.unlink()
    (remembered / "model_services" / "onnx").rmdir()
    assert check(remembered).services == 1


def test_a_new_file_in_a_service_is_seen(remembered):
    (remembered / "model_services" / "onnx" / "model.onnx").write_bytes(b"\x80\x04\x95pickle.")
    assert len(check(remembered).problems) == 1


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"code": 1}', b"\xff\x00", None])
def test_a_damaged_memory_is_ignored(remembered, damage):
    path = remembered / ".liftlock" / "check" / "memory.json"
    data = path.read_bytes() if damage is None else damage
    path.write_bytes(data.replace(b'"onnx"', b'"onnz"', 1) if damage is None else data)
    assert check(remembered).examined == ("onnx", "xgboost")
    assert check(remembered).examined == ()


def test_other_code_forgets_everything(remembered, monkeypatch):
    monkeypatch.setattr(memory_module, "code_digest", lambda: "other")
    assert check(remembered).examined == ("onnx", "xgboost")


def test_a_checkout_that_cannot_be_written_to_is_checked_all_the_same(tree):
    (tree / ".liftlock").write_text("a file where the memory should be")
    assert check(tree).problems == ()


def test_many_services_are_examined_by_all_cores_and_give_the_same_report(tmp_path, monkeypatch):
    tree = make_tree(tmp_path / "many", ("onnx",))
    source = tree / "model_services" / "onnx"
    for number in range(90):
        copy = source.parent / f"copy-{number:02}"
        copy.mkdir()
        for file in source.iterdir():
            text = file.read_text().replace("name: onnx", f"name: {copy.name}")
            (copy / file.name).write_text(text.replace("tier: 3", "tier: 9") if number % 10 == 0 else text)
    report = check(tree)
    assert len(report.problems) == 9
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    (tree / ".liftlock" / "check" / "memory.json").unlink()
    assert check(tree) == report
