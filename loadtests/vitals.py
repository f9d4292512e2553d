"""What the generator's own machine did meanwhile: processor time, and whether somebody moved the clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter, process_time, time

# Slewing by NTP is at most 0.0005 s a second; a step is anything beyond what one late tick explains.
CLOCK_STEP_S = 0.1


@dataclass
class Vitals:
    """Watches from its making on; `tick` about once a second."""

    started_wall: float = field(default_factory=time)
    real_time: bool = False
    """Whether the generator ran ahead of everyone else."""
    _started: float = field(default_factory=perf_counter)
    _cpu: float = field(default_factory=process_time)
    _offset: float = field(default_factory=lambda: time() - perf_counter())
    clock_steps: list[dict[str, float]] = field(default_factory=list)

    def tick(self) -> None:
        """Note a step of the wall clock against the monotonic one since the last tick."""
        offset = time() - perf_counter()
        if abs(offset - self._offset) > CLOCK_STEP_S:
            self.clock_steps.append({"t": perf_counter() - self._started, "by_s": offset - self._offset})
        self._offset = offset

    @property
    def seconds(self) -> float:
        return perf_counter() - self._started

    @property
    def cpu_s(self) -> float:
        return process_time() - self._cpu
