"""Every sample trains to its bound, repeats byte for byte, and its card tells the truth about it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from sklearn.metrics import r2_score, roc_auc_score

from liftlock.errors import GateFailed
from liftlock.spec.read import load_spec
from liftlock.store import read_tree
from liftlock.training import train

from .conftest import SERVICES, module_of

TRAINED = ("churn", "digits", "tumour", "customer-value")
# What a card says, by metric. Another machine's arithmetic may move the third digit.
CLAIMS = [
    ("churn", "best_possible_roc_auc", "0.7785", 0.002),
    ("digits", "accuracy", "0.962", 0.006),
    ("digits", "accuracy_where_sure", "99.4 %", 0.004),
    ("digits", "share_sure", "85 %", 0.02),
    ("digits", "accuracy_of_originals", "0.947", 0.006),
    ("tumour", "roc_auc", "0.9946", 0.002),
    ("tumour", "roc_auc_without_errors", "0.990", 0.003),
    ("tumour", "recall_at_second_look", "97.6 %", 0.006),
    ("tumour", "share_looked_at_again", "39.9 %", 0.006),
    ("customer-value", "best_possible_r2", "0.335", 0.002),
    ("customer-value", "r2_of_possible", "97.7 %", 0.005),
    ("customer-value", "mean_error_of_months", "0.30", 0.02),
]


@pytest.mark.parametrize("service", TRAINED)
def test_training_reaches_the_bound_and_registers_one_file(workshop, service):
    registration = workshop.trained(service)
    spec = load_spec(workshop.root, service)
    assert spec.model.evaluation.accepts(registration.metrics[spec.model.evaluation.metric])
    assert list(read_tree(workshop.store, registration.digest)) == [spec.model.file_name]


@pytest.mark.parametrize("service", TRAINED)
def test_training_again_gives_the_same_bytes(workshop, tmp_path, service):
    registered = read_tree(workshop.store, workshop.trained(service).digest)
    command = [sys.executable, "train.py", "--out", str(tmp_path)]
    subprocess.run(command, cwd=SERVICES / service, check=True, capture_output=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.name in registered} == registered


@pytest.mark.parametrize(("service", "metric", "said", "tolerance"), CLAIMS)
def test_the_card_says_what_the_evaluation_found(workshop, service, metric, said, tolerance):
    assert said in (SERVICES / service / "README.md").read_text()
    value = float(said.removesuffix(" %")) / (100 if said.endswith("%") else 1)
    assert workshop.trained(service).metrics[metric] == pytest.approx(value, abs=tolerance)


@pytest.mark.parametrize("service", TRAINED)
def test_the_bound_is_one_that_a_worse_model_misses(workshop, tmp_path, service):
    """A bound just above what the model reaches registers nothing: the bound is what decides."""
    reached = workshop.trained(service).metrics
    spec = load_spec(workshop.root, service)
    metric = spec.model.evaluation.metric
    directory = tmp_path / "model_services" / service
    directory.mkdir(parents=True)
    text = (SERVICES / service / "service.yaml").read_text()
    bound = f"at_least: {spec.model.evaluation.at_least:g}"
    assert bound in text
    (directory / "service.yaml").write_text(text.replace(bound, f"at_least: {reached[metric] + 0.0001}"))
    (directory / "train.py").write_text(REPEATS.format(file=spec.model.file_name, metric=metric, value=reached[metric]))
    with pytest.raises(GateFailed, match=metric):
        train(tmp_path, service, workshop.store, lambda _: None)
    assert not (directory / "model.yaml").exists()


REPEATS = """\
import json, pathlib, sys
out = pathlib.Path(sys.argv[2])
(out / "{file}").write_bytes(b"the model")
(out / "evaluation.json").write_text(json.dumps({{"metrics": {{"{metric}": {value}}}}}))
"""


def test_nobody_ranks_leavers_better_than_the_truth(workshop):
    churn = module_of("churn", "train.py")
    table = churn.customers(50_000, 11)
    left, truth = churn.outcomes(table, 12), churn.leave_probability(table)
    assert left.mean() == pytest.approx(truth.mean(), abs=0.005)
    blurred = truth + np.random.default_rng(13).normal(0, 0.1, len(truth))
    assert roc_auc_score(left, truth) > roc_auc_score(left, blurred)


def test_what_customers_pay_averages_to_the_expectation():
    value = module_of("customer-value", "train.py")
    table = value.customers(200, 21)
    paid = np.mean([value.outcomes(table, seed) for seed in range(2_000)], axis=0)
    # 2,000 draws of at most 12 months: a standard error of at most 0.12, and 200 chances to be unlucky.
    assert np.abs(paid - value.expected_months(table)).max() < 0.5
    assert (paid - value.expected_months(table)).mean() == pytest.approx(0, abs=0.02)


def test_no_prediction_of_value_beats_the_expectation():
    value = module_of("customer-value", "train.py")
    table = value.customers(20_000, 22)
    paid, truth = value.outcomes(table, 23), value.expected_months(table)
    for scale in (0.9, 1.1):
        assert r2_score(paid, truth) > r2_score(paid, truth.mean() + scale * (truth - truth.mean()))


def test_customer_value_and_churn_speak_of_the_same_customers():
    churn, value = module_of("churn", "train.py"), module_of("customer-value", "train.py")
    ours = value.customers(500, 31)
    np.testing.assert_array_equal(ours[:, :7], churn.customers(500, 31))
    np.testing.assert_array_equal(value.leave_probability(ours), churn.leave_probability(ours[:, :7]))
    assert value.FEATURES[:7] == churn.FEATURES


def test_the_onnx_file_answers_as_the_pipeline_it_came_from(workshop):
    import onnxruntime

    tumour = module_of("tumour", "train.py")
    table, malignant, _ = tumour.biopsies()
    content = read_tree(workshop.store, workshop.trained("tumour").digest)["model.onnx"]
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    holed = np.where(np.arange(30) == 12, np.nan, table)  # a missing measurement too
    for rows in (table, holed):
        expected = tumour.classifier().fit(table, malignant).predict_proba(rows)
        _, said = session.run(None, {"X": rows.astype(np.float32)})
        np.testing.assert_allclose(said, expected, atol=1e-5)
