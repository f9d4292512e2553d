"""Headers, metrics and variables, equal to those of `liftlock.conventions` by a test, so neither imports the other."""

from __future__ import annotations

REVISION_HEADER = "x-liftlock-revision"
MIRROR_HEADER = "x-liftlock-mirror"

METRIC_REQUESTS = "liftlock_requests_total"
METRIC_SECONDS = "liftlock_request_seconds"
METRIC_INFLIGHT = "liftlock_inflight_requests"
METRIC_REJECTED = "liftlock_rejected_total"
METRIC_BATCH = "liftlock_batch_rows"
METRIC_FEATURE_MISSING = "liftlock_feature_missing_total"
METRIC_FEATURE_OUT_OF_RANGE = "liftlock_feature_out_of_range_total"
METRIC_READY = "liftlock_ready"

# Where an ensemble finds other services, for example `http://127.0.0.1:8000`; `{service}` in it becomes the name.
GATEWAY_VARIABLE = "LIFTLOCK_GATEWAY"
