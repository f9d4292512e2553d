"""A stored tree as an OCI image layout: what KServe mounts as a model image (`oci://`), byte-identical when repeated.

Format: OCI image-spec 1.1, image layout; one gzip-free layer that holds the files below `models/`, where KServe's
modelcar looks for them.
"""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

from liftlock.canonical import canonical_json, digest_bytes
from liftlock.conventions import DIGEST_PREFIX
from liftlock.store.blobs import BlobStore
from liftlock.store.tree import read_tree

LAYER = "application/vnd.oci.image.layer.v1.tar"
CONFIG = "application/vnd.oci.image.config.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


def write_layout(store: BlobStore, digest: str, into: Path, *, tag: str) -> str:
    """Write the tree `digest` as an OCI layout below `into`; the image manifest's digest."""
    layer = _layer(read_tree(store, digest))
    config = canonical_json(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [digest_bytes(layer)]},
        }
    )
    manifest = canonical_json(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": _descriptor(CONFIG, config),
            "layers": [_descriptor(LAYER, layer)],
            "annotations": {"io.liftlock.tree": digest},
        }
    )
    for blob in (layer, config, manifest):
        path = into / "blobs" / "sha256" / digest_bytes(blob).removeprefix(DIGEST_PREFIX)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(blob)
    entry = {**_descriptor(MANIFEST, manifest), "annotations": {"org.opencontainers.image.ref.name": tag}}
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}
    (into / "index.json").write_bytes(canonical_json(index))
    (into / "oci-layout").write_bytes(canonical_json({"imageLayoutVersion": "1.0.0"}))
    return digest_bytes(manifest)


def _descriptor(media_type: str, blob: bytes) -> dict[str, str | int]:
    return {"mediaType": media_type, "digest": digest_bytes(blob), "size": len(blob)}


def _layer(files: dict[str, bytes]) -> bytes:
    """A tar of the files below `models/`: sorted, owned by root, without times, so that it depends on content alone."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path, data in sorted(files.items()):
            entry = tarfile.TarInfo(f"models/{path}")
            entry.size, entry.mode = len(data), 0o644
            tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()
