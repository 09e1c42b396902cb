#!/usr/bin/env bash
# Installs what the checks and tests need, runs them all, sums up. Options: scripts/test.sh --help
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if ! command -v cargo >/dev/null; then
  echo "cargo is missing: twinfs needs Rust (see rust-version in Cargo.toml)" >&2
  exit 1
fi
if ! command -v python3 >/dev/null; then
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "python3 is missing: the tests are run by it. On Debian: sudo apt-get install python3 python3-venv" >&2
    exit 1
  fi
  apt-get -qq update
  DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends python3 python3-venv
fi
if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  echo "python3 is $(python3 -V): the tests are run by Python 3.11 or newer" >&2
  exit 1
fi
exec python3 scripts/run_tests.py "$@"
