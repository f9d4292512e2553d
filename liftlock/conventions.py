"""Names with one home: labels, headers, metrics and the rules for naming things."""

from __future__ import annotations

import re

# A service's name is part of a DNS label: `<service>-<8 hex>-predictor` must fit in 63 characters.
SERVICE_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,42}[a-z0-9])?")
DIGEST_PREFIX = "sha256:"
REVISION_HEX = 8

# HTTP headers. A request with REVISION_HEADER is answered by that revision and no other; every answer carries it.
REVISION_HEADER = "x-liftlock-revision"
# What a mirrored request carries, so that nobody counts it as a user's.
MIRROR_HEADER = "x-liftlock-mirror"

# Kubernetes labels and annotations.
LABEL_SERVICE = "liftlock.io/service"
LABEL_REVISION = "liftlock.io/revision"
LABEL_ENVIRONMENT = "liftlock.io/environment"
LABEL_TEAM = "liftlock.io/team"
LABEL_TIER = "liftlock.io/tier"
ANNOTATION_RELEASE = "liftlock.io/release"

# Metrics of the model server (labels: service, revision, and those named here).
METRIC_REQUESTS = "liftlock_requests_total"  # route, code
METRIC_SECONDS = "liftlock_request_seconds"  # route; histogram
# The values of `route` that are predictions of users: not probes, not mirrored copies. A regular expression.
PREDICTION_ROUTES = "(v1_predict|v2_infer|grpc_infer)"
METRIC_INFLIGHT = "liftlock_inflight_requests"
METRIC_REJECTED = "liftlock_rejected_total"  # reason
METRIC_BATCH = "liftlock_batch_rows"  # histogram
METRIC_FEATURE_MISSING = "liftlock_feature_missing_total"  # feature
METRIC_FEATURE_OUT_OF_RANGE = "liftlock_feature_out_of_range_total"  # feature
METRIC_READY = "liftlock_ready"

# The environment variable by which the local site knows its own processes: the site's directory.
SITE_VARIABLE = "LIFTLOCK_SITE"


def revision_name(service: str, digest: str) -> str:
    """The name of the revision that runs release `digest` (`sha256:<64 hex>`): `<service>-<8 hex>`."""
    return f"{service}-{digest.removeprefix(DIGEST_PREFIX)[:REVISION_HEX]}"
