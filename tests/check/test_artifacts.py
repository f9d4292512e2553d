"""Model files in a service's directory, made by the libraries that write them."""

from __future__ import annotations

import gzip
import pickle
import zipfile
from pathlib import Path

import joblib
import lightgbm
import numpy as np
import pytest
import skops.io
import xgboost
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression

from liftlock.check import artifacts
from liftlock.check.report import check

X = np.random.default_rng(1).random((60, 3))
Y = (X[:, 0] > 0.5).astype(int)


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, bytes]:
    """A real model file of each format."""
    base = tmp_path_factory.mktemp("models")
    linear = LogisticRegression().fit(X, Y)
    skops.io.dump(linear, base / "sklearn")
    xgboost.XGBClassifier(n_estimators=3).fit(X, Y).save_model(base / "xgboost.ubj")
    lightgbm.LGBMClassifier(n_estimators=3, verbose=-1).fit(X, Y).booster_.save_model(base / "lightgbm")
    (base / "onnx").write_bytes(to_onnx(linear, X[:1].astype(np.float32)).SerializeToString())
    return {path.stem: path.read_bytes() for path in base.iterdir()}


FORMATS = ("sklearn", "xgboost", "lightgbm", "onnx")


@pytest.mark.parametrize("kind", FORMATS)
def test_a_whole_model_is_known_for_what_it_is(models, kind):
    assert artifacts.recognise(models[kind]) == kind
    assert artifacts._format_fault(written(models[kind]), file(models[kind]), models[kind], kind) is None


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_model_cut_short_is_found(models, kind, share):
    data = models[kind][: int(len(models[kind]) * share)]
    assert "cut short" in (artifacts._format_fault(written(data), file(data), data, kind) or "")


@pytest.mark.parametrize("kind", FORMATS)
def test_a_model_of_another_format_is_found(models, kind):
    other = models[FORMATS[FORMATS.index(kind) - 1]]
    fault = artifacts._format_fault(written(other), file(other), other, kind)
    assert fault is not None
    assert fault.startswith(f"a model of format {kind}")


class written:  # noqa: N801 (reads as a path)
    """Bytes that answer as a path does."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def read_bytes(self) -> bytes:
        return self.data


def file(data: bytes) -> artifacts.File:
    return artifacts.File("model", len(data), "", 0, False)


PICKLED = {"a": [1, 2, 3], "b": "text"}


def pickled(path: Path, how: str) -> None:
    match how:
        case "zip":
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("archive/data.pkl", pickle.dumps(PICKLED))
        case "npz":
            np.savez(path.with_suffix(".npz"), a=np.array([object()], dtype=object).astype(str).astype(object))
            path.with_suffix(".npz").rename(path)
        case "npy":
            np.save(path.with_suffix(".npy"), np.array([{"a": 1}], dtype=object))
            path.with_suffix(".npy").rename(path)
        case "joblib":
            joblib.dump(LogisticRegression().fit(X, Y), path)
        case "joblib-zlib" | "joblib-gzip" | "joblib-bz2" | "joblib-lzma" | "joblib-xz":
            joblib.dump(LogisticRegression().fit(X, Y), path, compress=(how.removeprefix("joblib-"), 3))
        case "gzip":
            path.write_bytes(gzip.compress(pickle.dumps(PICKLED)))
        case _:
            path.write_bytes(pickle.dumps(PICKLED, protocol=int(how)))


@pytest.mark.parametrize(
    "how",
    ["0", "1", "2", "3", "4", "5", "zip", "npz", "npy", "gzip", "joblib", "joblib-zlib", "joblib-gzip", "joblib-bz2",
     "joblib-lzma", "joblib-xz"],
)  # fmt: skip
@pytest.mark.parametrize("name", ["model.ubj", "model.pkl", "weights.bin"])
def test_a_pickle_is_refused_whatever_it_is_called_or_wrapped_in(tree, service, how, name):
    pickled(service / name, how)
    problems = [str(problem) for problem in check(tree).problems]
    assert [f"model_services/xgboost/{name}:0:0: (file): {artifacts._PICKLE}"] == problems


def test_no_real_model_is_taken_for_a_pickle(models, tree, service):
    for kind, data in models.items():
        (service / f"{kind}.bin").write_bytes(data)
    (service / "model.ubj").write_bytes(models["xgboost"])
    np.save(service / "means.npy", X)
    (service / "notes.txt").write_text("(c) the team. Not a pickle.")
    assert check(tree).problems == ()


def test_noise_never_breaks_the_walkers():
    noise = np.random.default_rng(3)
    for walk in artifacts._WHOLE.values():
        for size in range(0, 400, 7):
            walk(b"{" + noise.bytes(size))
