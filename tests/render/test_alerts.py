"""A service's alerts page when its budget burns and at no other time; promtool runs them."""

from __future__ import annotations

import subprocess

import pytest
import yaml

from liftlock.render import alerts
from serving.metrics import SECONDS

from .builders import LLM, environment, only, release, rendered, scene

LABELS = 'environment="prod",service="churn",revision="{revision}",route="{route}"'
REQUESTS = f'liftlock_requests_total{{{{{LABELS},code="{{code}}"}}}}'
DURATIONS = f"liftlock_request_seconds_{{kind}}{{{{{LABELS}{{le}}}}}}"
CHURN = release()
BATCH = {"availability": 50, "latency": []}


def rules(of):
    (group,) = only(of, "PrometheusRule")["spec"]["groups"]
    return group["rules"]


def kinds(of):
    return [one["kind"] for objects in rendered(of).values() for one in objects]


def promtool(tmp_path, of, series, expected, at="2h"):
    """Run the scene's rules over input series; `expected` are (objective, window, severity) that fire."""
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(only(of, "PrometheusRule")["spec"]))
    found = {(rule["labels"]["objective"], rule["labels"]["window"]): rule for rule in rules(of)}
    fired = [{"exp_labels": {**found[key]["labels"]}, "exp_annotations": found[key]["annotations"]} for key in expected]
    test = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "alert_rule_test": [{"eval_time": at, "alertname": "ServiceBurnsErrorBudget", "exp_alerts": fired}],
            }
        ],
    }
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(test))
    done = subprocess.run(
        ["promtool", "test", "rules", str(tmp_path / "test.yaml")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def counting(per_minute, minutes):
    """A counter that grows for so long and then stands still."""
    return f"0+{per_minute}x{minutes} {per_minute * minutes}x{300 - minutes}"


def answers(good, bad, revision=CHURN.revision, route="v2_infer", minutes=300):
    """So many good and bad answers a minute, all of them fast."""
    series = {
        REQUESTS.format(revision=revision, route=route, code="200"): counting(good, minutes),
        REQUESTS.format(revision=revision, route=route, code="500"): counting(bad, minutes),
    }
    return series | durations(good + bad, good + bad, revision, route, minutes)


def durations(fast, every, revision=CHURN.revision, route="v2_infer", minutes=300):
    """So many answers a minute, and how many of them within 250 ms."""
    names = {"revision": revision, "route": route}
    return {
        DURATIONS.format(kind="count", le="", **names): counting(every, minutes),
        DURATIONS.format(kind="bucket", le=',le="0.25"', **names): counting(fast, minutes),
    }


def test_errors_that_burn_the_budget_page(tmp_path):
    burning = [("availability", "1h"), ("availability", "6h"), ("availability", "24h"), ("availability", "72h")]
    promtool(tmp_path, scene(CHURN), answers(good=950, bad=50), burning)


def test_errors_within_the_budget_page_nobody(tmp_path):
    promtool(tmp_path, scene(CHURN), answers(good=10_000, bad=5), [])


def test_a_slow_burn_is_a_ticket(tmp_path):
    promtool(tmp_path, scene(CHURN), answers(good=9960, bad=40), [("availability", "24h"), ("availability", "72h")])


def test_slow_answers_burn_the_latencys_budget(tmp_path):
    series = answers(good=1000, bad=0) | durations(fast=700, every=1000)
    burning = [("latency-p99", window) for window in ("1h", "6h", "24h", "72h")]
    promtool(tmp_path, scene(CHURN), series, burning)


def test_a_few_bad_requests_of_a_quiet_service_page_nobody(tmp_path):
    promtool(tmp_path, scene(CHURN), answers(good=0, bad=1, minutes=3), [], at="10m")


def test_an_alert_ends_soon_after_the_burning_does(tmp_path):
    slow = [("availability", "24h"), ("availability", "72h")]
    promtool(tmp_path, scene(CHURN), answers(good=950, bad=50, minutes=60), slow, at="100m")


def test_a_load_test_of_a_dark_revision_is_nobodys_alert(tmp_path):
    new = release(timeout="20s")
    of = scene(CHURN, new, weights=(100, 0))
    promtool(tmp_path, of, answers(1000, 0) | answers(0, 1000, revision=new.revision), [])


def test_health_checks_are_no_users(tmp_path):
    promtool(tmp_path, scene(CHURN), answers(1000, 0) | answers(0, 1000, route="ready"), [])


def test_an_alert_says_whose_it_is_and_what_to_do():
    (first, *_) = rules(scene(CHURN))
    assert first["labels"] == {
        "service": "churn",
        "environment": "prod",
        "team": "growth",
        "tier": "1",
        "severity": "page",
        "objective": "availability",
        "window": "1h",
    }
    assert "spends 2% of its error budget in 1h: 99.9 % without error, over 30d" in first["annotations"]["summary"]
    assert "liftlock rollback churn --in prod" in first["annotations"]["action"]


def test_nobody_is_woken_for_the_third_tier():
    assert {rule["labels"]["severity"] for rule in rules(scene(release(tier=3)))} == {"ticket"}


@pytest.mark.parametrize(
    ("window", "factor"), [("30d", 14.4), ("28d", 13.44), ("7d", 3.36)], ids=["30 days", "four weeks", "a week"]
)
def test_a_burn_rate_follows_the_objectives_window(window, factor):
    of = scene(release(slo={"window": window, "availability": 99, "latency": []}))
    assert f"> {factor * 0.01:.6g}" in rules(of)[0]["expr"]


def test_an_objective_that_cannot_be_missed_so_fast_has_no_alert_for_it():
    windows = {rule["labels"]["window"] for rule in rules(scene(release(slo=BATCH)))}
    assert windows == {"72h"}


def test_a_latency_is_counted_at_the_nearest_edge_below_it():
    of = scene(release(slo={"availability": 99, "latency": [{"quantile": 0.9, "within": "300ms"}]}))
    latency = next(rule for rule in rules(of) if rule["labels"]["objective"] == "latency-p90")
    assert 'le="0.25"' in latency["expr"]
    assert "90 % within 300ms, counted at 0.25 s" in latency["annotations"]["summary"]


def test_the_edges_are_those_the_model_server_counts_by():
    assert alerts.EDGES == SECONDS


def test_a_server_that_counts_nothing_is_watched_at_the_gateway():
    assert "traefik_service_requests_total" in rules(scene(release(**LLM)))[0]["expr"]
    envoy = "stacks: [{name: prod-eks, gateway: {class: envoy}}]\n"
    assert "PrometheusRule" not in kinds(scene(release(**LLM), stacks=envoy))


def test_a_service_without_users_has_no_alert():
    assert "PrometheusRule" not in kinds(scene(CHURN, weights=(0,), where=environment()))
