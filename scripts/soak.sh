#!/usr/bin/env bash
# The proofs at their full counts, which takes hours. Tests read TWINFS_SOAK=1 and count up;
# TWINFS_SEED repeats an earlier run. Options go to run_tests.py, as in: --only nextest
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export TWINFS_SOAK=1
export TWINFS_SEED="${TWINFS_SEED:-$(date +%s)}"
# The page tells of this run alone.
rm -rf "${CARGO_TARGET_DIR:-target}"/{soak-reports,nextest/soak}
status=0
scripts/test.sh --soak --kind test "$@" || status=$?
python3 scripts/soak_report.py docs/soak.md
exit "$status"
