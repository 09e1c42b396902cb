#!/usr/bin/env bash
# The release build: target/release/twinfs, and one Python wheel (for 3.11 and newer) in dist/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Without Node.js (3) the page is built without the part that uploads.
scripts/web.sh || [ $? -eq 3 ]
cargo build --release --locked -p twinfs-cli --bin twinfs
echo "built ${CARGO_TARGET_DIR:-target}/release/twinfs"

if [ -e crates/twinfs-py/Cargo.toml ]; then
  python3 scripts/install.py venv build any scripts/build-requirements.txt
  rm -rf dist
  .venv/build/bin/maturin build --release --locked --out dist
  echo "built $(echo dist/*.whl)"
fi
