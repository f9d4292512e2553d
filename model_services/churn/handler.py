"""Turns the model's score into what the retention team works with: a probability and a band."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from serving import Handler as Base

# Bands as agreed with the retention team: who is called (high), who is written to (medium).
MEDIUM, HIGH = 0.2, 0.5


class Handler(Base):
    """Adds the band."""

    def postprocess(self, outputs: Any, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        probability = np.asarray(outputs, dtype=np.float64).reshape(-1)
        band = np.select([probability >= HIGH, probability >= MEDIUM], ["high", "medium"], "low")
        return {"churn_probability": probability, "band": band}
