#!/usr/bin/env bash
# Makes .venv from requirements.lock with any Python 3.11 or 3.12; does nothing when it is up to date.
set -euo pipefail
cd "$(dirname "$0")/.."
stamp=.venv/.lock-installed
if [ -f "$stamp" ] && cmp -s requirements.lock "$stamp"; then exit 0; fi
python=""
for candidate in python3.12 python3.11 python3 /usr/bin/python3 /usr/local/bin/python3; do
  if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; then
    python=$candidate
    break
  fi
done
if [ -z "$python" ]; then
  echo "drover: needs Python 3.11 or 3.12 with venv (the Injective SDK has no build for 3.13)." \
    "On Debian 12: apt-get install python3 python3-venv" >&2
  exit 1
fi
echo "drover: making the Python environment in .venv (once, about a minute)" >&2
mkdir -p .drover/log
if ! { "$python" -m venv --clear .venv &&
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input --require-hashes -r requirements.lock; } \
  >.drover/log/venv.log 2>&1; then
  tail -n 3 .drover/log/venv.log >&2
  echo "drover: the Python environment could not be made; the whole log is .drover/log/venv.log. Is the package index reachable?" >&2
  exit 1
fi
cp requirements.lock "$stamp"
