"""What a branch's files were and are: read from git and the working tree, nothing fetched, nothing written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from liftlock import paths
from liftlock.errors import InvalidInput, LiftlockError
from liftlock.repository import GitError, run_git
from liftlock.spec.model import FeatureSchema, Spec
from liftlock.spec.source import parse

Reader = Callable[[PurePosixPath], bytes | None]

# Where a branch leaves the trunk, tried in this order.
_TRUNKS = ("origin/main", "main")


@dataclass(frozen=True)
class ServiceFiles:
    """A service's directory at one time, as far as a release is made of it."""

    spec: Spec
    parts: dict[str, bytes | None]
    """The bytes of the registered model, handler, requests and features, by what they are."""
    script: bytes | None
    """train.py, which makes a release only by way of a registered model."""

    @property
    def features(self) -> FeatureSchema | None:
        text = self.parts["features"]
        name = f"{paths.service_directory(self.spec.name)}/{self.spec.features}"
        return parse(text, FeatureSchema, name) if text is not None else None


def base_commit(root: Path, base: str | None) -> str:
    """The commit to compare with: `base`, else where this branch left the trunk. Raises LiftlockError."""
    if base is not None:
        return _commit(root, base)
    for trunk in _TRUNKS:
        try:
            return run_git(root, "merge-base", "HEAD", trunk).decode().strip()
        except GitError:
            continue
    raise LiftlockError(f"--base: none of {', '.join(_TRUNKS)} is here; name a commit to compare with")


def _commit(root: Path, ref: str) -> str:
    try:
        return run_git(root, "rev-parse", "--verify", "--end-of-options", f"{ref}^{{commit}}").decode().strip()
    except GitError as error:
        raise LiftlockError(f"--base {ref}: no such commit here") from error


def changed_paths(root: Path, commit: str) -> tuple[PurePosixPath, ...]:
    """Files under model_services/ and environments/ that differ from `commit`, untracked ones too."""
    under = ("--", str(paths.SERVICES), str(paths.ENVIRONMENTS))
    tracked = run_git(root, "diff", "--name-only", "--no-renames", "-z", commit, *under)
    untracked = run_git(root, "ls-files", "--others", "--exclude-standard", "-z", *under)
    names = (tracked + untracked).decode().split("\0")
    return tuple(sorted({PurePosixPath(name) for name in names if name}))


def file_then(root: Path, commit: str, path: PurePosixPath) -> bytes | None:
    """A file of a commit, None where there is none."""
    try:
        return run_git(root, "cat-file", "blob", f"{commit}:{path}")
    except GitError:
        return None


def file_now(root: Path, path: PurePosixPath) -> bytes | None:
    """A file of the working tree, None where there is none."""
    return (root / path).read_bytes() if (root / path).is_file() else None


def manifests_then(root: Path, commit: str) -> dict[PurePosixPath, bytes]:
    """The generated manifests of a commit."""
    listing = run_git(root, "ls-tree", "-r", "-z", "--name-only", "--full-tree", commit, "--", str(paths.ENVIRONMENTS))
    names = [PurePosixPath(name) for name in listing.decode().split("\0") if name]
    wanted = [name for name in names if len(name.parts) == 5 and name.parts[2] == "manifests"]
    return {name: text for name in wanted if (text := file_then(root, commit, name)) is not None}


def service_then(root: Path, commit: str, service: str) -> ServiceFiles | None:
    """A service as a commit has it; None where it is new, or was not valid then."""
    try:
        return _service(service, lambda path: file_then(root, commit, path))
    except InvalidInput:
        return None


def service_now(root: Path, service: str) -> ServiceFiles | None:
    """A service as the working tree has it; None where it is gone. Raises InvalidInput."""
    return _service(service, lambda path: file_now(root, path))


def _service(service: str, read: Reader) -> ServiceFiles | None:
    text = read(paths.service_file(service))
    if text is None:
        return None
    spec = parse(text, Spec, str(paths.service_file(service)))
    directory = paths.service_directory(service)
    named = {
        "model": "model.yaml",
        "handler": spec.handler,
        "requests": spec.load.requests,
        "features": spec.features,
    }
    parts = {what: read(directory / name) if name else None for what, name in named.items()}
    return ServiceFiles(spec, parts, read(directory / "train.py"))
