"""`python -m bench.check`: what a check of a thousand services costs, cold and after one change. 40 s."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from bench.check.crd import crd
from bench.check.tree import make_tree
from bench.table import Row, print_table

SERVICES = 1000
COLD_ROUNDS, CHANGED_ROUNDS = 5, 15
COLD_TARGET, CHANGED_TARGET = 0.15, 1.25
_LIFTLOCK = [sys.executable, "-c", "from liftlock.cli import main; main()", "check", "--json"]
# A file younger than this is compared by content, not by stat; see liftlock.check.memory.
_SETTLED_S = 2.5


def measure() -> list[Row]:
    """Both comparisons, each interleaved, wall time: the first without imports, the second whole commands."""
    with tempfile.TemporaryDirectory() as name:
        many, one = Path(name) / "many", Path(name) / "one"
        make_tree(many, SERVICES)
        make_tree(one, 1)
        schema = Path(name) / "crd.json"
        schema.write_text(json.dumps(crd()))
        return [cold(many, schema), *changed(many, one)]


def cold(tree: Path, schema: Path) -> Row:
    """A full check without memory, over the usual one of as many InferenceServices; each without its imports."""
    here = Path(__file__).parent
    ours = [sys.executable, str(here / "ours.py"), str(tree)]
    usual = [sys.executable, str(here / "usual.py"), str(schema), str(tree / "usual")]
    ratios = interleaved(lambda: own_seconds(ours), lambda: own_seconds(usual), COLD_ROUNDS)
    what = f"full check of {SERVICES:,} services ÷ PyYAML safe_load + jsonschema on the CRD"
    return row(what, ratios, COLD_TARGET)


def own_seconds(command: list[str]) -> float:
    """The seconds a program says it took. Raises RuntimeError where it did not find all services in order."""
    told = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    if told["examined"] != SERVICES:
        raise RuntimeError(f"{told['examined']} services in order, not {SERVICES}")
    return float(told["seconds"])


def changed(many: Path, one: Path) -> list[Row]:
    """One changed service among a thousand, over the same where there is no other; and how many were read for it."""
    for tree in (many, one):
        check(tree)
        time.sleep(_SETTLED_S)
        check(tree)  # what was young when first seen is now remembered by stat
    parsed: list[int] = []

    def after_change(tree: Path) -> Callable[[], float]:
        def run() -> float:
            started = time.perf_counter()
            parsed.append(len(check(tree)["services_parsed"]))
            return time.perf_counter() - started

        return run

    ratios = interleaved(after_change(many), after_change(one), CHANGED_ROUNDS, before=lambda: edit(many, one))
    what = f"one changed service: check at {SERVICES:,} services ÷ at 1"
    counted = Row(
        "one changed service: services parsed", max(parsed), min(parsed), max(parsed), "1", set(parsed) == {1}
    )
    return [row(what, ratios, CHANGED_TARGET), counted]


def edit(*trees: Path) -> None:
    """Change one service of each tree in its meaning: its declared rate."""
    for tree in trees:
        path = tree / "model_services" / "service-0000" / "service.yaml"
        text = path.read_text()
        path.write_text(text.replace("tier: 1", "tier: 2") if "tier: 1" in text else text.replace("tier: 2", "tier: 1"))


def check(tree: Path) -> dict[str, Any]:
    """`liftlock check --json` as a process. Raises CalledProcessError where it finds a problem."""
    done = subprocess.run(_LIFTLOCK, cwd=tree, check=True, stdout=subprocess.PIPE)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def interleaved(
    first: Callable[[], float], second: Callable[[], float], rounds: int, before: Callable[[], None] = lambda: None
) -> list[float]:
    """The ratio of seconds in each round, the order turned round every time."""
    ratios = []
    for number in range(rounds):
        before()
        pair = (first, second) if number % 2 else (second, first)
        taken = {action: action() for action in pair}
        ratios.append(taken[first] / taken[second])
    return ratios


def row(what: str, ratios: list[float], target: float) -> Row:
    """The median of the rounds against its target."""
    ratio = median(ratios)
    return Row(what, ratio, min(ratios), max(ratios), f"≤ {target:g}", ratio <= target)


if __name__ == "__main__":
    print_table(measure())
