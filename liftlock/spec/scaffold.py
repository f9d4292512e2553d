"""Scaffolds: a first service of each format, complete enough to pass check at once and to be trained and served."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from liftlock.errors import InvalidInput, LiftlockError, Problem
from liftlock.paths import SERVICES, service_directory
from liftlock.spec.model import FeatureSchema, Spec, check_name
from liftlock.spec.read import load_features, load_spec

FORMATS = ("sklearn", "xgboost", "lightgbm", "onnx", "huggingface", "vllm", "triton", "custom", "ensemble")
DEFAULT_OWNER = "my-team"
_SUFFIX = ".tmpl"
_REQUESTS = 30
_FEATURES_HEAD = (
    b"# yaml-language-server: $schema=../../docs/schema/features.json\n# The members' features.\nfeatures:\n"
)


@dataclass(frozen=True)
class Member:
    """A service that an ensemble asks: its features, and the bodies its load test sends."""

    name: str
    schema: FeatureSchema
    bodies: tuple[dict[str, Any], ...]


def scaffold(name: str, kind: str, owner: str = DEFAULT_OWNER, members: tuple[Member, ...] = ()) -> dict[str, bytes]:
    """The files of a new service, by name. `members` are those of an ensemble. Raises LiftlockError."""
    if kind not in FORMATS:
        raise LiftlockError(f"--format: one of {', '.join(FORMATS)} is wanted, not {kind!r}")
    words = {"@NAME@": name, "@OWNER@": owner}
    if kind == "ensemble":
        words["@SERVICES@"] = ", ".join(member.name for member in members)
        inputs = {member.name: tuple(feature.name for feature in member.schema.features) for member in members}
        words["@INPUTS@"] = repr(inputs)
    made = {file: _filled(text, words) for file, text in _templates(kind).items()}
    return made | (_ensemble_files(members) if kind == "ensemble" else {})


def _templates(kind: str) -> dict[str, str]:
    folder = files(__package__).joinpath("scaffolds", kind)
    found = {entry.name.removesuffix(_SUFFIX): entry for entry in folder.iterdir() if entry.name.endswith(_SUFFIX)}
    return {name: entry.read_text(encoding="utf-8") for name, entry in sorted(found.items())}


def _filled(text: str, words: Mapping[str, str]) -> bytes:
    for mark, word in words.items():
        text = text.replace(mark, word)
    return text.encode()


def _ensemble_files(members: tuple[Member, ...]) -> dict[str, bytes]:
    """All members' features, each once, and requests that ask all members."""
    features = {feature.name: feature for member in members for feature in member.schema.features}
    lines = [orjson.dumps(row) for row in FeatureSchema(features=tuple(features.values())).rows()]
    bodies = []
    for together in islice(zip(*(member.bodies for member in members), strict=False), _REQUESTS):
        tensors = {tensor["name"]: tensor for body in together for tensor in body["inputs"]}
        bodies.append(orjson.dumps({"inputs": list(tensors.values())}))
    return {
        "features.yaml": _FEATURES_HEAD + b"".join(b"  - " + line + b"\n" for line in lines),
        "requests.jsonl": b"".join(body + b"\n" for body in bodies),
    }


def read_member(root: Path, name: str) -> Member:
    """A service of the checkout as a member of an ensemble. Raises LiftlockError where it cannot be one."""
    spec = load_spec(root, name)
    schema = load_features(root, spec)
    path = root / service_directory(name) / spec.load.requests
    if schema is None or spec.protocol != "v2" or not path.is_file():
        raise LiftlockError(f"{name}: a member with protocol v2, a feature schema and requests is wanted")
    bodies = tuple(orjson.loads(line) for line in path.read_bytes().splitlines() if line.strip())
    known = {feature.name for feature in schema.features}
    if not all(tensor["name"] in known and tensor["shape"][0] == 1 for body in bodies for tensor in body["inputs"]):
        raise LiftlockError(f"{name}: requests of one row with a tensor for each feature are wanted of a member")
    return Member(name, schema, bodies)


def likely_members(root: Path) -> tuple[Member, ...]:
    """The first two services that can be an ensemble's members. Raises LiftlockError where there are fewer."""
    found: list[Member] = []
    for path in sorted((root / SERVICES).glob("*/service.yaml")):
        try:
            found.append(read_member(root, path.parent.name))
        except LiftlockError:
            continue
        if len(found) == 2:
            return tuple(found)
    raise LiftlockError("--services: an ensemble needs two services with protocol v2 and features; make them first")


def check_new_name(root: Path, name: str) -> None:
    """Refuse a name that no new service can have, before anything is written. Raises InvalidInput."""
    shown = str(SERVICES / name) if name.isprintable() else str(SERVICES)
    try:
        check_name(name)
    except ValueError as error:
        raise InvalidInput([Problem(str(SERVICES), 0, 0, "name", f"{error}; not {name[:80]!r}")]) from None
    if (root / SERVICES / name).exists() or (root / SERVICES / name).is_symlink():
        raise InvalidInput([Problem(shown, 0, 0, "name", "a new name; this service exists already")])


def write_service(root: Path, name: str, content: Mapping[str, bytes]) -> Path:
    """Write a new service's directory, all of it or nothing. Raises InvalidInput where the name is taken."""
    check_new_name(root, name)
    target = root / service_directory(name)
    scratch = Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))
    try:
        for file, data in content.items():
            (scratch / file).write_bytes(data)
        scratch.chmod(0o755)
        scratch.rename(target)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    return target


def spec_of(content: Mapping[str, bytes], name: str) -> Spec:
    """The spec among a scaffold's files. Raises InvalidInput: an owner may be no team's name."""
    from liftlock.spec.source import parse

    return parse(content["service.yaml"], Spec, f"{service_directory(name)}/service.yaml")
