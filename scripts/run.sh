#!/usr/bin/env bash
# Builds twinfs as users get it and starts a server. TWINFS_DATA and TWINFS_LISTEN say where;
# anything more is passed on to `twinfs serve`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/web.sh || echo "going on without: the page will list and download, but not upload" >&2
cargo build --release --locked -p twinfs-cli --bin twinfs
# --init makes the secret and the first user where the data folder has none, and prints the login once.
exec "${CARGO_TARGET_DIR:-target}/release/twinfs" serve --init \
  --data "${TWINFS_DATA:-./twinfs-data}" \
  --listen "${TWINFS_LISTEN:-127.0.0.1:8370}" \
  "$@"
