"""The offer a customer gets so that they stay: churn's probability and customer-value's money, by one rule.

The rule is `decide`; README.md says it in words, with where its numbers come from. Whom the law or their own word
keeps from being offered anything is not scored at all: no member is asked about them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from serving import Handler as Base

if TYPE_CHECKING:
    from serving.handler import Service, Tensors

Array = np.ndarray[Any, np.dtype[Any]]

# Discounts for twelve months, and which share of those about to leave each keeps.
DISCOUNTS = np.array([0.05, 0.10, 0.20])
UPLIFTS = np.array([0.16, 0.25, 0.40])
# What writing to a customer costs, in the currency of monthly_charge.
CONTACT_COST = 8.0
# What each member is asked with.
CHURN_FEATURES = (
    "tenure_months",
    "monthly_charge",
    "contract_months",
    "support_calls_90d",
    "days_since_login",
    "failed_payments_90d",
    "seats",
)
VALUE_FEATURES = (*CHURN_FEATURES, "seats_change_90d")


class Handler(Base):
    """Asks both members about those who may get an offer, and decides."""

    async def predict(self, inputs: Tensors, services: Mapping[str, Service]) -> Tensors:
        reason = barred(inputs["under_notice"], inputs["opted_out"])
        discount, gain = np.zeros(len(reason)), np.zeros(len(reason))
        if (open_to := reason == "").any():
            probability, value = await _scores({name: rows[open_to] for name, rows in inputs.items()}, services)
            discount[open_to], gain[open_to] = decide(probability, value)
        reason[open_to] = np.where(discount[open_to] > 0, "offer", "not worth it")
        return {"discount": discount, "expected_gain": gain.round(2), "reason": reason}


async def _scores(inputs: Tensors, services: Mapping[str, Service]) -> tuple[Array, Array]:
    """The probability of leaving and the value of each customer. Raises what a member that is down raises: 503."""
    churn, value = await asyncio.gather(
        services["churn"]({name: inputs[name] for name in CHURN_FEATURES}),
        services["customer-value"]({name: inputs[name] for name in VALUE_FEATURES}),
    )
    return churn["churn_probability"], value["value_12m"]


def barred(under_notice: Array, opted_out: Array) -> Array:
    """Why each customer may not be offered anything; '' for who may. Unknown (NaN) consent is none."""
    return np.select(
        [under_notice == 1, opted_out == 1, np.isnan(opted_out)],
        np.array(["under notice", "opted out", "consent unknown"], dtype=object),
        default=np.array("", dtype=object),
    )


def decide(probability: Array, value: Array) -> tuple[Array, Array]:
    """The discount that gains most, and its gain; both 0 where none gains anything.

    `probability` of leaving within 90 days, `value` of the next twelve months in money, both of shape [rows].
    A discount gains `probability x value x uplift`, and costs the contact and the discount on what all who stay pay.
    """
    p, v = probability[:, None], value[:, None]
    staying = 1 - p * (1 - UPLIFTS)
    gains = p * v * UPLIFTS - DISCOUNTS * v * staying - CONTACT_COST
    best = gains.argmax(axis=1)
    gain = np.take_along_axis(gains, best[:, None], axis=1)[:, 0]
    return np.where(gain > 0, DISCOUNTS[best], 0.0), gain.clip(0)
