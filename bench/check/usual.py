"""The usual check of Kubernetes files: PyYAML's safe_load, then jsonschema on KServe's InferenceService CRD.

Run as `python usual.py CRD DIRECTORY`.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import jsonschema
import yaml


def main(schema: Path, directory: Path) -> None:
    """Prints how many files were found valid, and the seconds it took without imports and the CRD's own reading."""
    validator = jsonschema.Draft202012Validator(json.loads(schema.read_bytes()))
    started = time.perf_counter()
    paths = sorted(directory.glob("*.yaml"))
    valid = sum(validator.is_valid(yaml.safe_load(path.read_text())) for path in paths)
    print(json.dumps({"examined": valid, "seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
