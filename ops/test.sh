#!/usr/bin/env bash
# Runs every test on a machine that may have nothing yet. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
ops/venv.sh
.venv/bin/python -m ops.test_setup
# Ends the tests' cluster, and the Docker daemon if this run started it, however the tests end.
trap '.venv/bin/python -m ops --state .drover-test down --purge --yes >/dev/null' EXIT
.venv/bin/python -m pytest "$@"
