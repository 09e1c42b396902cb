#!/usr/bin/env bash
# Builds the Python package and runs the service of examples/service with it, on the documents there:
# what it delivers goes to OUT. usage: demo.sh [OUT]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target="${CARGO_TARGET_DIR:-target}"
out="${1:-$target/demo}"
if [ "$#" -eq 0 ]; then rm -rf "$out"; fi

echo "building the Python package; the first time that takes some minutes"
python3 scripts/install.py venv build any scripts/build-requirements.txt
.venv/build/bin/maturin build --locked --out "$target/wheels"
python3 scripts/install.py venv demo any examples/service/requirements.txt
.venv/demo/bin/python -m pip install --quiet --no-index --no-deps --force-reinstall \
  --find-links "$target/wheels" twinfs

list() { # FOLDER: sizes and names of its files
  (cd "$1" && find . -type f -printf '%8s  %P\n' | LC_ALL=C sort -k 2)
}

printf '\n== what goes in: examples/service/files\n'
list examples/service/files

printf '\n== what examples/service/service.py says\n'
PYTHONPATH=examples/service .venv/demo/bin/python -m twinfs.run service:run \
  --files examples/service/files --out "$out" --inputs '{"words": 5}'

printf '\n== what comes out: %s\n' "$out"
list "$out"
for name in orders.csv rejected.csv words.json; do
  printf '\n== %s\n' "$name"
  cat "$out/$name"
done

printf '\nall of it is in %s\nThe same service in Rust: cargo run -p twinfs-server --example service -- examples/service/files OUT\n' "$out"
