"""What a branch is said to change, in a real repository."""

from __future__ import annotations

import json

import pytest

from liftlock import paths
from liftlock.cli import run
from liftlock.preview import prices
from liftlock.preview.preview import preview
from liftlock.render import tree
from liftlock.repository import run_git
from liftlock.spec.gpu import GPU_CLASSES
from tests.render.builders import LLM, SERVICE, spec
from tests.render.test_tree import ENVIRONMENTS, hold, release

FEATURES = "features: [{name: a, type: float}]\n"


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A checkout on a branch, its trunk with one registered service that runs in dev."""
    run_git(tmp_path, "init", "-q", "-b", "main")
    for key, value in {"user.name": "Sam", "user.email": "sam@localhost"}.items():
        run_git(tmp_path, "config", key, value)
    for name, text in ENVIRONMENTS.items():
        (tmp_path / "environments" / name).mkdir(parents=True)
        (tmp_path / paths.environment_file(name)).write_text(text)
    service(tmp_path)
    hold(tmp_path, "dev", release())
    monkeypatch.chdir(tmp_path)
    assert run(["render"]) == 0
    commit(tmp_path)
    run_git(tmp_path, "checkout", "-qb", "branch")
    return tmp_path


def service(root, **changes):
    """Write a service's directory."""
    data = {key: value for key, value in {**SERVICE, **changes}.items() if value is not None}
    directory = root / paths.service_directory(data["name"])
    directory.mkdir(parents=True, exist_ok=True)
    files = {
        "service.yaml": json.dumps(data),
        "features.yaml": FEATURES,
        "requests.jsonl": "{}\n",
        "train.py": "1\n",
        "model.yaml": "service: churn\n",
    }
    for file, text in files.items():
        (directory / file).write_text(text)


def commit(root):
    run_git(root, "add", "-A")
    run_git(root, "commit", "-qm", "a change")


def only_service(root):
    (found,) = preview(root, None).services
    return found


def test_a_branch_without_changes_changes_nothing(root, capsys):
    found = preview(root, None)
    assert (found.services, found.manifests) == ((), {})
    assert run(["preview"]) == 0
    assert "nothing that runs" in capsys.readouterr().out


@pytest.mark.parametrize("committed", [True, False])
def test_a_changed_field_is_a_new_release_with_its_value_before_and_after(root, committed):
    service(root, timeout="20s")
    if committed:
        commit(root)
    found = only_service(root)
    assert found.kind == "changed"
    assert [(one.field, one.before, one.after) for one in found.fields] == [("timeout", "30s", "20s")]


def test_a_release_is_told_by_what_its_manifests_will_say_not_by_its_new_name(root):
    service(root, timeout="20s")
    (text,) = only_service(root).manifests.values()
    changed = [line for line in text.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    assert "-    timeout: 30" in changed
    assert "+    timeout: 20" in changed
    assert not [line for line in changed if "name:" in line]


@pytest.mark.parametrize(
    ("file", "field"),
    [("model.yaml", "(model)"), ("requests.jsonl", "(requests)"), ("features.yaml", "(features)")],
)
def test_a_changed_file_that_a_release_holds_is_a_new_release(root, file, field):
    path = root / "model_services" / "churn" / file
    path.write_text(
        path.read_text().replace("{name: a", "{name: b").replace("{}", '{"a": 1}').replace("churn", "churns")
    )
    found = only_service(root)
    assert (found.kind, [one.field for one in found.fields]) == ("changed", [field])


def test_a_changed_readme_is_no_release(root):
    (root / "model_services" / "churn" / "README.md").write_text("# churn\n")
    assert (only_service(root).kind, only_service(root).manifests) == ("unchanged", {})


def test_a_changed_training_script_is_no_release_until_it_has_run(root):
    (root / "model_services" / "churn" / "train.py").write_text("2\n")
    assert only_service(root).notes == ("train.py changed, the registered model did not: run `liftlock train churn`",)


def test_a_new_service_is_told_with_its_gpus_and_cost(root):
    service(root, **LLM)
    found = only_service(root)
    assert found.kind == "new"
    dev, prod = found.after
    assert (dev.replicas, dev.gpus) == ((1, 4), (1.0, 4.0))
    assert dev.usd_per_hour == pytest.approx((1.861, 4 * 1.861))
    assert (prod.stacks, prod.unpriced, prod.replicas) == (("prod-onprem", "prod-eks"), ("prod-onprem",), (2, 8))
    assert prod.usd_per_hour == pytest.approx((1.861, 4 * 1.861))


def test_a_removed_service_is_said_to_go_on_running(root):
    for path in (root / "model_services" / "churn").iterdir():
        path.unlink()
    found = only_service(root)
    assert (found.kind, found.after) == ("removed", ())
    assert "goes on running" in found.notes[0]


def test_the_gate_of_a_stricter_promise_asks_for_more(root):
    before = only_effect(root)
    service(root, slo={**SERVICE["slo"], "availability": 99.99})
    after = only_effect(root)
    assert after.gate_requests > 5 * before.gate_requests
    assert after.gate_seconds == pytest.approx((after.gate_requests + 20) / 200)


def only_effect(root):
    (root / "model_services" / "churn" / "README.md").write_text("# churn\n")
    return only_service(root).after[0]


def test_an_environments_change_shows_in_the_manifests_it_changes(root):
    (root / paths.environment_file("dev")).write_text("name: dev\nstacks: [dev-eks]\nreplicas: {min: 3}\n")
    found = preview(root, None).manifests
    assert list(found) == [str(paths.manifest("dev", "dev-eks", "churn"))]
    assert "+    minReplicas: 3" in next(iter(found.values()))


def test_a_release_that_cannot_run_in_the_first_environment_is_told_not_raised(root):
    service(root, placement="onprem")
    assert any("placement onprem" in note for note in only_service(root).notes)
    assert [one.environment for one in only_service(root).after] == ["prod"]


def test_nothing_is_written(root):
    service(root, timeout="20s")
    before = run_git(root, "status", "--porcelain")
    present = tree.present_manifests(root)
    for arguments in (["preview"], ["preview", "--diff"], ["preview", "--markdown"], ["preview", "--json"]):
        assert run(arguments) == 0
    assert run_git(root, "status", "--porcelain") == before
    assert tree.present_manifests(root) == present


def test_the_json_says_what_the_words_say(root, capsys):
    service(root, timeout="20s")
    run(["preview", "--json"])
    said = json.loads(capsys.readouterr().out)
    assert said["services"][0]["fields"] == [{"field": "timeout", "before": "30s", "after": "20s"}]
    assert said["prices"] == {"source": prices.SOURCE, "as_of": prices.AS_OF, "currency": "USD"}
    run(["preview", "--markdown", "--diff"])
    words = capsys.readouterr().out
    assert "#### churn: changed: a new release" in words
    assert "- `timeout`: `30s` → `20s`" in words
    assert "```diff" in words


def test_a_cell_that_changes_has_both_values(root, capsys):
    service(root, scaling={**SERVICE["scaling"], "max": 20})
    run(["preview", "--markdown"])
    assert "| 1 to 10 → 1 to 20 |" in capsys.readouterr().out


@pytest.mark.parametrize("base", ["nowhere", "--evil", "HEAD:model_services"])
def test_a_base_that_is_no_commit_is_said_so(root, capsys, base):
    assert run(["preview", f"--base={base}"]) == 2
    assert "no such commit here" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "usd"),
    [
        ({"resources": {"cpu": 2, "memory": "1Gi"}}, 0.1008),
        ({"resources": {"cpu": "100m", "memory": "8Gi"}}, 0.1008),
        ({**LLM, "gpu": {"class": "h100", "count": 2}}, 13.76),
        ({**LLM, "gpu": {"class": "a100", "sharing": "mig", "slice": "3g.40gb"}}, 3 / 7 * 27.44705 / 8),
        ({**LLM, "gpu": {"class": "t4", "sharing": "time-sliced"}}, 0.526),
    ],
)
def test_a_replica_costs_its_part_of_an_instance(changes, usd):
    assert prices.replica_usd_per_hour(spec(**changes)) == pytest.approx(usd)


def test_every_class_of_gpu_has_a_price():
    assert set(prices.GPU_PRICES) == set(GPU_CLASSES)
