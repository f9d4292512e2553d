"""Where a model comes from, and whether that reference can ever mean something else."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

if TYPE_CHECKING:  # costs 20 ms, and only `liftlock schema` needs it
    from pydantic.json_schema import JsonSchemaValue

Scheme = Literal["train", "s3", "oci", "hf", "mlflow"]

_SEGMENT = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?"
# Every source but `train`: where, and the reference within it.
_FORMS: dict[Scheme, re.Pattern[str]] = {
    "s3": re.compile(
        r"s3://(?P<location>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/[A-Za-z0-9!_.*'()/=-]{1,900})"
        r"(?:\?versionId=(?P<reference>[A-Za-z0-9._+/=-]{1,100}))?"
    ),
    "oci": re.compile(
        r"oci://(?P<location>[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?(?::[0-9]{1,5})?(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)+)"
        r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
    ),
    "hf": re.compile(rf"hf://(?P<location>{_SEGMENT}/{_SEGMENT})@(?P<reference>{_SEGMENT})"),
    "mlflow": re.compile(rf"mlflow:(?P<location>{_SEGMENT})@(?P<reference>{_SEGMENT})"),
}
_COMMIT = re.compile(r"[0-9a-f]{40}")
_LONGEST = 1024
_WANTED = (
    "train, s3://bucket/key[?versionId=…], oci://registry/repository@sha256:<64 hex>, "
    "hf://owner/name@<40-hex commit> or mlflow:name@<alias or version>"
)
# What to write instead of a reference that moves.
_FIXED = {
    "s3": "s3://…?versionId=<version>",
    "oci": "oci://…@sha256:<64 hex>",
    "hf": "hf://owner/name@<40-hex commit>",
    "mlflow": "mlflow:name@<version number>",
}


@dataclass(frozen=True)
class Source:
    """A model's source: its scheme, the place, and the version, digest, tag, commit or alias in it (None: newest)."""

    text: str
    scheme: Scheme
    location: str = ""
    reference: str | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError where `text` is no source we know."""
        if text == "train":
            return cls(text, "train")
        scheme = next((scheme for scheme in _FORMS if text.startswith(f"{scheme}:")), None)
        match = _FORMS[scheme].fullmatch(text) if scheme and len(text) <= _LONGEST else None
        if scheme is None or match is None or ".." in match["location"] or "//" in match["location"]:
            raise ValueError(_WANTED)
        if scheme == "oci":
            return cls(text, scheme, match["location"], match["digest"] or match["tag"])
        return cls(text, scheme, match["location"], match["reference"])

    def __str__(self) -> str:
        return self.text

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def read(given: Any) -> Source:
            return given if isinstance(given, cls) else cls.parse(given if isinstance(given, str) else "")

        return core_schema.no_info_plain_validator_function(
            read, serialization=core_schema.plain_serializer_function_ser_schema(str)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "pattern": "^(train$|s3://|oci://|hf://|mlflow:)"}


def is_immutable(source: Source) -> bool:
    """Whether `source` can only ever mean the same bytes. `train` cannot: what it built is known by digest at cut."""
    match source.scheme:
        case "s3":
            return source.reference is not None
        case "oci":
            return source.reference is not None and source.reference.startswith("sha256:")
        case "hf":
            return source.reference is not None and _COMMIT.fullmatch(source.reference) is not None
        case "mlflow":
            return source.reference is not None and source.reference.isdecimal()
        case "train":
            return False


def immutable_form(source: Source) -> str:
    """What an immutable reference to the same place looks like, for an error's words."""
    return _FIXED.get(source.scheme, "a model registered by `liftlock train`")
