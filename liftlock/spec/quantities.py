"""Durations, rates and amounts as people write them (`250ms`, `200/s`, `512Mi`), each with one canonical text.

Two spellings of one value are equal and print alike: `60s` is `1m`, `0.5` cores are `500m`, `0.5Gi` is `512Mi`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

if TYPE_CHECKING:  # costs 20 ms, and only `liftlock schema` needs it
    from pydantic.json_schema import JsonSchemaValue

_NUMBER = r"([0-9]{1,12}(?:\.[0-9]{1,9})?)"

# Milliseconds in each unit, smallest first.
DURATION_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
# Seconds in each unit of a rate.
RATE_UNITS = {"s": 1, "min": 60, "h": 3_600}
# Bytes in each unit of memory; binary units first, for they are the canonical ones.
MEMORY_UNITS = {
    "Ti": 2**40, "Gi": 2**30, "Mi": 2**20, "Ki": 2**10,
    "T": 10**12, "G": 10**9, "M": 10**6, "k": 10**3, "": 1,
}  # fmt: skip

_DURATION = re.compile(rf"{_NUMBER}({'|'.join(DURATION_UNITS)})")
_RATE = re.compile(rf"{_NUMBER}/({'|'.join(RATE_UNITS)})")
_CPU = re.compile(rf"{_NUMBER}(m?)")
_MEMORY = re.compile(rf"{_NUMBER}({'|'.join(unit for unit in MEMORY_UNITS if unit)})?")


class _FromText:
    """A value parsed from text by its class's `parse`, and written back as its canonical text."""

    numbers: bool = False  # whether YAML numbers are taken too (`cpu: 2`)
    pattern: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        raise NotImplementedError

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def read(given: Any) -> Any:
            if isinstance(given, cls):
                return given
            if cls.numbers and type(given) in (int, float):
                given = f"{given:f}".rstrip("0").rstrip(".") if isinstance(given, float) else str(given)
            if not isinstance(given, str):
                cls.parse("")  # says what is wanted
            return cls.parse(given)

        return core_schema.no_info_plain_validator_function(
            read, serialization=core_schema.plain_serializer_function_ser_schema(str)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        kinds = [{"type": "string", "pattern": cls.pattern}]
        return {"anyOf": [*kinds, {"type": "number"}]} if cls.numbers else kinds[0]


@dataclass(frozen=True, order=True)
class Duration(_FromText):
    """A length of time in whole milliseconds: `250ms`, `30s`, `5m`, `1h`, `30d`, `2w`."""

    milliseconds: int
    pattern = f"^{_DURATION.pattern}$"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError unless `text` is a number and a unit that make whole milliseconds."""
        match = _DURATION.fullmatch(text)
        exact = Decimal(match[1]) * DURATION_UNITS[match[2]] if match else None
        if exact is None or exact != int(exact):
            raise ValueError("a duration such as 250ms, 30s, 5m, 1h or 30d")
        return cls(int(exact))

    @property
    def seconds(self) -> float:
        return self.milliseconds / 1000

    def __str__(self) -> str:
        fits = [unit for unit, size in DURATION_UNITS.items() if self.milliseconds % size == 0 and unit != "w"]
        unit = fits[-1] if self.milliseconds else "s"
        return f"{self.milliseconds // DURATION_UNITS[unit]}{unit}"


@dataclass(frozen=True)
class Rate(_FromText):
    """So many requests in a unit of time: `200/s`, `12/min`, `30/h`."""

    amount: Decimal
    unit: str
    pattern = f"^{_RATE.pattern}$"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError unless `text` is a positive number over a unit."""
        match = _RATE.fullmatch(text)
        if match is None or not Decimal(match[1]):
            raise ValueError("a rate above zero such as 200/s, 12/min or 30/h")
        return cls(Decimal(match[1]).normalize(), match[2])

    @property
    def per_second(self) -> float:
        return float(self.amount) / RATE_UNITS[self.unit]

    def __lt__(self, other: Rate) -> bool:
        return self.per_second < other.per_second

    def __str__(self) -> str:
        return f"{self.amount:f}/{self.unit}"


@dataclass(frozen=True, order=True)
class Cpu(_FromText):
    """Processor time in thousandths of a core: `500m`, `2`, `0.5`."""

    millicores: int
    pattern = f"^{_CPU.pattern}$"
    numbers = True

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError unless `text` is whole thousandths of a core."""
        match = _CPU.fullmatch(text)
        exact = Decimal(match[1]) * (1 if match[2] else 1000) if match else None
        if exact is None or exact != int(exact):
            raise ValueError("cores such as 500m, 2 or 0.5")
        return cls(int(exact))

    @property
    def cores(self) -> float:
        return self.millicores / 1000

    def __str__(self) -> str:
        return f"{self.millicores}m" if self.millicores % 1000 else str(self.millicores // 1000)


@dataclass(frozen=True, order=True)
class Memory(_FromText):
    """An amount of memory in bytes: `512Mi`, `2Gi`, `1G`."""

    bytes: int
    pattern = f"^{_MEMORY.pattern}$"
    numbers = True

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError unless `text` is whole bytes. `m` (thousandths of a byte) is Kubernetes' trap: refused."""
        match = _MEMORY.fullmatch(text)
        exact = Decimal(match[1]) * MEMORY_UNITS[match[2] or ""] if match else None
        if exact is None or exact != int(exact):
            raise ValueError("memory such as 512Mi or 2Gi")
        return cls(int(exact))

    def __str__(self) -> str:
        unit = next(unit for unit, size in MEMORY_UNITS.items() if self.bytes % size == 0)
        return f"{self.bytes // MEMORY_UNITS[unit]}{unit}"


@dataclass(frozen=True)
class Between:
    """A bound on a duration, rate or amount, both ends allowed; for use in `Annotated`."""

    low: str
    high: str

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        low, high = source.parse(self.low), source.parse(self.high)
        return core_schema.no_info_after_validator_function(self._check(low, high), handler(source))

    @staticmethod
    def _check(low: Any, high: Any) -> Callable[[Any], Any]:
        def check(value: Any) -> Any:
            if value < low or high < value:
                raise ValueError(f"between {low} and {high}")
            return value

        return check


LoadRate = Annotated[Rate, Between("1/h", "100000/s")]
