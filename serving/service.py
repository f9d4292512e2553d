"""One service being served: its bundle loaded and warmed up, its requests admitted, batched and answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeVar

from serving.batching import Batcher
from serving.config import ServingConfig
from serving.errors import Refused, TurnedAway
from serving.execution import Admission, Worker
from serving.handler import Service
from serving.logs import Log
from serving.metrics import Metrics
from serving.predictor import Predictor
from serving.tensors import Array, Tensor

T = TypeVar("T")
Tensors = list[Tensor] | tuple[Tensor, ...]
Outputs = dict[str, Array]

# Warm-up predictions beyond the first, which tell how long one takes; skipped where the first is slow.
WARM_UPS = 4
WARM_UP_SECONDS = 0.05
RETRY_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class ModelService:
    """Answers predictions for HTTP and gRPC alike. Lives on one event loop."""

    def __init__(self, config: ServingConfig, bundle: Path, threads: int, metrics: Metrics, log: Log) -> None:
        self.config = config
        self.metrics = metrics
        self._bundle = bundle
        self._log = log
        self.worker = Worker(threads)
        self.admission = Admission(config.concurrency)
        self._predictor: Predictor | None = None
        self._batcher: Batcher | None = None
        self._services: Mapping[str, Service] = {}
        self._warm = False
        self.draining = False
        self.not_ready = "the model is loading"

    @property
    def ready(self) -> bool:
        """Whether this model has answered its warm-up, and the server is not draining."""
        return self._warm and not self.draining

    def drain(self) -> None:
        self.draining = True
        self.metrics.ready = False
        self.not_ready = "the server is draining"

    async def load(self, native_threads: int) -> None:
        """Load the bundle on the worker's thread. Raises BundleError."""
        loop = asyncio.get_running_loop()
        predictor = await loop.run_in_executor(None, Predictor, self.config, self._bundle, native_threads)
        if predictor.table is not None:
            self.metrics.features = predictor.table.counts
        if self.config.batching is not None:
            self._batcher = Batcher(predictor, self.worker, self.config.batching, self.metrics.batch_rows.observe)
        if self.config.format == "ensemble":
            from serving.gateway import connect

            self._services = connect(self.config.services, self.config.request_seconds)
        self._predictor = predictor
        self.not_ready = "the warm-up prediction has not been answered yet"

    async def warm_up(self) -> None:
        """Predict until it works, then be ready. Raises BundleError where there is nothing to predict with."""
        predictor = self._loaded()
        tensors = tuple(predictor.examples(self._bundle))
        attempt = 0
        while not self.draining:
            try:
                await self._warm_up_once(tensors)
            except Refused as error:
                self.not_ready = f"the warm-up prediction fails: {error.reason}{_cause(error)}"
                self._log.failure("warm-up", error)
                await asyncio.sleep(RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)])
                attempt += 1
            else:
                self._warm = not self.draining
                self.metrics.ready = self.ready
                self._uncount()
                return

    async def _warm_up_once(self, tensors: Tensors) -> None:
        predictor = self._loaded()
        if self.config.format == "ensemble":
            await predictor.answer_ensemble(predictor.bind(tensors), self._services)
            return
        started = time.perf_counter()
        await asyncio.get_running_loop().run_in_executor(None, self._answer, tensors)
        if time.perf_counter() - started < WARM_UP_SECONDS:
            for _ in range(WARM_UPS):
                self.worker.run_here(lambda: self._answer(tensors))

    def _uncount(self) -> None:
        """The warm-up's rows are nobody's; what they counted is taken back."""
        self.metrics.batch_rows.reset()
        for counts in (self.metrics.features.missing, self.metrics.features.out_of_range):
            counts.update(dict.fromkeys(counts, 0))

    def _loaded(self) -> Predictor:
        if self._predictor is None:
            raise TurnedAway("loading", "the model is loading")
        return self._predictor

    def _answer(self, tensors: Tensors) -> Outputs:
        predictor = self._loaded()
        inputs = predictor.bind(tensors)
        if self._batcher is None:
            self.metrics.batch_rows.observe(inputs.rows)
        return predictor.answer(inputs)

    def answer_now(self, work: Callable[[Callable[[Tensors], Outputs]], T]) -> T | None:
        """Carry `work` out at once, on the loop, if that is how this model is best answered now; else None.

        `work` is given the prediction as a function, and decodes and encodes around it. Raises Refused.
        """
        if self._batcher is not None or not self.worker.inline or not self.admission.try_enter():
            return None
        try:
            return self.worker.run_here(lambda: work(self._answer))
        finally:
            self.admission.leave()

    async def answer(self, decode: Callable[[], Tensors], encode: Callable[[Outputs], T], *, large: bool = False) -> T:
        """Decode, predict and encode within the concurrency limit and the time allowed. Raises Refused.

        `large` requests are decoded off the loop.
        """
        task = asyncio.ensure_future(self._admitted(lambda: self._work(decode, encode, large)))
        try:
            done, _ = await asyncio.wait({task}, timeout=self.config.request_seconds)
        finally:
            task.cancel()
        if not done:
            seconds = self.config.request_seconds
            raise TurnedAway("timeout", f"no answer within {seconds:g} s", status=504, retry_after=None)
        return task.result()

    async def _admitted(self, work: Callable[[], Awaitable[T]]) -> T:
        await self.admission.enter()
        try:
            return await work()
        finally:
            self.admission.leave()

    async def _work(self, decode: Callable[[], Tensors], encode: Callable[[Outputs], T], large: bool) -> T:
        predictor = self._loaded()
        if self.config.format == "ensemble":
            return encode(await predictor.answer_ensemble(predictor.bind(decode()), self._services))
        if self._batcher is None:
            return await self.worker.run(lambda: encode(self._answer(decode())), large=large)
        inputs = (
            await self.worker.run(lambda: predictor.bind(decode()), large=True) if large else predictor.bind(decode())
        )
        return encode(await self._batcher.answer(inputs))

    def close(self) -> None:
        self.worker.close()


def _cause(error: Refused) -> str:
    """What a handler raised, for whoever asks why this is not ready; users are never told."""
    cause = error.__cause__
    return f" ({type(cause).__name__}: {cause})" if cause is not None else ""
