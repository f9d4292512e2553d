#!/bin/sh
# Install what Liftlock needs: servers by apt, Python packages by uv from the hashed lock. Safe to run again: it does
# nothing that is done. `setup.sh test` adds what only the tests need.
set -eu
cd "$(dirname "$0")/.."
say() { echo "setup: $*"; }
stop() { say "$*" >&2; exit 4; }

packages=""
want() { command -v "$1" >/dev/null 2>&1 || packages="$packages $2"; }
want git git
want haproxy haproxy
want prometheus prometheus
want prometheus-alertmanager prometheus-alertmanager
want python3 python3
python3 -c 'import ensurepip' 2>/dev/null || packages="$packages python3-venv"
if [ "${1:-}" = test ]; then
  want chromium chromium
  want cc gcc
  want ss iproute2
fi

if [ -n "$packages" ]; then
  command -v apt-get >/dev/null 2>&1 || stop "apt-get is not here; install$packages by hand, then run this again"
  as_root=""
  [ "$(id -u)" = 0 ] || { command -v sudo >/dev/null 2>&1 || stop "needs root or sudo to install$packages"; as_root=sudo; }
  say "installing$packages"
  # The servers run under Liftlock's own supervisor: keep apt from starting them as system services.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
    $as_root chmod 755 "$policy"
    trap '$as_root rm -f "$policy"' EXIT
  fi
  export DEBIAN_FRONTEND=noninteractive
  $as_root apt-get update -qq
  # shellcheck disable=SC2086 # a list of names
  $as_root apt-get install -y -qq --no-install-recommends $packages >/dev/null
fi

python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' || stop "Python 3.11 or newer is wanted; this is $(python3 --version)"
lock=$(cat pyproject.toml requirements/uv.txt requirements/dev.txt | sha256sum | cut -d' ' -f1)
if [ "$(cat .venv/.lock 2>/dev/null || true)" != "$lock" ]; then
  say "installing Python packages into .venv"
  [ -x .venv/bin/python ] || python3 -m venv .venv
  if ! .venv/bin/python -m uv --version >/dev/null 2>&1; then
    .venv/bin/python -m pip --version >/dev/null 2>&1 || .venv/bin/python -m ensurepip >/dev/null
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
  fi
  .venv/bin/python -m uv pip sync --quiet --python .venv/bin/python --require-hashes --compile-bytecode requirements/dev.txt
  .venv/bin/python -m uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation -e .
  .venv/bin/python -m compileall -q liftlock serving loadtests
  echo "$lock" >.venv/.lock
fi
say "ready"
