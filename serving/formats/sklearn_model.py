"""scikit-learn models in skops files: no pickle, and no type but those scikit-learn, SciPy and NumPy define."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from serving.errors import BundleError
from serving.formats import Options, zeros
from serving.tensors import Array

# What scikit-learn and skops import where they find it, and predictions on arrays do not use: 1 s and 40 MB.
OPTIONAL = ("pandas", "pytest")

METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function", "transform")


class SklearnModel:
    """An estimator or pipeline. One trained on a data frame (`frame`) is given one where features are texts."""

    named = False

    def __init__(self, estimator: Any, method: str) -> None:
        if method not in METHODS or not hasattr(estimator, method):
            raise BundleError(f"handler: method: {type(estimator).__name__} has no {method}")
        self._answer = getattr(estimator, method)
        names = getattr(estimator, "feature_names_in_", None)
        self.names = None if names is None else tuple(str(name) for name in names)
        width = getattr(estimator, "n_features_in_", None)
        self.width = None if width is None else int(width)
        self.frame = names is not None

    def predict(self, data: Array | Mapping[str, Array]) -> Array:
        """Raises ValueError for a matrix the estimator cannot take."""
        if isinstance(data, Mapping):
            return np.asarray(self._answer(_frame(data)))
        return np.asarray(self._answer(data))

    def example(self) -> Mapping[str, Array] | None:
        return zeros(self.width)


def _frame(columns: Mapping[str, Array]) -> Any:
    import pandas  # type: ignore[import-untyped]  # 40 MB that only pipelines with text columns need

    return pandas.DataFrame(dict(columns))


@contextmanager
def without(modules: Sequence[str]) -> Iterator[None]:
    """Imports inside find these modules missing, unless they are already there; later imports find them."""
    hidden = [name for name in modules if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None is how import is told "missing"
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)


def import_skops() -> Any:
    """skops, without the walk through every module of scikit-learn by which it lists all estimators' names.

    `estimators` below decides about the few names that a file holds instead.
    """
    if "skops.io" not in sys.modules:
        with without(OPTIONAL):
            utils: Any = importlib.import_module("sklearn.utils")
            found, utils.all_estimators = utils.all_estimators, list
            try:
                importlib.import_module("skops.io")
            finally:
                utils.all_estimators = found
    return sys.modules["skops.io"]


def estimators(names: Sequence[str]) -> list[str]:
    """Those of the names that are estimators of scikit-learn's own, by `all_estimators`'s rule."""
    base = importlib.import_module("sklearn.base").BaseEstimator
    found = []
    for name in names:
        module, _, member = name.rpartition(".")
        if module.startswith("sklearn.") and "tests" not in module.split("."):
            candidate = getattr(importlib.import_module(module), member, None)
            if inspect.isclass(candidate) and issubclass(candidate, base) and candidate.__module__ == module:
                found.append(name)
    return found


def load(path: Path, options: Options) -> SklearnModel:
    """Raises BundleError naming the first type that is not scikit-learn's own."""
    if path.read_bytes()[:2] != b"PK":
        raise BundleError(f"{path.name}: is not a skops file")
    skops_io = import_skops()
    found = skops_io.get_untrusted_types(file=path)
    trusted = estimators(found)
    if foreign := sorted(set(found) - set(trusted)):
        raise BundleError(f"{path.name}: holds {foreign[0]}, which is not scikit-learn's own")
    importlib.import_module("threadpoolctl").threadpool_limits(options.threads)
    return SklearnModel(skops_io.load(path, trusted=trusted), options.method)
