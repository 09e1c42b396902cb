#!/usr/bin/env bash
# Release builds of twinfs against its peers, side by side; writes docs/benchmarks.md. Options go to bench/run.py.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/build.sh
# A peer that cannot be had does not take part.
python3 scripts/install.py packages || [ $? -eq 3 ]
requirements=()
if [ -e bench/requirements.txt ]; then requirements=(bench/requirements.txt); fi
python3 scripts/install.py venv bench any "${requirements[@]}"
TWINFS_BIN="$(realpath "${CARGO_TARGET_DIR:-target}/release/twinfs")" exec .venv/bench/bin/python bench/run.py "$@"
