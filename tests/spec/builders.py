"""A valid service, to be changed in one thing at a time."""

from __future__ import annotations

import copy
from typing import Any

import yaml

SERVICE: dict[str, Any] = {
    "name": "churn",
    "owner": "growth",
    "tier": 1,
    "description": "Which customers are about to leave.",
    "model": {"format": "xgboost", "source": "train", "evaluation": {"metric": "roc_auc", "at_least": 0.8}},
    "protocol": "v2",
    "resources": {"cpu": "500m", "memory": "512Mi"},
    "scaling": {"min": 1, "max": 10, "metric": "concurrency", "target": 8},
    "slo": {"window": "30d", "availability": 99.9, "latency": [{"quantile": 0.99, "within": "250ms"}]},
    "load": {"rate": "200/s", "requests": "requests.jsonl"},
    "features": "features.yaml",
    "alerts": {"team": "growth"},
}
REMOVED = object()


def service(**changes: Any) -> bytes:
    """A valid `service.yaml` with values replaced: `slo__window="1d"` sets `slo.window`; REMOVED takes a key away."""
    data = copy.deepcopy(SERVICE)
    for path, value in changes.items():
        *owners, last = path.split("__")
        place = data
        for owner in owners:
            place = place.setdefault(owner, {})
        if value is REMOVED:
            place.pop(last, None)
        else:
            place[last] = value
    return yaml.safe_dump(data, sort_keys=False).encode()
