"""A bundle, loaded: inputs to outputs, through the team's handler. Shared by our server and `serving.kserve_model`."""

from __future__ import annotations

import inspect
import sys
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from serving.config import Feature, ServingConfig
from serving.errors import BundleError, Failed, InvalidInput, Refused
from serving.features import FeatureTable, Inputs, bind_undeclared
from serving.formats import Model, Options, load_model
from serving.handler import Service
from serving.tensors import Array, Tensor, datatype_of
from serving.v2 import decode

# What stock KServe servers call the output of a model that names none.
OUTPUT = "output-0"

Prepared = Array | Mapping[str, Array]


class Predictor:
    """Answers requests in three steps, so that several requests' middle step can be one: prepare, run, finish."""

    def __init__(self, config: ServingConfig, bundle: Path, threads: int = 1) -> None:
        """Load the model and the handler. Raises BundleError in one line."""
        self.config = config
        self.table = FeatureTable(config.features) if config.features else None
        self._handler = load_handler(bundle, config.handler) if config.handler else None
        method = getattr(self._handler, "method", "predict")
        self._model = self._load_model(bundle, Options(threads, method))
        self._preprocess = _own_method(self._handler, "preprocess")
        self._postprocess = _own_method(self._handler, "postprocess")
        self._order = self._model_order()

    def _load_model(self, bundle: Path, options: Options) -> Model | None:
        if self.config.model_file is None:
            if _own_method(self._handler, "predict") is None:
                raise BundleError("handler: an ensemble's needs `async def predict(self, inputs, services)`")
            return None
        return load_model(self.config.format, bundle / self.config.model_file, options)

    def _model_order(self) -> Array | None:
        """Where the model's features are in the schema, if it knows their names and their order is another."""
        if self.table is None or self._model is None or self._model.named or self._preprocess:
            return None
        ours, theirs = self.table.names, self._model.names
        if self._model.width not in (None, len(ours)):
            raise BundleError(f"features: the model takes {self._model.width}, and {len(ours)} are declared")
        if theirs is None or theirs == ours or _made_up(theirs):
            return None
        if sorted(theirs) != sorted(ours):
            names = ", ".join(sorted(set(theirs) ^ set(ours))[:5])
            raise BundleError(f"features: not those the model was trained on; they differ in {names}")
        return np.array([ours.index(name) for name in theirs], dtype=np.intp)

    def bind(self, tensors: Sequence[Tensor]) -> Inputs:
        """The request's inputs, checked. Raises InvalidInput."""
        return bind_undeclared(tensors) if self.table is None else self.table.bind(tensors)

    def prepare(self, inputs: Inputs) -> Prepared:
        """What the model gets for one request. Raises Refused."""
        if self._preprocess is None:
            return self._arrange(inputs)
        prepared = self._guard("preprocess", self._preprocess, inputs.columns)
        if isinstance(prepared, Mapping):
            columns = {name: np.asarray(column) for name, column in prepared.items()}
            return columns if self._model is not None and self._model.named else self._stack(columns)
        return np.asarray(prepared)

    def _arrange(self, inputs: Inputs) -> Prepared:
        if self._model is not None and self._model.named:
            return inputs.columns
        if inputs.matrix is None:
            return self._stack(inputs.columns)
        return inputs.matrix if self._order is None else inputs.matrix[:, self._order]

    def _stack(self, columns: Mapping[str, Array]) -> Prepared:
        """Columns as the model's matrix; as they are for a pipeline trained on a frame with texts."""
        if len(columns) == 1 and (only := next(iter(columns.values()))).ndim >= 2:
            return only
        texts = any(column.dtype.kind == "O" for column in columns.values())
        if texts and self._model is not None and self._model.frame:
            return columns
        names = self._model.names if self._model is not None else None
        order = names if names is not None and set(names) == columns.keys() else columns
        parts = [columns[name] for name in order]
        if any(part.ndim > 2 for part in parts):
            raise InvalidInput("inputs of one value per row, or one matrix, are wanted")
        return np.column_stack([part.astype(object if texts else np.float64) for part in parts])

    def run(self, prepared: Prepared) -> Prepared:
        """The model's raw answer. Raises InvalidInput where undeclared inputs do not suit it, else Failed."""
        if self._model is None:
            raise Failed("an ensemble has no model of its own")
        try:
            return self._model.predict(prepared)
        except (ValueError, TypeError) as error:
            if self.table is None or not self.table.numeric:
                raise InvalidInput(f"the model does not take this: {str(error).splitlines()[0][:200]}") from error
            raise Failed("the model failed") from error
        except Exception as error:
            raise Failed("the model failed") from error

    def finish(self, raw: Prepared, inputs: Inputs) -> dict[str, Array]:
        """Named outputs, after the handler. Raises Refused."""
        outputs: Any = raw
        if self._postprocess is not None:
            outputs = self._guard("postprocess", self._postprocess, raw, inputs.columns)
        return named_outputs(outputs)

    def answer(self, inputs: Inputs) -> dict[str, Array]:
        """All three steps for one request. Raises Refused."""
        return self.finish(self.run(self.prepare(inputs)), inputs)

    async def answer_ensemble(self, inputs: Inputs, services: Mapping[str, Service]) -> dict[str, Array]:
        """An ensemble's outputs, from other services'. Raises Refused."""
        columns = inputs.columns
        if self._preprocess is not None:
            columns = self._guard("preprocess", self._preprocess, columns)
        try:
            outputs = await self._handler.predict(columns, services)  # type: ignore[union-attr]
        except Refused:
            raise
        except Exception as error:
            raise Failed("the handler's predict failed") from error
        if self._postprocess is not None:
            outputs = self._guard("postprocess", self._postprocess, outputs, columns)
        return named_outputs(outputs)

    @staticmethod
    def _guard(step: str, function: Any, *arguments: Any) -> Any:
        try:
            return function(*arguments)
        except Refused:
            raise
        except Exception as error:
            raise Failed(f"the handler's {step} failed") from error

    def examples(self, bundle: Path) -> Sequence[Tensor]:
        """The warm-up's inputs: the bundle's `warmup.json`, else made from the features, else from the model."""
        warmup = bundle / "warmup.json"
        if warmup.is_file():
            return decode(warmup.read_bytes()).tensors
        if self.config.features:
            return [_example(feature) for feature in self.config.features]
        row = self._model.example() if self._model is not None and self._preprocess is None else None
        if row is None:
            raise BundleError("warmup.json: is wanted, as neither features nor the model say what an input is")
        return [Tensor(name, datatype_of(array), array.shape, array) for name, array in row.items()]


def _made_up(names: Sequence[str]) -> bool:
    """Whether a library numbered the features itself, having been trained on a bare matrix."""
    return all(name in (f"f{i}", f"Column_{i}", f"x{i}", f"feature_{i}") for i, name in enumerate(names))


def _example(feature: Feature) -> Tensor:
    if feature.type == "tensor":
        shape = tuple(max(size, 1) for size in feature.shape or (1,))
        return Tensor(feature.name, "FP64", shape, np.full(shape, _middle(feature)))
    if feature.type == "string":
        return Tensor(feature.name, "BYTES", (1,), [feature.values[0] if feature.values else ""])
    value = _middle(feature)
    return Tensor(feature.name, "FP64", (1,), [value if feature.type == "float" else float(int(value))])


def _middle(feature: Feature) -> float:
    known = [bound for bound in (feature.min, feature.max) if bound is not None]
    return 0.0 if feature.type == "boolean" or not known else sum(known) / len(known)


def named_outputs(outputs: Any) -> dict[str, Array]:
    """Whatever a model or handler gave, as arrays by name. Raises Failed for what is neither array nor mapping."""
    try:
        if isinstance(outputs, Mapping):
            return {str(name): _output(value) for name, value in outputs.items()}
        return {OUTPUT: _output(outputs)}
    except (ValueError, TypeError) as error:
        raise Failed("the handler's outputs are not arrays") from error


def _output(value: Any) -> Array:
    array = np.asarray(value)
    if array.dtype.kind not in "biufOSU":
        raise TypeError(f"an output of {array.dtype}")
    return array.reshape(1) if array.ndim == 0 else array


def _own_method(handler: Any, name: str) -> Any:
    """A handler's method, or None where it has none or only the base class's."""
    from serving.handler import Handler

    method = getattr(handler, name, None)
    return None if method is None or getattr(type(handler), name, None) is getattr(Handler, name, None) else method


def load_handler(bundle: Path, file: str) -> Any:
    """An instance of the bundle's `class Handler`, loaded. Raises BundleError in one line."""
    path = bundle / file
    try:
        module = types.ModuleType("liftlock_handler")
        module.__file__ = str(path)
        sys.modules[module.__name__] = module  # where dataclasses and pickled types look their module up
        exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
        factory = getattr(module, "Handler", None)
        handler = factory() if inspect.isclass(factory) else None
        if (load := _own_method(handler, "load")) is not None:
            load(bundle)
    except Exception as error:
        raise BundleError(f"{file}: {type(error).__name__}: {(str(error).splitlines() or [''])[0]}") from error
    if handler is None:
        raise BundleError(f"{file}: defines no class Handler")
    return handler
