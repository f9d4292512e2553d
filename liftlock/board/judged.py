"""The gates: each verdict with everything it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, isfinite
from typing import Any

from liftlock.board.board import Board, Curve, Gate
from liftlock.board.markup import Markup, join, tag
from liftlock.board.plots import Frame, figure, line, log_scale_s, nines, percentile_scale, upright
from liftlock.board.signs import badge, release_of, time_of
from liftlock.board.timeline import gate_id
from liftlock.board.words import capitalised, counted, short_digest, under
from liftlock.gate.facts import ArmFacts, RunFacts
from liftlock.gate.promises import quantile_name
from liftlock.gate.samples import ARMS
from liftlock.gate.verdict import ArmNumbers, Finding, Judgement, Quantile, Verdict, percent, seconds
from liftlock.ledger import Action

_SHARES = (0.0, 0.5, 0.9, 0.99, 0.999, 0.9999)
_QUESTIONS = {
    "availability": "Failed requests",
    "slowdown": "Slower than the baseline",
    "errors": "More errors than the baseline",
}
_TO_PASS = "A question passes when its whole interval lies left of the upright line, the limit."
_TO_PASS_LIVE = (
    "On users' traffic a release goes back as soon as a miss is shown; until then the dot has to lie left of the "
    "upright line, the limit."
)
# The interval plots: their size, and the room at either end.
_WIDTH, _HEIGHT, _END = 220, 34, 8


def gates(board: Board) -> Markup:
    """Every gate told in full, newest first; those that let nothing through are open."""
    judged = sum(one.entry.action is Action.GATE for timeline in board.timelines.values() for one in timeline)
    if not judged:
        return tag("p", "Nothing was judged yet.")
    left_out = judged - len(board.gates)
    more = tag("p", f"{counted(left_out, 'older gate')} not told here: ", tag("code", "liftlock ledger show NAME"))
    return join(*(_gate(board, gate) for gate in board.gates), more if left_out else "")


def _gate(board: Board, gate: Gate) -> Markup:
    entry = gate.decision.entry
    beside = join(" beside ", release_of(entry.baseline)) if entry.baseline else ""
    name = tag("h3", f"{entry.service} in {entry.environment}")
    heading = tag(
        "span", name, " ", release_of(entry.release), beside, ", ", under(entry.weight), _tail(gate.judgement)
    )
    return tag(
        "details",
        tag("summary", tag("span", badge(str(entry.verdict))), heading, time_of(entry.at, board.at)),
        tag(
            "div",
            _reasons(gate),
            _numbers(gate),
            _findings(gate.judgement, live=bool(gate.decision.entry.weight)),
            _facts(gate),
            class_="inside",
        ),
        class_="gate fold",
        id=gate_id(entry.hash),
        open=entry.verdict != Verdict.PASS,
    )


def _tail(judgement: Judgement | None) -> Markup | str:
    """The highest quantile of either arm, for whoever does not look further."""
    arms = judgement.arms if judgement else {}
    told = {name: max(arms[name].quantiles, key=lambda one: one.quantile) for name in ARMS if name in arms
            and arms[name].quantiles}  # fmt: skip
    if "candidate" not in told:
        return ""
    words = f"{quantile_name(told['candidate'].quantile)} {seconds(told['candidate'].value_s)}"
    beside = f" beside {seconds(told['baseline'].value_s)}" if "baseline" in told else ""
    return tag("span", f", {words}{beside}", class_="soft")


def _reasons(gate: Gate) -> Markup:
    """Why it is no pass; or that every question passed."""
    judgement = gate.judgement
    if judgement is None:
        return tag("p", f"Nothing was measured: {gate.decision.entry.why}")
    if judgement.misses or judgement.doubts:
        failed = judgement.verdict is Verdict.FAIL
        missed = ("Shown to be missed" if failed else "Missed, if the run can be believed", judgement.misses)
        parts = (missed, ("Not known well enough", judgement.doubts))
        told = [_listed(heading, reasons) for heading, reasons in (parts if failed else parts[::-1]) if reasons]
        return join(*told, _needed(judgement))
    return tag("p", f"All {counted(len(judgement.findings), 'question')} passed." if judgement.findings else "")


def _listed(heading: str, reasons: tuple[str, ...]) -> Markup:
    return join(tag("h4", heading), tag("ul", *(tag("li", reason) for reason in reasons), class_="why"))


def _needed(judgement: Judgement) -> Markup | str:
    if judgement.requests_needed is None:
        return ""
    return tag("p", f"About {judgement.requests_needed:,} requests an arm would decide it.")


def _numbers(gate: Gate) -> Markup:
    """The distributions as a plot and as a table."""
    if gate.judgement is None or not gate.judgement.arms:
        return Markup("")
    return tag("div", _distribution(gate, gate.judgement), _table(gate.judgement.arms), class_="pair")


def _distribution(gate: Gate, judgement: Judgement) -> Markup:
    if gate.samples is None:
        told = "Counted on users' own traffic, where single latencies are not recorded: there is no distribution."
        return tag("p", told, class_="soft")
    if not gate.curves:
        told = f"No distribution can be drawn from the recorded samples: {gate.missing or 'there are none'}. "
        return tag("p", told, "The numbers beside are from the ledger.", class_="soft")
    return _curves(gate.curves, _promised(judgement.method))


def _curves(curves: tuple[Curve, ...], promised: tuple[tuple[float, float], ...]) -> Markup:
    """Share of requests answered over latency, on axes that give the tail as much room as the body."""
    latencies = [latency for curve in curves for latency, _ in curve.points]
    most = max(curve.requests for curve in curves)
    frame = Frame(log_scale_s([*latencies, *(within for _, within in promised)]), percentile_scale(most, _SHARES))
    drawn = [line(frame, [(latency, nines(share)) for latency, share in curve.points], curve.arm) for curve in curves]
    marks = [_promise(frame, quantile, within) for quantile, within in promised]
    legend = join(*(_legend(curve.arm) for curve in curves))
    note = join(legend, "Further left is faster.")
    return figure(frame, "Requests answered within.", note, [*marks, *drawn], ("latency", "of requests"))


def _promise(frame: Frame, quantile: float, within: float) -> Markup:
    """An objective: the curve has to pass above and to the left of the circle."""
    at, height = frame.across(within), frame.up(nines(quantile)) if quantile < 1 else frame.up(inf)
    spot = tag("circle", cx=f"{at:.1f}", cy=f"{height:.1f}", r=4, class_="spot")
    return join(upright(frame, within, f"{quantile_name(quantile)} within {seconds(within)}"), spot)


def _legend(arm: str) -> Markup:
    sample = tag("path", class_=f"line {arm}", d="M1 5H25")
    return tag("span", tag("svg", sample, viewBox="0 0 26 10", aria_hidden="true"), arm, class_="legend")


def _promised(method: Mapping[str, Any]) -> tuple[tuple[float, float], ...]:
    """The latency objectives that were judged: (quantile, seconds)."""
    latencies = (method.get("objectives") or {}).get("latency") or ()
    return tuple((float(one["quantile"]), float(one["within_s"])) for one in latencies)


def _table(arms: Mapping[str, ArmNumbers]) -> Markup:
    """Requests, failures and quantiles, an arm in each column."""
    names = [name for name in ARMS if name in arms]
    shown = [arms[name] for name in names]
    quantiles = sorted({one.quantile for arm in shown for one in arm.quantiles})
    rows = [
        _table_row("requests", [f"{arm.count:,}" for arm in shown]),
        _table_row("failed", [f"{arm.failed:,}" for arm in shown]),
        *(_table_row(quantile_name(quantile), [_told(arm, quantile) for arm in shown]) for quantile in quantiles),
    ]
    heads = (tag("th", tag("span", ""), scope="col"), *(tag("th", name, scope="col", class_="num") for name in names))
    table = tag("table", tag("thead", tag("tr", *heads)), tag("tbody", *rows), class_="numbers")
    note = tag("p", "In brackets: 90 % intervals. Failed requests count as never answered.", class_="soft small")
    return tag("div", table, note if quantiles else "", class_="wide")


def _table_row(name: str, cells: list[str]) -> Markup:
    return tag("tr", tag("th", name, scope="row"), *(tag("td", cell, class_="num") for cell in cells))


def _told(arm: ArmNumbers, quantile: float) -> Markup | str:
    found = next((one for one in arm.quantiles if one.quantile == quantile), None)
    return _quantile(found) if found else "none"


def _quantile(one: Quantile) -> Markup:
    return join(seconds(one.value_s), tag("small", f"[{seconds(one.low_s)}, {seconds(one.high_s)}]"))


def _findings(judgement: Judgement | None, *, live: bool) -> Markup:
    if judgement is None or not judgement.findings:
        return Markup("")
    rows = [
        tag("li", tag("div", badge(one.verdict)), tag("b", _question(one.name)), _plot(one),
            tag("div", one.sentence, class_="small"), class_="finding")
        for one in judgement.findings
    ]  # fmt: skip
    note = _TO_PASS_LIVE if live else _TO_PASS
    return join(tag("h4", "Questions and answers"), tag("p", note, class_="soft small"),
                tag("ol", *rows, class_="plain"))  # fmt: skip


def _question(name: str) -> str:
    """A finding's name in the words of whoever asks."""
    if name.startswith("tail "):
        return f"Tail beyond {name.removeprefix('tail ')}"
    return _QUESTIONS.get(name, capitalised(name))


def _plot(one: Finding) -> Markup:
    """A finding's interval against its limit; the sentence beside it has the numbers."""
    known = [value for value in (one.estimate, one.low, one.high, one.limit) if isfinite(value)]
    least, most = min(*known, one.limit), max(*known, one.limit)
    room = (most - least) * 0.12 or 1.0
    low, high = (0.0 if 0 <= least < room else least - room), most + room

    def across(value: float) -> float:
        place = (min(max(value, low), high) - low) / (high - low)
        return round(_END + place * (_WIDTH - 2 * _END), 1)

    limit, middle = across(one.limit), _HEIGHT / 2
    spot = tag("circle", cx=across(one.estimate), cy=middle, r=5, class_="estimate") if isfinite(one.estimate) else ""
    return tag(
        "svg",
        tag("rect", x=0, y=4, width=limit, height=_HEIGHT - 8, class_="room"),
        tag("rect", x=limit, y=4, width=_WIDTH - limit, height=_HEIGHT - 8, class_="beyond"),
        tag("path", d=f"M{limit} 0V{_HEIGHT}", class_="limit"),
        tag("path", d=f"M{across(one.low)} {middle}H{across(one.high)}", class_="interval"),
        spot,
        class_=f"plot {one.verdict}",
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        aria_label=f"{_question(one.name)}: {_amount(one, one.low)} to {_amount(one, one.high)}, "
        f"limit {_amount(one, one.limit)}",
    )


def _amount(one: Finding, value: float) -> str:
    if not isfinite(value):
        return "without bound"
    return f"{value:.3g} times" if one.name == "slowdown" else percent(value)


def _facts(gate: Gate) -> Markup:
    """How it was measured, and the digests by which anybody can look it up."""
    method = _method(gate.judgement) if gate.judgement else []
    rows = [*(_run(gate.facts) if gate.facts else []), *method, ("Attempt", str(gate.look)) if gate.look else None]
    listed = [tag("div", tag("dt", row[0]), tag("dd", row[1])) for row in rows if row]
    how = join(tag("h4", "How it was measured"), tag("dl", *listed, class_="facts")) if listed else ""
    return join(how, _digests(gate))


def _run(facts: RunFacts) -> list[tuple[str, str] | None]:
    """What the load generator says of its own run."""
    lag = facts.lag
    lags = [("Generator's lag p50, p99, most", ", ".join(_lag(one) for one in (lag.p50_s, lag.p99_s, lag.max_s)))]
    return [
        ("Load ran", f"{facts.seconds:.1f} s{f', ended early: {facts.stopped}' if facts.stopped else ''}"),
        *((f"Answered well, {name}", _answered(arm)) for name, arm in facts.arms.items()),
        *((f"Errors, {name}", _errors(arm)) for name, arm in facts.arms.items() if arm.errors),
        *((f"Wrong revision, {name}", f"{arm.wrong_revision:,}") for name, arm in facts.arms.items()
          if arm.wrong_revision),
        *lags,
        ("Generator's CPU", f"{percent(facts.generator_cpu_share)} of a core"),
        ("Clock jumped", ", ".join(f"{one.by_s:+.3g} s" for one in facts.clock_steps)) if facts.clock_steps else None,
    ]  # fmt: skip


def _lag(value: float | None) -> str:
    return "unknown" if value is None else seconds(value)


def _answered(arm: ArmFacts) -> str:
    sent = "" if arm.sent == arm.scheduled else f", {arm.sent:,} sent"
    return f"{arm.answered:,} of {arm.scheduled:,}{sent}"


def _errors(arm: ArmFacts) -> str:
    return ", ".join(f"{kind}: {count:,}" for kind, count in sorted(arm.errors.items()))


def _method(judgement: Judgement) -> list[tuple[str, str] | None]:
    method = judgement.method
    rates, margin, least = method.get("error_rates"), method.get("margin"), method.get("minimum")
    return [
        ("May be slower by", percent(float(margin))) if margin is not None else None,
        ("Wrong fails and passes allowed", " and ".join(percent(float(rate)) for rate in rates)) if rates else None,
        ("Requests at least", f"{least:,}") if least else None,
    ]


def _digests(gate: Gate) -> Markup:
    entry = gate.decision.entry
    rows = (
        ("release", entry.release),
        ("baseline", entry.baseline),
        ("samples", gate.samples),
        ("ledger entry", f"{entry.sequence}: {entry.hash}"),
        ("commit", gate.decision.commit),
        ("judged by", entry.by),
    )
    listed = [join(tag("dt", name), tag("dd", tag("code", value))) for name, value in rows if value]
    heading = tag("summary", f"Digests of {short_digest(entry.release)} and its evidence")
    return tag("details", heading, tag("dl", *listed, class_="digests small"))
