"""The business rule of retention-offer, as its card states it."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from serving import InvalidInput

from .conftest import module_of

rule = module_of("retention-offer", "handler.py")

# p(leaving), value of twelve months, the discount offered, its gain; worked out by hand from the card.
CASES = [
    (0.00, 1000, 0.00, 0.0),
    (0.20, 1000, 0.00, 0.0),  # 0.202 x 0.2 - 0.05 < 0
    (0.28, 1000, 0.00, 0.0),  # gains 6.56, less than the contact costs
    (0.28, 5000, 0.05, 24.80),  # the same share of more money is worth a contact
    (0.35, 1000, 0.05, 12.70),
    (0.45, 1000, 0.10, 38.25),
    (0.60, 1000, 0.20, 104.00),
    (1.00, 1000, 0.20, 312.00),
    (0.90, 20, 0.00, 0.0),  # about to leave, and hardly a customer
    (0.90, 0, 0.00, 0.0),
]


@pytest.mark.parametrize(("probability", "value", "discount", "gain"), CASES)
def test_the_rule_on_paper_and_in_code_agree(probability, value, discount, gain):
    said, gains = rule.decide(np.array([probability]), np.array([float(value)]))
    assert (said[0], gains[0]) == (pytest.approx(discount), pytest.approx(gain, abs=0.005))


@pytest.mark.parametrize(("bound", "below", "above"), [(0.2476, 0.0, 0.05), (0.4066, 0.05, 0.10), (0.5129, 0.10, 0.20)])
def test_the_bounds_of_the_card_hold_where_the_contact_does_not_matter(bound, below, above):
    said, _ = rule.decide(np.array([bound - 0.001, bound + 0.001]), np.full(2, 1e6))
    assert said.tolist() == [below, above]


def test_no_other_discount_would_gain_more():
    draw = np.random.default_rng(1)
    p, v = draw.random(2_000), draw.lognormal(6, 1, 2_000)
    _, gain = rule.decide(p, v)
    for d, u in zip(rule.DISCOUNTS, rule.UPLIFTS, strict=True):
        assert (gain >= p * v * u - d * v * (1 - p * (1 - u)) - rule.CONTACT_COST - 1e-9).all()
    assert (gain >= 0).all()


@pytest.mark.parametrize(
    ("under_notice", "opted_out", "reason"),
    [(0, 0, ""), (1, 0, "under notice"), (0, 1, "opted out"), (0, np.nan, "consent unknown"), (1, 1, "under notice")],
)
def test_who_may_not_be_offered_anything_is_told_apart(under_notice, opted_out, reason):
    assert rule.barred(np.array([float(under_notice)]), np.array([float(opted_out)])).tolist() == [reason]


def customers(**columns):
    """Three customers about to leave; columns override."""
    base = {name: np.full(3, 10.0) for name in rule.VALUE_FEATURES}
    return base | {"under_notice": np.zeros(3), "opted_out": np.zeros(3)} | columns


class Members:
    """Members that say the same of everybody, and remember what they were asked."""

    def __init__(self, probability=0.9, value=1000.0):
        self.asked = {}
        self.answers = {"churn": {"churn_probability": probability}, "customer-value": {"value_12m": value}}

    def __getitem__(self, name):
        async def answer(inputs):
            self.asked[name] = inputs
            rows = len(next(iter(inputs.values())))
            return {output: np.full(rows, value) for output, value in self.answers[name].items()}

        return answer


def answer(inputs, members):
    return asyncio.run(rule.Handler().predict(inputs, members))


def test_only_those_who_may_be_offered_something_are_asked_about():
    members = Members()
    said = answer(customers(under_notice=np.array([0.0, 1.0, 0.0]), opted_out=np.array([0.0, 0.0, np.nan])), members)
    assert said["reason"].tolist() == ["offer", "under notice", "consent unknown"]
    assert said["discount"].tolist() == [0.2, 0.0, 0.0]
    assert {name: len(inputs["seats"]) for name, inputs in members.asked.items()} == {"churn": 1, "customer-value": 1}


def test_each_member_gets_the_features_it_declares():
    members = Members()
    answer(customers(), members)
    assert set(members.asked["churn"]) == set(rule.CHURN_FEATURES)
    assert set(members.asked["customer-value"]) == set(rule.VALUE_FEATURES)
    for service, names in (("churn", rule.CHURN_FEATURES), ("customer-value", rule.VALUE_FEATURES)):
        assert tuple(module_of(service, "train.py").FEATURES) == names


def test_a_likely_stayer_is_not_worth_it():
    assert answer(customers(), Members(probability=0.1))["reason"].tolist() == ["not worth it"] * 3


def test_what_a_member_refuses_is_passed_on():
    class Refusing(Members):
        def __getitem__(self, name):
            async def refuse(_):
                raise InvalidInput(f"{name}: seats: a number is wanted")

            return refuse

    with pytest.raises(InvalidInput, match="seats"):
        answer(customers(), Refusing())
