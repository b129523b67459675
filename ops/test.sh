#!/usr/bin/env bash
# Runs every test on a machine that may have nothing yet. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
ops/venv.sh
.venv/bin/python -m ops.test_setup
exec .venv/bin/python -m pytest "$@"
