#!/bin/sh
# Lock every group of pyproject.toml, hashed and for every platform; the groups agree because each is constrained by the whole.
set -eu
cd "$(dirname "$0")/.."
compile() { uv pip compile --quiet --universal --generate-hashes --no-header --python-version 3.11 "$@"; }
compile --all-extras pyproject.toml -o requirements/dev.txt
compile pyproject.toml -c requirements/dev.txt -o requirements/liftlock.txt
compile --extra serving pyproject.toml -c requirements/dev.txt -o requirements/serving.txt
echo uv | compile - -c requirements/dev.txt -o requirements/uv.txt
