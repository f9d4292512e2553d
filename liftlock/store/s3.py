"""A store in any S3-compatible service."""

from __future__ import annotations

from typing import Any
from urllib.parse import SplitResult, parse_qs

from liftlock.canonical import digest_bytes
from liftlock.errors import LiftlockError, Unreachable
from liftlock.store.blobs import MissingBlob, key_of, verified

# Seconds to connect and to wait for bytes, and attempts, before the store counts as unreachable.
CONNECT_S, READ_S, ATTEMPTS = 5, 60, 4


class S3Store:
    """Blobs as objects `<prefix>/sha256/<2 hex>/<64 hex>`; credentials come from where boto3 looks for them."""

    def __init__(self, bucket: str, prefix: str = "", endpoint: str | None = None, region: str | None = None) -> None:
        self.bucket, self.prefix = bucket, prefix.strip("/")
        self._client = connect(endpoint, region)
        self._errors = client_errors()

    @classmethod
    def from_url(cls, url: SplitResult) -> S3Store:
        """`s3://bucket/prefix?endpoint=…&region=…`."""
        query = parse_qs(url.query)
        return cls(url.netloc, url.path, query.get("endpoint", [None])[0], query.get("region", [None])[0])

    def _key(self, digest: str) -> str:
        return "/".join(filter(None, (self.prefix, key_of(digest))))

    def put(self, data: bytes) -> str:
        digest = digest_bytes(data)
        if not self.has(digest):
            self._call("put_object", digest, Body=data)
        return digest

    def get(self, digest: str) -> bytes:
        try:
            data: bytes = self._call("get_object", digest)["Body"].read()
        except KeyError as error:
            raise MissingBlob(f"{self.where()}: no {digest}") from error
        return verified(data, digest, self.where())

    def has(self, digest: str) -> bool:
        try:
            self._call("head_object", digest)
        except KeyError:
            return False
        return True

    def _call(self, verb: str, digest: str, **arguments: Any) -> Any:
        """One request. Raises KeyError for an absent object, Unreachable for everything else that fails."""
        try:
            return getattr(self._client, verb)(Bucket=self.bucket, Key=self._key(digest), **arguments)
        except self._errors as error:
            code = getattr(error, "response", {}).get("Error", {}).get("Code")
            if code in ("404", "NoSuchKey"):
                raise KeyError(digest) from error
            raise Unreachable(f"{self.where()}: {error}") from error

    def where(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"


def connect(endpoint: str | None, region: str | None) -> Any:
    """A boto3 S3 client; endpoint and region from its own configuration where None. Raises LiftlockError."""
    try:
        import boto3
        from botocore.config import Config
    except ImportError as error:
        raise LiftlockError("an s3:// store needs boto3: install liftlock[s3]") from error
    config = Config(connect_timeout=CONNECT_S, read_timeout=READ_S, retries={"total_max_attempts": ATTEMPTS})
    return boto3.client("s3", endpoint_url=endpoint, region_name=region, config=config)


def client_errors() -> tuple[type[Exception], ...]:
    """Everything a boto3 client raises."""
    from botocore.exceptions import BotoCoreError, ClientError

    return (BotoCoreError, ClientError)
