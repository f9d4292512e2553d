"""Train the tumour model on scikit-learn's breast cancer data, and write it as ONNX.

569 biopsies (Wolberg et al. 1995), thirty measurements of cell nuclei each. So few that one held-out part would say
little: the evaluation is of the predictions that ten folds make about what they have not seen, and the model is then
trained on all. Run: `python train.py --out DIR`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from skl2onnx import to_onnx
from sklearn.datasets import load_breast_cancer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, recall_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

SEED, FOLDS = 20260101, 10
# From this probability a biopsy is looked at again. Missing a tumour costs more than a second look.
SECOND_LOOK = 0.2
# The opset every onnxruntime since 2022 reads.
OPSET = 17

Table = NDArray[np.float64]


def biopsies() -> tuple[Table, NDArray[np.int64], tuple[str, ...]]:
    """Measurements, whether malignant (1) or not (0), and the measurements' names as in features.yaml."""
    data = load_breast_cancer()
    names = tuple(str(name).replace(" ", "_") for name in data.feature_names)
    return data.data, 1 - data.target, names  # scikit-learn has malignant as 0


def without_errors(table: Table, names: tuple[str, ...]) -> Table:
    """The table as a laboratory sends it that reports no standard errors."""
    return np.where(np.char.endswith(names, "_error"), np.nan, table)


def classifier() -> Pipeline:
    """An untrained model. A measurement that is missing counts as the median one."""
    return make_pipeline(SimpleImputer(strategy="median"), StandardScaler(), LogisticRegression(C=0.5, max_iter=1000))


def evaluate(table: Table, malignant: NDArray[np.int64], names: tuple[str, ...]) -> dict[str, float]:
    """How good the model is about biopsies it has not seen, complete and without standard errors."""
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
    said = cross_val_predict(classifier(), table, malignant, cv=folds, method="predict_proba")[:, 1]
    partly = np.empty(len(table))
    for learn, judge in folds.split(table, malignant):
        model = classifier().fit(table[learn], malignant[learn])
        partly[judge] = model.predict_proba(without_errors(table[judge], names))[:, 1]
    metrics = {
        "roc_auc": float(roc_auc_score(malignant, said)),
        "roc_auc_without_errors": float(roc_auc_score(malignant, partly)),
        "recall_at_second_look": float(recall_score(malignant, said >= SECOND_LOOK)),
        "share_looked_at_again": float((said >= SECOND_LOOK).mean()),
        "brier": float(brier_score_loss(malignant, said)),
    }
    return {name: round(value, 6) for name, value in metrics.items()}


def onnx_bytes(model: Pipeline, width: int) -> bytes:
    """The model as ONNX: `X` of shape [rows, width], giving `label` and `probabilities` [rows, 2]."""
    example = np.zeros((1, width), dtype=np.float32)
    converted = to_onnx(model, example, options={"zipmap": False}, target_opset=OPSET, name="tumour")
    return bytes(converted.SerializeToString(deterministic=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    table, malignant, names = biopsies()
    with threadpool_limits(1):  # more threads add in another order
        metrics = evaluate(table, malignant, names)
        model = classifier().fit(table, malignant)
    (out / "model.onnx").write_bytes(onnx_bytes(model, len(names)))
    data = {"name": "scikit-learn load_breast_cancer", "rows": len(table), "folds": FOLDS, "seed": SEED}
    (out / "evaluation.json").write_text(json.dumps({"metrics": metrics, "data": data}))
    print(f"roc_auc {metrics['roc_auc']:.4f}, recall {metrics['recall_at_second_look']:.4f} from {SECOND_LOOK}")


if __name__ == "__main__":
    main()
