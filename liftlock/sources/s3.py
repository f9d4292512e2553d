"""Models in S3-compatible buckets."""

from __future__ import annotations

from liftlock.errors import LiftlockError, Unreachable
from liftlock.sources.download import MOST_BYTES
from liftlock.spec.sources import Source

ADVICE = "credentials, region and AWS_ENDPOINT_URL are taken from where boto3 looks for them"


def fetch(source: Source, file: str) -> tuple[str, dict[str, bytes]]:
    """An object as `file`, by version where the bucket keeps versions. Raises Unreachable, LiftlockError."""
    from liftlock.store.s3 import client_errors, connect

    bucket, _, key = source.location.partition("/")
    version = {"VersionId": source.reference} if source.reference else {}
    try:
        found = connect(None, None).get_object(Bucket=bucket, Key=key, **version)
        if found["ContentLength"] > MOST_BYTES:
            raise LiftlockError(f"{source}: more than {MOST_BYTES:,} bytes, the most that is taken")
        data: bytes = found["Body"].read()
    except client_errors() as error:
        raise Unreachable(f"{source}: {error}; {ADVICE}") from error
    fixed = found.get("VersionId") or source.reference
    # A bucket that once kept versions calls objects from before then `null`.
    resolved = f"s3://{source.location}" + (f"?versionId={fixed}" if fixed and fixed != "null" else "")
    return resolved, {file: data}
