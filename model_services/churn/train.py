"""Train the churn model on customers from a documented generator, so that the truth is known.

`customers` draws accounts whose probability of leaving within 90 days is an explicit function of seven facts
(`leave_probability`); a model can therefore be held against the best ranking any model could reach, not only against
other models. Run: `python train.py --out DIR`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray
from sklearn.metrics import brier_score_loss, roc_auc_score

FEATURES = (
    "tenure_months",
    "monthly_charge",
    "contract_months",
    "support_calls_90d",
    "days_since_login",
    "failed_payments_90d",
    "seats",
)
ROWS, TEST_ROWS, SEED = 20_000, 10_000, 20260101
ROUNDS = 120
PARAMETERS = {
    "objective": "binary:logistic",
    "max_depth": 4,
    "eta": 0.1,
    "subsample": 0.8,
    "min_child_weight": 20,
    "tree_method": "hist",
    "nthread": 1,  # more threads add in another order, and the model would differ between machines
    "seed": SEED,
}

Table = NDArray[np.float64]


def customers(rows: int, seed: int) -> Table:
    """`rows` customers, one a row, columns as FEATURES; 2 % have no recorded login (NaN)."""
    draw = np.random.default_rng(seed)
    tenure = np.ceil(draw.gamma(1.6, 14.0, rows)).clip(1, 120)
    contract = draw.choice([1.0, 12.0, 24.0], rows, p=[0.55, 0.3, 0.15])
    seats = np.ceil(draw.lognormal(0.9, 1.0, rows)).clip(1, 500)
    charge = (12 + 9 * seats**0.85 + draw.normal(0, 4, rows)).clip(5, 2000).round(2)
    calls = draw.poisson(0.6 + 0.9 * (draw.random(rows) < 0.2), rows).clip(0, 30)
    login = np.floor(draw.exponential(9.0, rows)).clip(0, 365)
    failed = draw.binomial(3, 0.06, rows)
    login[draw.random(rows) < 0.02] = np.nan
    return np.column_stack([tenure, charge, contract, calls, login, failed, seats]).astype(np.float64)


def leave_probability(table: Table) -> NDArray[np.float64]:
    """The truth: the probability that each customer leaves within 90 days.

    Long tenure and long contracts hold; support calls, absence and failed payments loosen; an account nobody ever
    logged into behaves as one absent for 45 days.
    """
    tenure, charge, contract, calls, login, failed, seats = table.T
    absent = np.where(np.isnan(login), 45.0, login)
    logit = (
        -1.1
        - 0.9 * np.log1p(tenure / 6)
        - 0.07 * contract
        + 0.55 * calls
        + 0.045 * absent
        + 0.8 * failed
        + 0.012 * charge / np.sqrt(seats)
        + 0.6 * (calls >= 2) * (contract == 1)
    )
    return 1 / (1 + np.exp(-logit))


def outcomes(table: Table, seed: int) -> NDArray[np.float64]:
    """Who left: one draw of the truth."""
    return (np.random.default_rng(seed).random(len(table)) < leave_probability(table)).astype(np.float64)


def train() -> tuple[xgb.Booster, dict[str, float]]:
    """The model, and how good it is on customers it has not seen."""
    table, test = customers(ROWS, SEED), customers(TEST_ROWS, SEED + 1)
    left, test_left = outcomes(table, SEED + 2), outcomes(test, SEED + 3)
    data = xgb.DMatrix(table, label=left, feature_names=list(FEATURES))
    booster = xgb.train(PARAMETERS, data, num_boost_round=ROUNDS)
    said = booster.predict(xgb.DMatrix(test, feature_names=list(FEATURES)))
    truth = leave_probability(test)
    metrics = {
        "roc_auc": float(roc_auc_score(test_left, said)),
        "best_possible_roc_auc": float(roc_auc_score(test_left, truth)),
        "brier": float(brier_score_loss(test_left, said)),
        "mean_error_of_probability": float(np.abs(said - truth).mean()),
    }
    return booster, {name: round(value, 6) for name, value in metrics.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    booster, metrics = train()
    booster.save_model(out / "model.ubj")
    data = {"name": "customers() of train.py", "rows": ROWS, "test_rows": TEST_ROWS, "seed": SEED}
    (out / "evaluation.json").write_text(json.dumps({"metrics": metrics, "data": data}))
    print(f"roc_auc {metrics['roc_auc']:.4f} of at most {metrics['best_possible_roc_auc']:.4f}")


if __name__ == "__main__":
    main()
