"""scikit-learn models in skops files: no pickle, and no type but those scikit-learn, SciPy and NumPy define."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import skops.io  # type: ignore[import-untyped]
import threadpoolctl  # type: ignore[import-untyped]

from serving.errors import BundleError
from serving.formats import Options, zeros
from serving.tensors import Array

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


def load(path: Path, options: Options) -> SklearnModel:
    """Raises BundleError naming the first type that is not scikit-learn's own."""
    if path.read_bytes()[:2] != b"PK":
        raise BundleError(f"{path.name}: is not a skops file")
    if untrusted := skops.io.get_untrusted_types(file=path):
        raise BundleError(f"{path.name}: holds {untrusted[0]}, which is not scikit-learn's own")
    threadpoolctl.threadpool_limits(options.threads)
    return SklearnModel(skops.io.load(path, trusted=[]), options.method)
