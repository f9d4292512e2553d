"""Each sample's cut bundle, behind a real server, answers every line of its own request file."""

from __future__ import annotations

import numpy as np
import pytest

from liftlock.cut import cut
from liftlock.sites.local.desire import missing_here

from .conftest import module_of, requests_of

# Outputs by service: name and what follows the rows in its shape.
OUTPUTS = {
    "churn": {"churn_probability": [], "band": []},
    "digits": {"digit": [], "probability": [], "probabilities": [10]},
    "tumour": {"label": [], "probabilities": [2]},
    "customer-value": {"value_12m": [], "months": []},
    "retention-offer": {"discount": [], "expected_gain": [], "reason": []},
}


@pytest.mark.parametrize("service", OUTPUTS)
def test_every_request_of_its_file_is_answered_in_the_shape_promised(workshop, service):
    served = workshop.served(service)
    requests = requests_of(service)
    assert len(requests) >= 30
    for number, body in enumerate(requests, 1):
        answer = served.infer(body)
        assert answer.status == 200, (number, answer.json)
        rows = body["inputs"][0]["shape"][0]
        shapes = {name: output["shape"] for name, output in answer.outputs.items()}
        assert shapes == {name: [rows, *rest] for name, rest in OUTPUTS[service].items()}, number


@pytest.mark.parametrize("service", ["churn", "tumour", "customer-value", "retention-offer"])
def test_its_requests_are_of_several_kinds(service):
    """One row and several, with all inputs and with some missing: what a gate on it has seen."""
    requests = requests_of(service)
    rows = {body["inputs"][0]["shape"][0] for body in requests}
    values = [value for body in requests for tensor in body["inputs"] for value in tensor["data"]]
    missing = None in values or len({len(body["inputs"]) for body in requests}) > 1
    assert missing
    assert service == "churn" or len(rows) > 1


def test_digits_reads_the_digits_it_is_sent(workshop):
    """Images drawn from labelled digits, as those of the request file are."""
    from sklearn.datasets import load_digits

    train = module_of("digits", "train.py")
    data, draw = load_digits(), np.random.default_rng(4)
    images = [train.photograph(data.images[n], draw) for n in range(1500, 1560)]
    said = []
    for image in images:
        tensor = {"name": "image", "shape": [1, *image.shape], "datatype": "FP32", "data": image.ravel().tolist()}
        said += workshop.served("digits").infer({"inputs": [tensor]}).outputs["digit"]["data"]
    assert np.mean(np.array(said) == data.target[1500:1560]) >= 0.9


@pytest.mark.parametrize(
    ("shape", "level", "wanted"),
    [
        ([1, 20, 20], 255, "all of one shade"),
        ([1, 20, 20], 256, "grey levels from 0 to 255"),
        ([1, 7, 20], 0, "8 to 2048 pixels"),
        ([20, 20], 0, "shape"),
    ],
)
def test_digits_refuses_what_is_no_image_and_says_why(workshop, shape, level, wanted):
    data = [level] * int(np.prod(shape))
    tensor = {"name": "image", "shape": shape, "datatype": "UINT16", "data": data}
    answer = workshop.served("digits").infer({"inputs": [tensor]})
    assert (answer.status, wanted in answer.json["error"]) == (400, True), answer.json


def test_value_is_months_times_the_charge(workshop):
    body = requests_of("customer-value")[0]
    answer = workshop.served("customer-value").infer(body).outputs
    charge = next(tensor["data"][0] for tensor in body["inputs"] if tensor["name"] == "monthly_charge")
    assert answer["value_12m"]["data"][0] == pytest.approx(answer["months"]["data"][0] * charge, abs=0.006)


def test_an_offer_is_what_the_rule_makes_of_the_members_answers(workshop):
    rule = module_of("retention-offer", "handler.py")
    body = requests_of("retention-offer")[0]
    facts = [tensor for tensor in body["inputs"] if tensor["name"] not in ("under_notice", "opted_out")]
    without_change = [tensor for tensor in facts if tensor["name"] != "seats_change_90d"]
    churn = workshop.served("churn").infer({"inputs": without_change}).outputs["churn_probability"]["data"]
    value = workshop.served("customer-value").infer({"inputs": facts}).outputs["value_12m"]["data"]
    discount, gain = rule.decide(np.array(churn), np.array(value))
    answer = workshop.served("retention-offer").infer(body).outputs
    assert answer["discount"]["data"] == discount.tolist()
    assert answer["expected_gain"]["data"] == pytest.approx(gain.tolist(), abs=0.01)


def test_the_request_file_of_the_ensemble_meets_every_reason(workshop):
    served = workshop.served("retention-offer")
    reasons = {
        reason for body in requests_of("retention-offer") for reason in served.infer(body).outputs["reason"]["data"]
    }
    assert reasons == {"offer", "not worth it", "under notice", "opted out", "consent unknown"}


@pytest.mark.parametrize("down", ["churn", "customer-value"])
def test_a_member_that_is_down_is_503_with_its_name(workshop, down):
    served = workshop.served("retention-offer")
    port = workshop.gateway.ports.pop(down)
    try:
        answer = served.infer(requests_of("retention-offer")[0])
    finally:
        workshop.gateway.ports[down] = port
    assert answer.status == 503
    assert f"{down}: no replica is up" in answer.json["error"]
    assert "retry-after" in answer.headers
    assert served.infer(requests_of("retention-offer")[0]).status == 200


def test_barred_customers_are_answered_without_asking_about_them(workshop):
    served = workshop.served("retention-offer")
    body = requests_of("retention-offer")[0]
    tensors = [tensor for tensor in body["inputs"] if tensor["name"] not in ("under_notice", "opted_out")]
    barred = {"name": "under_notice", "shape": [1], "datatype": "BOOL", "data": [True]}
    workshop.gateway.asked.clear()
    answer = served.infer({"inputs": [*tensors, barred]})
    assert (answer.status, answer.outputs["reason"]["data"]) == (200, ["under notice"])
    assert workshop.gateway.asked == []


def test_support_llm_is_cut_and_refused_here_with_what_is_missing(workshop):
    release = workshop.release("support-llm")
    assert release.model.immutable
    assert release.bundle is None
    assert missing_here(release) == "1 GPU of class l4 and the vllm runtime, which is a container image"


@pytest.mark.parametrize("service", [*OUTPUTS, "support-llm"])
def test_cutting_again_gives_the_same_release(workshop, service):
    release = workshop.release(service)
    assert cut(workshop.root, service, workshop.store) == release
