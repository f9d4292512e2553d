"""Train the customer-value model: how many monthly charges a customer will pay in the next twelve months.

The customers are those of `churn` (the same generator and facts, and one more: seats gained or lost). What each will
pay follows from the probability of leaving and the growth of the account, both explicit, so the best possible
prediction is known (`expected_months`). The model learns months' worth, not money: the handler multiplies by the
charge, which would otherwise explain nearly everything and hide what the model does not know.
Run: `python train.py --out DIR`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import mean_absolute_error, r2_score

FEATURES = (
    "tenure_months",
    "monthly_charge",
    "contract_months",
    "support_calls_90d",
    "days_since_login",
    "failed_payments_90d",
    "seats",
    "seats_change_90d",
)
ROWS, TEST_ROWS, SEED = 30_000, 20_000, 20260201
ROUNDS = 180
MONTHS = 12
PARAMETERS = {
    "objective": "regression",
    "num_leaves": 15,
    "learning_rate": 0.06,
    "min_data_in_leaf": 100,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "num_threads": 1,  # more threads add in another order, and the model would differ between machines
    "deterministic": True,
    "force_row_wise": True,
    "seed": SEED,
    "verbosity": -1,
}

Table = NDArray[np.float64]


def customers(rows: int, seed: int) -> Table:
    """`rows` customers as churn's generator draws them, columns as FEATURES.

    `seats_change_90d` is the share of seats gained or lost, missing (NaN) for whoever came within those 90 days.
    """
    draw = np.random.default_rng(seed)
    tenure = np.ceil(draw.gamma(1.6, 14.0, rows)).clip(1, 120)
    contract = draw.choice([1.0, 12.0, 24.0], rows, p=[0.55, 0.3, 0.15])
    seats = np.ceil(draw.lognormal(0.9, 1.0, rows)).clip(1, 500)
    charge = (12 + 9 * seats**0.85 + draw.normal(0, 4, rows)).clip(5, 2000).round(2)
    calls = draw.poisson(0.6 + 0.9 * (draw.random(rows) < 0.2), rows).clip(0, 30)
    login = np.floor(draw.exponential(9.0, rows)).clip(0, 365)
    failed = draw.binomial(3, 0.06, rows)
    login[draw.random(rows) < 0.02] = np.nan
    change = (draw.normal(0.02, 0.12, rows) * (draw.random(rows) < 0.6)).clip(-0.9, 2).round(3) + 0.0
    change[tenure <= 3] = np.nan
    return np.column_stack([tenure, charge, contract, calls, login, failed, seats, change]).astype(np.float64)


def leave_probability(table: Table) -> NDArray[np.float64]:
    """churn's truth: the probability that each customer leaves within 90 days."""
    tenure, charge, contract, calls, login, failed, seats, _ = table.T
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
    return np.asarray(1 / (1 + np.exp(-logit)))


def monthly(table: Table) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The probability of leaving in a month, and the charge's growth a month.

    Somebody stays three months with the probability of not leaving within 90 days. A quarter of the last change of
    seats repeats itself each quarter; nothing is known of whom it is missing for, and their account stays as it is.
    """
    leaving = 1 - (1 - leave_probability(table)) ** (1 / 3)
    growth = (1 + 0.25 * np.nan_to_num(table[:, 7])) ** (1 / 3)
    return leaving, growth


def expected_months(table: Table) -> NDArray[np.float64]:
    """The truth: monthly charges each customer pays in the next MONTHS, on average over what may happen."""
    leaving, growth = monthly(table)
    kept = (1 - leaving) * growth
    return np.asarray(np.sum(kept[:, None] ** np.arange(1, MONTHS + 1), axis=1))


def outcomes(table: Table, seed: int) -> NDArray[np.float64]:
    """What each paid, in monthly charges: one draw of who leaves when."""
    leaving, growth = monthly(table)
    stayed = np.random.default_rng(seed).geometric(leaving).clip(1, MONTHS + 1) - 1  # whole months paid
    months = np.arange(1, MONTHS + 1)
    return np.asarray(np.sum((months <= stayed[:, None]) * growth[:, None] ** months, axis=1))


def train() -> tuple[lgb.Booster, dict[str, float]]:
    """The model, and how good it is on customers it has not seen."""
    table, test = customers(ROWS, SEED), customers(TEST_ROWS, SEED + 1)
    paid, test_paid = outcomes(table, SEED + 2), outcomes(test, SEED + 3)
    booster = lgb.train(PARAMETERS, lgb.Dataset(table, paid, feature_name=list(FEATURES)), ROUNDS)
    said, truth = np.asarray(booster.predict(test)), expected_months(test)
    possible = float(r2_score(test_paid, truth))
    metrics = {
        "r2_of_possible": float(r2_score(test_paid, said)) / possible,
        "best_possible_r2": possible,
        "mean_error_of_months": float(mean_absolute_error(truth, said)),
        "bias_of_months": float((said - truth).mean()),
    }
    return booster, {name: round(value, 6) for name, value in metrics.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    out = parser.parse_args().out
    booster, metrics = train()
    booster.save_model(out / "model.txt")
    data = {"name": "customers() of train.py", "rows": ROWS, "test_rows": TEST_ROWS, "seed": SEED}
    (out / "evaluation.json").write_text(json.dumps({"metrics": metrics, "data": data}))
    print(f"r2 {metrics['r2_of_possible']:.3f} of the possible {metrics['best_possible_r2']:.3f}")


if __name__ == "__main__":
    main()
