"""Loading a model file into something that predicts, one module per format, each imported only when it is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from serving.errors import BundleError
from serving.tensors import Array

# What protocol 2 to 5 pickles begin with; joblib files are pickles too, and compressed ones begin as their compression.
_PICKLE = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x04\x22\x4d\x18", b"\x78\x9c", b"\x78\x01", b"\x78\xda")


@dataclass(frozen=True)
class Options:
    """How to load: `threads` for the native library, and which scikit-learn `method` answers."""

    threads: int = 1
    method: str = "predict"


class Model(Protocol):
    """A loaded model.

    `names` are the features it was trained on, in order, where its file says so; `width` how many; None if unknown.
    `named` models take tensors by name, the others one matrix of rows by features.
    """

    names: tuple[str, ...] | None
    width: int | None
    named: bool
    frame: bool

    def predict(self, data: Array | Mapping[str, Array]) -> Array | Mapping[str, Array]:
        """Predictions for a matrix or for tensors by name. Raises ValueError for data the model cannot take."""
        ...

    def example(self) -> Mapping[str, Array] | None:
        """One row the model should be able to answer, where its file says enough; else None."""
        ...


def refuse_pickle(path: Path) -> None:
    """Raise BundleError where the content is a pickle, whatever the name: loading one runs code."""
    with path.open("rb") as file:
        head = file.read(8)
    if head.startswith(_PICKLE) or (head[:1] in b"(c}]" and head[:1]) or head.startswith(b"\x80"):
        raise BundleError(f"{path.name}: is a pickle, and loading one runs code; save it in the format's own way")
    if head.startswith(_COMPRESSED):
        raise BundleError(f"{path.name}: is compressed, as joblib's pickles are; save it in the format's own way")


def load_model(format_name: str, path: Path, options: Options) -> Model:
    """The model in `path`. Raises BundleError in one line for a file that is not of the format."""
    if path.is_symlink() or not path.is_file():
        raise BundleError(f"{path.name}: is not a file of the bundle")
    refuse_pickle(path)
    module = importlib.import_module(f"serving.formats.{format_name}_model")
    try:
        model: Model = module.load(path, options)
    except BundleError:
        raise
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise BundleError(f"{path.name}: cannot be read as {format_name}: {reason[:300]}") from error
    return model


def zeros(width: int | None) -> Mapping[str, Array] | None:
    """One row of zeros for a model of `width` features."""
    return None if not width else {"input-0": np.zeros((1, width))}
