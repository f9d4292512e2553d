"""A bundle as a `kserve.Model`, for stock `kserve.ModelServer`: the same predictor behind KServe's own data plane.

The lean server never imports this, as `import kserve` takes longer than all its own start (docs/adr/0001).

    model = LiftlockModel("churn", Path("bundle"))
    model.load()
    kserve.ModelServer().start([model])
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kserve  # type: ignore[import-untyped]
from kserve import errors
from kserve.protocol.infer_type import InferOutput, InferRequest, InferResponse  # type: ignore[import-untyped]

from serving import v1
from serving.config import load_config
from serving.errors import Refused
from serving.predictor import Predictor
from serving.tensors import Array, Tensor, check_header, datatype_of, flat, from_raw


class LiftlockModel(kserve.Model):  # type: ignore[misc]
    """Answers as our server does; batching, limits and counters belong to our data plane and are not here."""

    def __init__(self, name: str, bundle: Path) -> None:
        super().__init__(name)
        self._bundle = bundle
        self._predictor: Predictor | None = None

    def load(self) -> bool:
        """Load the bundle and answer its warm-up. Raises BundleError."""
        self._predictor = Predictor(load_config(self._bundle), self._bundle)
        self._predictor.answer(self._predictor.bind(self._predictor.examples(self._bundle)))
        self.ready = True
        return self.ready

    def predict(
        self,
        payload: InferRequest | dict[str, Any],
        headers: dict[str, str] | None = None,  # noqa: ARG002 - KServe passes both
        response_headers: dict[str, str] | None = None,  # noqa: ARG002
    ) -> InferResponse | dict[str, Any]:
        """One request. Raises KServe's own InvalidInput and InferenceError."""
        predictor = self._predictor
        if predictor is None:
            raise errors.ModelNotReady(self.name)
        try:
            if isinstance(payload, InferRequest):
                outputs = predictor.answer(predictor.bind([_tensor(item) for item in payload.inputs]))
                return _response(self.name, payload, outputs)
            rows = v1.parse(payload, predictor.config.features)
            return {"predictions": v1.predictions(predictor.answer(predictor.bind(rows)))}
        except Refused as error:
            if error.status < 500:
                raise errors.InvalidInput(error.reason) from error
            raise errors.InferenceError(error.reason) from error


def _tensor(item: Any) -> Tensor:
    name, datatype, shape = check_header(item.name, item.datatype, list(item.shape))
    if item._raw_data is not None:
        return from_raw(name, datatype, shape, item._raw_data)
    return Tensor(name, datatype, shape, flat(name, shape, list(item.data)))


def _response(name: str, request: InferRequest, outputs: dict[str, Array]) -> InferResponse:
    answers = []
    for output_name, array in outputs.items():
        output = InferOutput(output_name, list(array.shape), datatype_of(array))
        output.set_data_from_numpy(array, binary_data=request.use_binary_outputs)
        answers.append(output)
    return InferResponse(
        model_name=name,
        infer_outputs=answers,
        response_id=request.id or "",
        use_binary_outputs=request.use_binary_outputs,
        requested_outputs=request.request_outputs,
    )
