#!/usr/bin/env bash
# Style, types, and the shape of every job file.
set -euo pipefail
cd "$(dirname "$0")/.."
ops/venv.sh
.venv/bin/ruff check .
.venv/bin/ruff format --check .
.venv/bin/mypy
