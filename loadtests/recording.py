"""What became of every request of a run."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from loadtests.answers import WRONG_REVISION
from loadtests.plan import Arm
from loadtests.schedule import Arrival

HEADER = "arm,intended_start_s,latency_s,ok,kind,revision"
_UNKNOWN = float("nan")


@dataclass(frozen=True, slots=True)
class Sample:
    """One judged request. Latency runs from the intended start; where `ok` is false it is how long we waited."""

    arm: str
    intended_start_s: float
    latency_s: float
    ok: bool
    kind: str
    revision: str

    def row(self) -> str:
        return (
            f"{self.arm},{self.intended_start_s!r},{self.latency_s!r},{self.ok:d},{self.kind},"
            f"{self.revision.replace(',', ' ')}"
        )


@dataclass
class Recording:
    """Filled in place while the run goes on, one slot per arrival; times in seconds after the run's start."""

    arrivals: list[Arrival]
    arms: tuple[Arm, ...]
    sent_s: array[float] = field(init=False)
    latency_s: array[float] = field(init=False)
    kinds: list[str | None] = field(init=False)
    revisions: list[str] = field(init=False)

    def __post_init__(self) -> None:
        count = len(self.arrivals)
        self.sent_s = array("d", [_UNKNOWN]) * count
        self.latency_s = array("d", [_UNKNOWN]) * count
        self.kinds = [None] * count
        self.revisions = [""] * count

    def samples(self) -> Iterator[Sample]:
        """The judged requests that were sent, by intended start."""
        for number, arrival in enumerate(self.arrivals):
            kind = self.kinds[number]
            if arrival.judged and kind is not None:
                yield Sample(
                    self.arms[arrival.arm].name,
                    arrival.at_s,
                    self.latency_s[number],
                    not kind,
                    kind,
                    self.revisions[number],
                )

    def lags_s(self) -> list[float]:
        """How late each judged request was sent, sorted."""
        late = (
            self.sent_s[number] - arrival.at_s
            for number, arrival in enumerate(self.arrivals)
            if arrival.judged and self.kinds[number] is not None
        )
        return sorted(late)

    def counts(self, arm: int) -> dict[str, object]:
        """The judged requests of one arm in numbers."""
        kinds = [self.kinds[n] for n, arrival in enumerate(self.arrivals) if arrival.judged and arrival.arm == arm]
        found = Counter(kind for kind in kinds if kind is not None)
        sent = found.total()
        good = found.pop("", 0)
        return {
            "scheduled": len(kinds),
            "sent": sent,
            "answered": good,
            "errors": dict(sorted(found.items())),
            "wrong_revision": found[WRONG_REVISION],
        }

    def write_samples(self, path: Path) -> None:
        """The stable contract: CSV with every float to its last digit."""
        with path.open("w", encoding="ascii", errors="replace") as file:
            file.write(HEADER + "\n")
            file.writelines(sample.row() + "\n" for sample in self.samples())
