"""A release: a spec frozen with the digests of everything it runs, named by the digest of its own content.

Its bytes are canonical: the same input gives the same file on any machine, and a promotion is a copy of that file.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import orjson
import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from liftlock.canonical import canonical_json, digest_value, generated_yaml
from liftlock.conventions import revision_name
from liftlock.errors import InvalidInput, Problem
from liftlock.spec.model import Feature, Spec
from liftlock.spec.sources import Source, is_immutable

MADE_BY = "liftlock release"
# Version of the file's form.
FORM = 1
# The formats our own model server runs, from a bundle in the store; the others bring a runtime of their own.
OWN_FORMATS = frozenset({"sklearn", "xgboost", "lightgbm", "onnx", "ensemble"})


class ModelReference(BaseModel):
    """The model a release runs: its source as written, and the digest of what that was at cut where we hold it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str | None = None
    digest: str | None = None
    evaluation: dict[str, float] = {}

    @property
    def immutable(self) -> bool:
        """Whether this can only ever mean the same bytes."""
        return self.digest is not None or self.source is None or is_immutable(Source.parse(self.source))


class Contents(BaseModel):
    """What a release file holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    form: int = FORM
    service: str
    spec: Spec
    features: tuple[Feature, ...] | None = None
    model: ModelReference
    bundle: str | None = None
    """Tree of everything our model server needs; none where the runtime is an image of its own."""
    handler: str | None = None
    requests: str
    """The request file its gates send."""

    def plain(self) -> dict[str, Any]:
        """The contents as JSON values. What is not set is left out, what has a default is written out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


@dataclass(frozen=True)
class Release:
    """A parsed release file. Two releases are equal when their files are."""

    text: bytes
    digest: str = field(compare=False)
    contents: Contents = field(compare=False, repr=False)

    @property
    def service(self) -> str:
        return self.contents.service

    @property
    def spec(self) -> Spec:
        return self.contents.spec

    @property
    def bundle(self) -> str | None:
        return self.contents.bundle

    @property
    def model(self) -> ModelReference:
        return self.contents.model

    @property
    def features(self) -> tuple[Feature, ...] | None:
        return self.contents.features

    @cached_property
    def revision(self) -> str:
        """The name of the revision that runs it."""
        return revision_name(self.service, self.digest)


def freeze(contents: Contents) -> Release:
    """The release of these contents."""
    plain = contents.plain()
    digest = digest_value(plain)
    return Release(_text(digest, plain), digest, contents)


def _text(digest: str, plain: dict[str, Any]) -> bytes:
    """The one file these contents have: keys sorted, as they are in the digest."""
    ordered = orjson.loads(canonical_json(plain))
    return generated_yaml({"release": digest, **ordered}, f"{MADE_BY} {ordered['service']}")


def parse_release(text: bytes, file: str) -> Release:
    """Read a release file. Raises InvalidInput unless it is one, byte for byte as it was cut."""
    try:
        plain = yaml.load(text, Loader=_LOADER)
        named = plain.pop("release")
        contents = Contents.model_validate_json(canonical_json(plain))
    except (yaml.YAMLError, ValidationError, AttributeError, KeyError, TypeError) as error:
        first = str(error).splitlines()[0]
        raise InvalidInput([Problem(file, 1, 1, "file", f"a release as `{MADE_BY}` wrote it ({first})")]) from error
    digest = digest_value(plain)
    if digest != named:
        wanted = f"{digest}, the digest of the content below: the file was edited; restore it from git"
        raise InvalidInput([Problem(file, 2, 10, "release", wanted)])
    if text != _text(digest, plain):
        raise InvalidInput([Problem(file, 1, 1, "file", "the bytes that were cut: it was edited; restore it from git")])
    return Release(text, digest, contents)


# The C loader where PyYAML was built with it: a release is read on every step.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
