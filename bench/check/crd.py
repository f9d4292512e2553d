"""KServe's own InferenceService schema, kept here whole so that the benchmark needs no Go.

    python -m bench.check.crd        # makes the copy again; needs KServe's Go module

v1beta1 as `config/crd/full` of KServe has it (Apache-2.0, the KServe Authors), as JSON, less its descriptions: what
jsonschema is given is what it would be given by anyone, and texts that no validator reads cost it nothing.
"""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

COPY = Path(__file__).with_name("inferenceservice.json.gz")
_VERSION = "v0.20.0"
_CRD = "config/crd/full/serving.kserve.io_inferenceservices.yaml"


def crd() -> dict[str, Any]:
    """The schema."""
    schema: dict[str, Any] = json.loads(gzip.decompress(COPY.read_bytes()))
    return schema


def published() -> dict[str, Any]:
    """The schema from KServe's Go module. Raises FileNotFoundError where that is not on this machine."""
    import yaml

    cache = Path(os.environ.get("GOMODCACHE", Path.home() / "go" / "pkg" / "mod"))
    file = cache / "github.com" / "kserve" / f"kserve@{_VERSION}" / _CRD
    if not file.is_file():
        raise FileNotFoundError(f"KServe's CRD: `go mod download github.com/kserve/kserve@{_VERSION}` brings it")
    document = yaml.load(file.read_text(), yaml.CSafeLoader)
    versions = {version["name"]: version for version in document["spec"]["versions"]}
    schema: dict[str, Any] = without_descriptions(versions["v1beta1"]["schema"]["openAPIV3Schema"])
    return schema


def without_descriptions(schema: Any) -> Any:
    """The schema without its texts; a property called `description` is a mapping, and stays."""
    if isinstance(schema, list):
        return [without_descriptions(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    parts = {key: part for key, part in schema.items() if key != "description" or not isinstance(part, str)}
    return {key: without_descriptions(part) for key, part in parts.items()}


if __name__ == "__main__":
    COPY.write_bytes(gzip.compress(json.dumps(published(), separators=(",", ":")).encode(), 9, mtime=0))
