"""Train the digit reader on scikit-learn's own digits, seen as users' images are seen: through the handler.

`photograph` turns an 8 x 8 digit into a grey image of some size, place, contrast and polarity; the handler makes 8 x 8
of it again. Model and evaluation get what comes out, so the accuracy is that of the service, not of the model alone.
Run: `python train.py --out DIR`.
"""

from __future__ import annotations

import argparse
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import skops.io
from handler import normalise
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss
from sklearn.pipeline import Pipeline, make_pipeline
from threadpoolctl import threadpool_limits

SEED = 20260101
# The first two thirds, in the order of the data set, are learned from: people wrote many digits each, and a random
# third would be of the same hands.
TRAIN_SHARE = 2 / 3
# Photographs of each digit, and of each digit that is judged.
COPIES, TEST_COPIES = 3, 2

Image = NDArray[np.float64]


def photograph(digit: Image, draw: np.random.Generator) -> Image:
    """An image of `digit` (8 by 8, 0 to 16): grey levels 0 to 255, 16 to 60 pixels a side."""
    height = int(draw.integers(14, 41))
    ink = _enlarge(digit / 16, height)
    top, bottom, left, right = draw.integers(1, 11, 4)
    ink = np.pad(ink, ((top, bottom), (left, right)))
    paper, pen = draw.uniform(180, 255), draw.uniform(0, 90)
    if draw.random() < 0.3:  # chalk on a board
        paper, pen = pen, paper
    levels = paper + (pen - paper) * ink + draw.normal(0, draw.uniform(0, 6), ink.shape)
    return np.asarray(levels.clip(0, 255).round())


def _enlarge(image: Image, side: int) -> Image:
    """`image` at `side` by `side`, linear between the centres of its cells."""
    at = (np.arange(side) + 0.5) * len(image) / side - 0.5
    weights = np.clip(1 - np.abs(at[:, None] - np.arange(len(image))), 0, 1)
    weights /= weights.sum(axis=1, keepdims=True)
    return np.asarray(weights @ image @ weights.T)


def photographs(digits: Image, copies: int, seed: int) -> list[Image]:
    """`copies` images of every digit, one digit after the other."""
    draw = np.random.default_rng(seed)
    return [photograph(digit, draw) for digit in digits for _ in range(copies)]


def seen(images: list[Image]) -> Image:
    """What the model gets of them."""
    return np.stack([normalise(image) for image in images])


def reader() -> Pipeline:
    """An untrained model: a smooth kernel, then a linear decision with probabilities."""
    return make_pipeline(
        Nystroem(gamma=0.0012, n_components=400, random_state=SEED),
        LogisticRegression(C=30, max_iter=400),
    )


def train() -> tuple[Pipeline, dict[str, float]]:
    """The model, and how good it is on digits of which it has seen no image."""
    data = load_digits()
    split = int(len(data.target) * TRAIN_SHARE)
    model = reader().fit(seen(photographs(data.images[:split], COPIES, SEED)), np.repeat(data.target[:split], COPIES))
    originals = reader().fit(data.data[:split], data.target[:split])
    said = model.predict_proba(seen(photographs(data.images[split:], TEST_COPIES, SEED + 1)))
    truth = np.repeat(data.target[split:], TEST_COPIES)
    metrics = {
        "accuracy": float(accuracy_score(truth, said.argmax(axis=1))),
        "accuracy_where_sure": float((said.argmax(axis=1) == truth)[said.max(axis=1) >= 0.9].mean()),
        "share_sure": float((said.max(axis=1) >= 0.9).mean()),
        "log_loss": float(log_loss(truth, said)),
        "accuracy_of_originals": float(originals.score(data.data[split:], data.target[split:])),
    }
    return model, {name: round(value, 6) for name, value in metrics.items()}


def repeatable(model: Any) -> bytes:
    """A skops file that depends on the model alone: skops writes memory addresses and the time of day into it."""
    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(model))) as written:
        files = {name: written.read(name) for name in written.namelist()}
    names: dict[int, int] = {}
    schema = json.dumps(_renumbered(json.loads(files.pop("schema.json")), names), sort_keys=True)
    renamed = {f"{names[int(Path(name).stem)]}{Path(name).suffix}": data for name, data in files.items()}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted({**renamed, "schema.json": schema.encode()}.items()):
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _renumbered(value: Any, names: dict[int, int]) -> Any:
    """skops's schema with its object numbers counted from 0, in the order they are met."""
    if isinstance(value, list):
        return [_renumbered(item, names) for item in value]
    if not isinstance(value, dict):
        return value
    result: dict[str, Any] = {}
    for key, item in value.items():
        if key == "__id__":
            result[key] = names.setdefault(item, len(names))
        elif key == "file":
            stem, suffix = Path(item).stem, Path(item).suffix
            result[key] = f"{names.setdefault(int(stem), len(names))}{suffix}"
        else:
            result[key] = _renumbered(item, names)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    with threadpool_limits(1):  # more threads add in another order
        model, metrics = train()
    (out / "model.skops").write_bytes(repeatable(model))
    data = {"name": "scikit-learn load_digits", "train_share": round(TRAIN_SHARE, 4), "copies": COPIES, "seed": SEED}
    (out / "evaluation.json").write_text(json.dumps({"metrics": metrics, "data": data}))
    print(f"accuracy {metrics['accuracy']:.4f} on images; {metrics['accuracy_where_sure']:.4f} where sure")


if __name__ == "__main__":
    main()
