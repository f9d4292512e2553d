"""The generated manifests of a checkout, and the check that proves them current."""

from __future__ import annotations

import json
import shutil

import pytest
import yaml

from liftlock import paths
from liftlock.canonical import generated_yaml
from liftlock.check import rendered as check_pass
from liftlock.check.tree import Tree
from liftlock.cli import run
from liftlock.environment import load_ladder
from liftlock.errors import InvalidInput
from liftlock.promote.state import Held, manifest_files
from liftlock.render import tree
from liftlock.rollout import Route

from .builders import release

OLD, NEW = release(), release(timeout="20s")
ENVIRONMENTS = {
    "dev": "name: dev\nstacks: [dev-eks]\n",
    "prod": "name: prod\nafter: dev\nstacks: [prod-onprem, prod-eks]\n",
}


def hold(root, environment, newest, previous=None, weights=None):
    """Write what one environment holds of a service."""
    files = paths.StateFiles(environment, newest.service)
    (root / files.directory).mkdir(parents=True, exist_ok=True)
    (root / files.release).write_bytes(newest.text)
    if previous:
        (root / files.previous).write_bytes(previous.text)
    weights = weights or {newest.revision: 100}
    route = Route(service=newest.service, environment=environment, weights=weights)
    (root / files.route).write_bytes(generated_yaml(route.model_dump(mode="json", exclude_none=True), "a test"))


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A checkout that runs two releases in prod and one in dev."""
    for name, text in ENVIRONMENTS.items():
        (tmp_path / "environments" / name).mkdir(parents=True)
        (tmp_path / paths.environment_file(name)).write_text(text)
    (tmp_path / "model_services" / "churn").mkdir(parents=True)
    hold(tmp_path, "dev", NEW)
    hold(tmp_path, "prod", NEW, OLD, {OLD.revision: 95, NEW.revision: 5})
    monkeypatch.chdir(tmp_path)
    return tmp_path


FILES = [
    paths.manifest("dev", "dev-eks", "churn"),
    paths.manifest("prod", "prod-eks", "churn"),
    paths.manifest("prod", "prod-onprem", "churn"),
]


def examined(root):
    return check_pass.manifests(Tree(root))


def test_render_writes_a_file_for_each_stack_and_service(root, capsys):
    assert run(["render"]) == 0
    assert sorted(tree.present_manifests(root)) == FILES
    assert capsys.readouterr().out == "3 manifests: 3 written, 0 removed\n"
    objects = list(yaml.safe_load_all((root / FILES[1]).read_bytes()))
    assert {one["metadata"]["namespace"] for one in objects} == {"growth-prod"}


def test_render_again_writes_nothing(root, capsys):
    run(["render"])
    before = {path: (root / path).stat().st_mtime_ns for path in FILES}
    assert run(["render"]) == 0
    assert {path: (root / path).stat().st_mtime_ns for path in FILES} == before
    assert capsys.readouterr().out.endswith("3 manifests: 0 written, 0 removed\n")


def test_check_has_a_line_for_each_file_that_is_not_current(root, capsys):
    run(["render"])
    surplus = root / paths.manifest("dev", "dev-eks", "gone")
    surplus.write_text("left over\n")
    (root / FILES[1]).unlink()
    (root / FILES[2]).write_bytes((root / FILES[2]).read_bytes() + b"# edited\n")
    capsys.readouterr()
    assert run(["render", "--check"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "environments/dev/manifests/dev-eks/gone.yaml:0:0: (file): no such file: nothing is released there; "
        "run `liftlock render` and commit",
        f"{FILES[1]}:0:0: (file): this file; run `liftlock render` and commit",
        f"{FILES[2]}:0:0: (file): what release, route and environment say now; run `liftlock render` and commit",
    ]
    assert surplus.exists()
    assert run(["render"]) == 0
    assert run(["render", "--check"]) == 0


def test_an_environment_that_gives_up_a_stack_loses_its_manifests(root):
    run(["render"])
    (root / paths.environment_file("prod")).write_text("name: prod\nafter: dev\nstacks: [prod-eks]\n")
    assert [problem.file for problem in examined(root).problems] == [str(FILES[2])]
    run(["render"])
    assert sorted(tree.present_manifests(root)) == FILES[:2]


def test_all_places_are_refused_in_one_run_and_nothing_is_written(root, capsys):
    (root / paths.StateFiles("dev", "churn").route).unlink()
    hold(root, "prod", release(placement="eks"))
    (root / paths.StateFiles("prod", "churn").previous).write_bytes(b"no release\n")
    assert run(["render"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in said] == [
        "environments/dev/churn/route.yaml",
        "environments/prod/churn/previous.yaml",
    ]
    assert tree.present_manifests(root) == {}


def test_a_release_that_cannot_run_there_is_a_line_not_a_traceback(root):
    hold(root, "dev", release(placement="onprem"))
    with pytest.raises(InvalidInput, match=r"environments/dev/churn/release.yaml:0:0: .*no stack of dev is"):
        tree.wanted_manifests(root)


def test_facts_about_no_stack_are_a_slip(root):
    (root / paths.STACKS).write_text("stacks:\n  - name: prod-esk\n")
    with pytest.raises(InvalidInput, match=r"environments/stacks.yaml:2:11: stacks\[0\].name: a stack of an environ"):
        tree.wanted_manifests(root)


def test_a_stacks_facts_reach_its_manifests_alone(root):
    run(["render"])
    before = tree.present_manifests(root)
    (root / paths.STACKS).write_text("stacks: [{name: prod-eks, domain: models.example.com}]\n")
    run(["render"])
    after = tree.present_manifests(root)
    assert [path for path in FILES if before[path] != after[path]] == [FILES[1]]
    assert b"churn.models.example.com" in after[FILES[1]]


def test_a_promotion_commits_what_render_would_write(root):
    ladder = {one.name: one for one in load_ladder(root)}
    weights = {OLD.revision: 95, NEW.revision: 5}
    route = Route(service="churn", environment="prod", weights=weights)
    held = Held(ladder["prod"], "churn", NEW, OLD, route, (), None)
    wanted = {path: text for path, text in tree.wanted_manifests(root).items() if path.parts[1] == "prod"}
    assert manifest_files(held) == wanted


def test_the_runtime_is_printed_for_a_stack_that_is_there(root, capsys):
    assert run(["render", "--runtime", "prod-eks"]) == 0
    assert yaml.safe_load(capsys.readouterr().out)["kind"] == "ClusterServingRuntime"
    assert run(["render", "--runtime", "prod-esk"]) == 2
    assert "no such stack; there are dev-eks, prod-eks, prod-onprem" in capsys.readouterr().err


def test_the_pass_counts_what_it_looked_at_and_finds_what_render_would_write(root):
    assert {problem.file for problem in examined(root).problems} == {str(path) for path in FILES}
    run(["render"])
    assert examined(root).problems == ()
    assert examined(root).count == len(FILES) + len(ENVIRONMENTS)


def test_a_place_found_current_is_not_rendered_again_until_something_of_it_changes(root, monkeypatch):
    run(["render"])
    examined(root)
    rendered = []
    render = tree.render_place
    monkeypatch.setattr(tree, "render_place", lambda place: rendered.append(place.environment.name) or render(place))
    assert examined(root).problems == ()
    assert rendered == []
    (root / FILES[0]).write_bytes(b"edited\n")
    assert [problem.file for problem in examined(root).problems] == [str(FILES[0])]
    assert rendered == ["dev"]


def test_the_passes_memory_survives_being_damaged(root):
    run(["render"])
    examined(root)
    memory = root / ".liftlock" / "check" / "manifests.json"
    assert set(json.loads(memory.read_bytes())["places"]) == {"dev/churn", "prod/churn"}
    memory.write_bytes(b"{")
    assert examined(root).problems == ()


def test_the_stamp_changes_with_any_file_it_reads(root):
    run(["render"])
    before = check_pass.stamp(root)
    assert check_pass.stamp(root) == before
    (root / FILES[0]).write_bytes(b"edited\n")
    assert check_pass.stamp(root) != before


def test_a_checkout_without_environments_is_told_by_the_pass_that_looks_at_them(root, capsys):
    shutil.rmtree(root / "environments")
    assert run(["check"]) == 2
    assert "environments:0:0: (file): at least one <name>/environment.yaml" in capsys.readouterr().err
    assert run(["render"]) == 2
    assert "nothing to release into" in capsys.readouterr().err
