"""What rendered objects must do for a service, one sentence each."""

from __future__ import annotations

import pytest

from liftlock.errors import LiftlockError
from liftlock.render import namespace
from liftlock.render.scaling import quantity

from .builders import HEX, LLM, environment, only, release, rendered, scene

OLD, NEW = release(), release(timeout="20s")
ENVOY = "stacks: [{name: prod-eks, gateway: {class: envoy}}]\n"
RATE = {"min": 0, "max": 4, "metric": "rate", "target": 50}
NO_FLOOR = environment(replicas={"min": 0, "max": 4})


def predictor(of):
    return only(of, "InferenceService")["spec"]["predictor"]


def inference(of):
    """Every InferenceService of the only stack, by name."""
    (objects,) = rendered(of).values()
    return {one["metadata"]["name"]: one for one in objects if one["kind"] == "InferenceService"}


def weighted(of):
    """Weights by backend, of the rule that names no revision."""
    rules = only(of, "HTTPRoute")["spec"]["rules"]
    (rule,) = [rule for rule in rules if all("headers" not in match for match in rule["matches"])]
    return {backend["name"]: backend["weight"] for backend in rule["backendRefs"]}


def test_every_release_is_an_inference_service_of_its_own_in_standard_mode():
    found = inference(scene(OLD, NEW, weights=(95, 5)))
    assert set(found) == {OLD.revision, NEW.revision}
    for one in found.values():
        assert one["metadata"]["annotations"]["serving.kserve.io/deploymentMode"] == "Standard"


def test_the_route_has_the_weights_and_keeps_a_dark_revision():
    assert weighted(scene(OLD, NEW, weights=(95, 5))) == {
        f"{OLD.revision}-predictor": 95,
        f"{NEW.revision}-predictor": 5,
    }
    assert weighted(scene(OLD, NEW, weights=(100, 0)))[f"{NEW.revision}-predictor"] == 0


def test_a_first_release_is_there_before_any_user():
    assert weighted(scene(OLD, weights=(0,))) == {f"{OLD.revision}-predictor": 0}


def test_a_weight_changes_no_pod():
    before, after = (inference(scene(OLD, NEW, weights=weights)) for weights in ((100, 0), (0, 100)))
    assert before == after


def test_a_request_that_names_a_revision_wins_over_the_weights():
    rules = only(scene(OLD, NEW, weights=(100, 0)), "HTTPRoute")["spec"]["rules"]
    named = {match["headers"][0]["value"]: rule for rule in rules for match in rule["matches"] if "headers" in match}
    assert set(named) == {OLD.revision, NEW.revision}
    paths = [match["path"] for match in rules[-1]["matches"]]
    assert [match["path"] for match in named[NEW.revision]["matches"]] == paths


def test_users_reach_neither_metrics_nor_health_nor_other_services():
    rules = only(scene(OLD), "HTTPRoute")["spec"]["rules"]
    assert {match["path"]["value"] for rule in rules for match in rule["matches"]} == {"/v2/models/churn"}


def test_a_v1_path_is_matched_whole_for_a_prefix_ends_at_a_slash():
    (rule,) = only(scene(release(protocol="v1")), "HTTPRoute")["spec"]["rules"][1:]
    assert {"type": "Exact", "value": "/v1/models/churn:predict"} in [match["path"] for match in rule["matches"]]


def test_a_grpc_service_is_reached_by_both_its_ports():
    rules = only(scene(release(protocol="grpc-v2")), "HTTPRoute")["spec"]["rules"]
    assert {backend["port"] for rule in rules for backend in rule["backendRefs"]} == {80, 9000}


def test_the_routes_timeout_is_the_longest_of_its_revisions():
    rules = only(scene(OLD, release(timeout="90500ms"), weights=(95, 5)), "HTTPRoute")["spec"]["rules"]
    assert [rule["timeouts"]["request"] for rule in rules] == ["30s", "90s500ms", "90s500ms"]


def test_a_mirror_is_made_where_the_gateway_can():
    route = only(scene(OLD, NEW, weights=(100, 0), mirror=NEW, stacks=ENVOY), "HTTPRoute")
    mirrors = [filter_ for rule in route["spec"]["rules"] for filter_ in rule["filters"] if "requestMirror" in filter_]
    assert [one["requestMirror"]["backendRef"]["name"] for one in mirrors] == [f"{NEW.revision}-predictor"]


@pytest.mark.parametrize(
    ("mirror", "said"),
    [
        (NEW, "route.yaml: mirror: prod-eks's gateway class traefik does not support it"),
        (release(timeout="10s"), "is no revision here"),
    ],
)
def test_a_mirror_is_refused_with_the_reason_where_it_cannot_be(mirror, said):
    with pytest.raises(LiftlockError, match=said):
        rendered(scene(OLD, NEW, weights=(100, 0), mirror=mirror))


@pytest.mark.parametrize(
    ("gpu", "resource", "product"),
    [
        ({"class": "l40s", "count": 2}, ("nvidia.com/gpu", "2"), "NVIDIA-L40S"),
        ({"class": "t4", "sharing": "time-sliced"}, ("nvidia.com/gpu.shared", "1"), "Tesla-T4"),
        (
            {"class": "h100", "sharing": "mig", "slice": "3g.40gb"},
            ("nvidia.com/mig-3g.40gb", "1"),
            "NVIDIA-H100-80GB-HBM3",
        ),
    ],
)
def test_a_gpu_is_asked_for_by_class_and_kind_of_sharing(gpu, resource, product):
    found = predictor(scene(release(**{**LLM, "gpu": gpu})))
    assert found["model"]["resources"]["limits"][resource[0]] == resource[1]
    assert found["nodeSelector"] == {"nvidia.com/gpu.product": product}
    assert found["tolerations"][0]["key"] == "nvidia.com/gpu"


@pytest.mark.parametrize(
    ("scaling", "class_"),
    [
        ({"min": 1, "max": 5, "metric": "cpu", "target": 70}, "hpa"),
        ({"min": 1, "max": 5, "metric": "concurrency", "target": 8}, "keda"),
        ({"min": 3, "max": 3}, "none"),
    ],
)
def test_what_scales_follows_from_the_metric(scaling, class_):
    found = only(scene(release(scaling=scaling)), "InferenceService")
    assert found["metadata"]["annotations"]["serving.kserve.io/autoscalerClass"] == class_


@pytest.mark.parametrize(
    ("asked", "allowed", "given"),
    [
        ((1, 10), (2, 50), (2, 10)),
        ((1, 100), (2, 50), (2, 50)),
        ((1, 1), (2, 50), (2, 2)),
        ((60, 80), (1, 50), (50, 50)),
    ],
)
def test_an_environment_bounds_every_revisions_replicas(asked, allowed, given):
    scaling = {"min": asked[0], "max": asked[1]}
    where = environment(replicas={"min": allowed[0], "max": allowed[1]})
    found = predictor(scene(release(scaling=scaling), where=where))
    assert (found["minReplicas"], found["maxReplicas"]) == given


def test_a_revision_with_all_users_to_itself_may_sleep_and_the_gateway_wakes_it():
    found = predictor(scene(release(scaling=RATE), where=NO_FLOOR))
    assert found["minReplicas"] == 0
    queries = [metric["external"]["metric"]["query"] for metric in found["autoScaling"]["metrics"]]
    assert any("traefik_service_requests_total" in query for query in queries)


@pytest.mark.parametrize(
    "of",
    [
        scene(release(scaling=RATE), where=environment()),
        scene(release(scaling=RATE), where=NO_FLOOR, weights=(0,)),
        scene(release(scaling=RATE), where=NO_FLOOR, stacks=ENVOY),
    ],
    ids=["the environment wants two", "it is dark", "the gateway would not wake it"],
)
def test_a_revision_stays_warm_where_sleeping_would_hurt(of):
    assert predictor(of)["minReplicas"] >= 1


def test_both_revisions_stay_warm_in_a_rollout():
    old, new = release(scaling=RATE), release(scaling=RATE, timeout="20s")
    found = inference(scene(old, new, weights=(0, 100), where=NO_FLOOR))
    assert [one["spec"]["predictor"]["minReplicas"] for one in found.values()] == [1, 1]


def test_our_servers_last_model_name_is_the_services_and_it_knows_its_revision():
    found = predictor(scene(OLD))["model"]
    assert found["runtime"] == "liftlock-server"
    assert found["args"] == ["--model_name=churn", f"--revision={OLD.revision}"]


def test_a_handler_stands_before_a_runtime_that_is_not_ours():
    of = scene(release(**LLM, handler="handler.py"))
    spec = only(of, "InferenceService")["spec"]
    assert set(spec) == {"predictor", "transformer"}
    assert set(weighted(of)) == {f"{only(of, 'InferenceService')['metadata']['name']}-transformer"}


def test_our_own_server_runs_the_handler_itself():
    assert set(only(scene(release(handler="handler.py")), "InferenceService")["spec"]) == {"predictor"}


@pytest.mark.parametrize("of", [scene(OLD), scene(release(**LLM)), scene(release(**LLM, handler="handler.py"))])
def test_a_pod_has_no_right_it_does_not_need(of):
    for component in only(of, "InferenceService")["spec"].values():
        assert component["automountServiceAccountToken"] is False
        assert component["securityContext"]["runAsNonRoot"] is True
        for container in [component["model"]] if "model" in component else component["containers"]:
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_nothing_is_cut_off_at_the_end():
    of = scene(release(**LLM))
    assert predictor(of)["model"]["lifecycle"]["preStop"]["sleep"]["seconds"] == 10
    assert predictor(of)["terminationGracePeriodSeconds"] == 10 + 300 + 10


def test_only_who_must_may_come_in_or_go_out():
    spec = only(scene(OLD, where=environment(stacks=["prod-onprem"]), stacks=None), "NetworkPolicy")["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    sources = [rule["from"][0]["namespaceSelector"]["matchLabels"].popitem()[1] for rule in spec["ingress"]]
    assert sources == ["gateway", "monitoring"]
    outside = [rule for rule in spec["egress"] if "ipBlock" in rule["to"][0]]
    assert [rule["ports"][0]["port"] for rule in outside] == [443]


def test_a_model_from_a_registry_needs_no_way_out():
    stacks = "stacks: [{name: prod-eks, store: 'oci://registry.models.internal/bundles'}]\n"
    spec = only(scene(OLD, stacks=stacks), "NetworkPolicy")["spec"]
    assert [rule["to"][0] for rule in spec["egress"] if "ipBlock" in rule["to"][0]] == []


def test_an_ensemble_may_call_the_gateway():
    of = scene(release(model={"format": "ensemble", "services": ["digits"]}, handler="handler.py"))
    variables = {one["name"]: one["value"] for one in predictor(of)["model"]["env"]}
    assert variables["LIFTLOCK_GATEWAY"] == "http://{service}.prod.models.internal"
    called = [rule["to"][0].get("namespaceSelector") for rule in only(of, "NetworkPolicy")["spec"]["egress"]]
    assert {"matchLabels": {"kubernetes.io/metadata.name": "gateway"}} in called


def test_placement_chooses_the_stacks():
    both = environment(stacks=["prod-onprem", "prod-eks"])
    assert set(rendered(scene(OLD, where=both))) == {"prod-onprem", "prod-eks"}
    assert set(rendered(scene(release(placement="onprem"), where=both))) == {"prod-onprem"}
    with pytest.raises(LiftlockError, match="churn: placement onprem: no stack of prod is"):
        rendered(scene(release(placement="onprem")))


@pytest.mark.parametrize(
    ("source", "uri"),
    [
        (f"hf://acme/m@{'a' * 40}", f"hf://acme/m:{'a' * 40}"),
        (f"oci://registry.example.com/m@sha256:{HEX}", f"oci://registry.example.com/m@sha256:{HEX}"),
        ("s3://models/m", "s3://models/m"),
    ],
)
def test_a_teams_own_source_is_fetched_by_kserve(source, uri):
    of = scene(release(model={"format": "triton", "source": source}, features=None))
    assert predictor(of)["model"]["storageUri"] == uri


@pytest.mark.parametrize(("source", "why"), [("mlflow:m@3", "no mlflow"), ("s3://models/b?versionId=1", "one version")])
def test_a_source_kserve_cannot_fetch_is_refused(source, why):
    with pytest.raises(LiftlockError, match=why):
        rendered(scene(release(model={"format": "triton", "source": source}, features=None)))


def test_a_team_has_a_namespace_in_each_environment_whatever_its_names_length():
    assert namespace("growth", "prod") == "growth-prod"
    long = namespace("g" * 63, "prod")
    assert len(long) == 63
    assert long.endswith("-prod")
    assert long != namespace("g" * 62 + "h", "prod")


@pytest.mark.parametrize(("number", "text"), [(8.0, "8"), (0.5, "0.5"), (1e-9, "0.000001"), (1e6, "1000000")])
def test_a_target_is_written_as_keda_reads_numbers(number, text):
    assert quantity(number) == text
