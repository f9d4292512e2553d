"""Micro-batching: requests that arrive within a few milliseconds are predicted as one, and answered as if alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from serving.config import Batching
from serving.errors import Refused
from serving.execution import Worker
from serving.features import Inputs
from serving.predictor import Predictor, Prepared
from serving.tensors import Array

Outputs = dict[str, Array]


@dataclass(eq=False)
class _Waiting:
    inputs: Inputs
    answer: asyncio.Future[Outputs] = field(repr=False)


class Batcher:
    """Collects requests until `max_rows` rows are there or the first has waited `max_delay_ms`."""

    def __init__(self, predictor: Predictor, worker: Worker, batching: Batching, seen: Callable[[int], None]) -> None:
        """`seen` is told the rows of every batch."""
        self._predictor = predictor
        self._worker = worker
        self._max_rows = batching.max_rows
        self._delay = batching.max_delay_ms / 1000
        self._seen = seen
        self._waiting: list[_Waiting] = []
        self._rows = 0
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def answer(self, inputs: Inputs) -> Outputs:
        """The request's own outputs. Raises Refused for its own faults only."""
        loop = asyncio.get_running_loop()
        if self._waiting and self._rows + inputs.rows > self._max_rows:
            self._flush()
        item = _Waiting(inputs, loop.create_future())
        self._waiting.append(item)
        self._rows += inputs.rows
        if self._rows >= self._max_rows:
            self._flush()
        elif self._timer is None:
            self._timer = loop.call_later(self._delay, self._flush)
        return await item.answer

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch, self._waiting, self._rows = self._waiting, [], 0
        batch = [item for item in batch if not item.answer.done()]
        if batch:
            self._seen(sum(item.inputs.rows for item in batch))
            task = asyncio.get_running_loop().create_task(self._carry_out(batch))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry_out(self, batch: Sequence[_Waiting]) -> None:
        results = await self._worker.run(lambda: answer_together(self._predictor, [item.inputs for item in batch]))
        for item, result in zip(batch, results, strict=True):
            if item.answer.done():
                continue
            if isinstance(result, Exception):
                item.answer.set_exception(result)
            else:
                item.answer.set_result(result)


def answer_together(predictor: Predictor, requests: Sequence[Inputs]) -> list[Outputs | Exception]:
    """Each request's outputs, or what went wrong with it. A request that fails does not fail its neighbours."""
    results: list[Outputs | Exception | None] = [None] * len(requests)
    prepared: dict[int, Prepared] = {}
    for index, inputs in enumerate(requests):
        try:
            prepared[index] = predictor.prepare(inputs)
        except Exception as error:
            results[index] = error
    raw = _run_together(predictor, prepared)
    for index, outcome in raw.items():
        try:
            results[index] = outcome if isinstance(outcome, Exception) else predictor.finish(outcome, requests[index])
        except Exception as error:
            results[index] = error
    return [result for result in results if result is not None]


def _run_together(predictor: Predictor, prepared: Mapping[int, Prepared]) -> dict[int, Prepared | Exception]:
    """One run for all that fit together; one by one where they do not, or where the whole fails."""
    if len(prepared) > 1:
        try:
            return dict(zip(prepared, _split(predictor, list(prepared.values())), strict=True))
        except (Refused, ValueError, TypeError, KeyError):
            pass
    outcomes: dict[int, Prepared | Exception] = {}
    for index, data in prepared.items():
        try:
            outcomes[index] = predictor.run(data)
        except Exception as error:
            outcomes[index] = error
    return outcomes


def _split(predictor: Predictor, parts: Sequence[Prepared]) -> list[Prepared]:
    """Raises ValueError where the parts cannot be joined, or the answer has other rows than they."""
    if len({_dtypes(part) for part in parts}) > 1:
        raise ValueError("joined, some would be converted")
    sizes = [_rows(part) for part in parts]
    cuts = np.cumsum(sizes)[:-1]
    answer = predictor.run(_join(parts))
    if not isinstance(answer, Mapping):
        return list(_cut(answer, sum(sizes), cuts))
    columns = {name: _cut(array, sum(sizes), cuts) for name, array in answer.items()}
    return [{name: pieces[index] for name, pieces in columns.items()} for index in range(len(parts))]


def _join(parts: Sequence[Prepared]) -> Prepared:
    first = parts[0]
    if isinstance(first, Mapping):
        return {name: np.concatenate([part[name] for part in parts]) for name in first}
    return np.concatenate([part for part in parts if not isinstance(part, Mapping)])


def _dtypes(part: Prepared) -> tuple[object, ...]:
    return tuple((name, part[name].dtype) for name in sorted(part)) if isinstance(part, Mapping) else (part.dtype,)


def _rows(part: Prepared) -> int:
    return len(next(iter(part.values()))) if isinstance(part, Mapping) else len(part)


def _cut(array: Array, rows: int, cuts: Array) -> Sequence[Array]:
    if array.ndim == 0 or len(array) != rows:
        raise ValueError("the answer has another number of rows than the request")
    return np.split(array, cuts)
