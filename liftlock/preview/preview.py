"""The preview of a branch as one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from liftlock import paths
from liftlock.environment import Environment, load_ladder
from liftlock.errors import LiftlockError
from liftlock.preview import branch, prices
from liftlock.preview.branch import ServiceFiles
from liftlock.preview.effects import Effect, Kind, ServiceChange, diffs, effect, field_changes, manifest_diffs
from liftlock.render.stacks import stacks_of
from liftlock.render.tree import wanted_manifests


@dataclass(frozen=True)
class Preview:
    """What a branch changes against a commit."""

    base: str
    services: tuple[ServiceChange, ...]
    manifests: Mapping[str, str]
    """Unified diff of each manifest that changes with this branch itself, by path: environments, stacks, renderer."""

    def as_json(self) -> dict[str, Any]:
        """The preview for programs."""
        priced = {"source": prices.SOURCE, "as_of": prices.AS_OF, "currency": "USD"}
        return {"base": self.base, "prices": priced, **{key: asdict(self)[key] for key in ("services", "manifests")}}


def preview(root: Path, base: str | None) -> Preview:
    """What the checkout at `root` changes. Writes nothing, asks no network. Raises LiftlockError, InvalidInput."""
    commit = branch.base_commit(root, base)
    changed = branch.changed_paths(root, commit)
    names = sorted({path.parts[1] for path in changed if path.parts[0] == str(paths.SERVICES) and len(path.parts) > 2})
    ladder = load_ladder(root)
    services = tuple(_service(root, commit, name, ladder) for name in names)
    return Preview(commit, services, diffs(branch.manifests_then(root, commit), wanted_manifests(root)))


def _service(root: Path, commit: str, name: str, ladder: tuple[Environment, ...]) -> ServiceChange:
    before, after = branch.service_then(root, commit, name), branch.service_now(root, name)
    stacks_text = branch.file_now(root, paths.STACKS)
    fields = field_changes(before, after)
    kind = _kind(before, after, changed=bool(fields))
    notes, manifests = list(_notes(before, after)), {}
    if kind in ("new", "changed"):
        try:
            manifests = manifest_diffs(before, after, ladder[0], stacks_text)
        except LiftlockError as error:  # told, not raised: a preview is most wanted where something will not do
            notes += str(error).splitlines()
    return ServiceChange(
        service=name,
        kind=kind,
        fields=fields,
        notes=tuple(notes),
        before=_effects(before, ladder, stacks_text),
        after=_effects(after, ladder, stacks_text),
        manifests=manifests,
    )


def _kind(before: ServiceFiles | None, after: ServiceFiles | None, *, changed: bool) -> Kind:
    if after is None:
        return "removed"
    if before is None:
        return "new"
    return "changed" if changed else "unchanged"


def _notes(before: ServiceFiles | None, after: ServiceFiles | None) -> tuple[str, ...]:
    """What a person should know that no number says."""
    if after is None:
        return ("the directory is gone; what runs goes on running until it is retired in environments/",)
    trained = after.spec.model.source is not None and after.spec.model.source.scheme == "train"
    if not trained:
        return ()
    if after.parts["model"] is None:
        return (f"no model is registered: run `liftlock train {after.spec.name}` and commit model.yaml",)
    if before is not None and after.script != before.script and after.parts["model"] == before.parts["model"]:
        return (f"train.py changed, the registered model did not: run `liftlock train {after.spec.name}`",)
    return ()


def _effects(files: ServiceFiles | None, ladder: tuple[Environment, ...], stacks: bytes | None) -> tuple[Effect, ...]:
    if files is None:
        return ()
    found = (effect(files, environment, stacks_of(environment, stacks)) for environment in ladder)
    return tuple(one for one in found if one is not None)
