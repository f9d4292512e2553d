"""The releases the story needs: a good one, one that is slower, one that breaks on customers no request file has."""

from __future__ import annotations

import json
from pathlib import Path

SERVICE = "churn"
HANDLER = Path("model_services") / SERVICE / "handler.py"
REQUESTS = Path("model_services") / SERVICE / "requests.jsonl"

# How much slower the slow release is than the running one.
SLOWDOWN = 0.30
# From this many seats the brittle release has no entry in its table. No line of the request file has so many.
MOST_SEATS = 256
# The share of users that are such customers: a large one was won since the request file was written.
LARGE_SHARE = 0.2

_SLOW = '''

class Slower(Handler):
    """Compares every customer with all others, which takes its time."""

    def preprocess(self, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        until = time.perf_counter() + {seconds}
        while time.perf_counter() < until:
            pass
        return inputs


Handler = Slower  # type: ignore[misc]
'''

_BRITTLE = '''

class Discounted(Handler):
    """Adds the discount of the customer's size class."""

    CLASSES = (0.0, 0.0, 0.02, 0.03, 0.05, 0.08, 0.1, 0.12)  # by the power of two of the seats

    def postprocess(self, outputs: Any, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        discount = [self.CLASSES[int(np.log2(seats))] for seats in np.asarray(inputs["seats"]).reshape(-1)]
        return {**super().postprocess(outputs, inputs), "discount": np.array(discount)}


Handler = Discounted  # type: ignore[misc]
'''


def slower(handler: str, running_s: float) -> str:
    """The handler made slower than a release that answers in `running_s` seconds."""
    imported = handler.replace("from collections.abc", "import time\nfrom collections.abc", 1)
    return imported + _SLOW.format(seconds=round(SLOWDOWN * running_s, 6))


def brittle(handler: str) -> str:
    """The handler made to fail for large customers."""
    return handler + _BRITTLE


def user_bodies(root: Path) -> tuple[bytes, ...]:
    """What users really send: the request file's customers, and LARGE_SHARE of large ones."""
    usual = [json.loads(line) for line in (root / REQUESTS).read_text().splitlines() if line.strip()]
    large = [_with_seats(body, MOST_SEATS + 5 * n) for n, body in enumerate(usual)]
    every = round(1 / LARGE_SHARE)
    return tuple(
        json.dumps(large[n % len(usual)] if n % every == 0 else body).encode() for n, body in enumerate(usual * every)
    )


def _with_seats(body: dict[str, list[dict[str, object]]], seats: int) -> dict[str, list[dict[str, object]]]:
    inputs = []
    for tensor in body["inputs"]:
        data = tensor["data"]
        assert isinstance(data, list)  # the service's own request file was checked
        inputs.append({**tensor, "data": [float(seats)] * len(data)} if tensor["name"] == "seats" else tensor)
    return {**body, "inputs": inputs}
