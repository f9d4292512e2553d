"""What a team may write in `handler.py`: a class named `Handler` with any of these methods.

    from serving import Handler as Base, InvalidInput

    class Handler(Base):
        def preprocess(self, inputs):
            if (inputs["age"] < 0).any():
                raise InvalidInput("age: a number of years is wanted")
            return inputs

Subclassing is optional: only the methods present are called. One instance serves all requests, one call at a time
unless the server runs with `--threads` above 1. `predict` of an ensemble runs concurrently with itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # numpy costs 100 ms; a checker that only imports handlers need not pay it
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]
    Tensors = Mapping[str, Array]


class Service(Protocol):
    """Another service, called at the gateway: `await services["churn"](inputs)` gives its outputs by name."""

    def __call__(self, inputs: Tensors) -> Awaitable[Tensors]: ...


class Handler:
    """Does nothing; override what is needed."""

    # Which method of a scikit-learn model answers: predict, predict_proba, decision_function or transform.
    method: str = "predict"

    def load(self, bundle: Path) -> None:
        """Called once, before the first request, with the bundle's directory."""

    def preprocess(self, inputs: Tensors) -> Tensors | Array:
        """What the model gets, from the request's inputs: one array of n rows per feature.

        Return features by name, or the model's matrix of n rows. Raise `InvalidInput` for a bad input.
        """
        return inputs

    def postprocess(self, outputs: Tensors | Array, inputs: Tensors) -> Tensors | Array:  # noqa: ARG002 - for overriders
        """What the caller gets, from the model's outputs and the request's inputs: one array per named output."""
        return outputs

    async def predict(self, inputs: Tensors, services: Mapping[str, Service]) -> Tensors:
        """An ensemble's answer, from other services'. Only called in services of format `ensemble`."""
        raise NotImplementedError("an ensemble's handler needs `async def predict(self, inputs, services)`")
