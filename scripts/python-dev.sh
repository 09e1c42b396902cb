#!/usr/bin/env bash
# Builds the compiled half of the Python package, with the profile and in the folder of the tests, and
# puts it beside the other half: PYTHONPATH=python then finds the package as it stands.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

cargo build --locked -p twinfs-py "$@"
profile=debug
for word in "$@"; do [ "$word" = --release ] && profile=release; done
# A program that has the old one loaded keeps it: the new one comes by a rename.
cp "${CARGO_TARGET_DIR:-target}/$profile/lib_twinfs.so" python/twinfs/.new.so
mv python/twinfs/.new.so python/twinfs/_twinfs.abi3.so
echo "built python/twinfs/_twinfs.abi3.so ($profile)"
