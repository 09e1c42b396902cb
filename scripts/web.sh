#!/usr/bin/env bash
# Builds the web page into web/dist, which the server embeds, where its sources are newer; --packages only
# installs what that needs. Exit status 3: this machine has no Node.js for it. The server is built without
# it, too: its page then lists and downloads, and does not upload.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../web"

is_new_enough='
  const [major, minor] = process.versions.node.split(".").map(Number);
  process.exit(major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19) ? 0 : 1)'
if ! command -v npm >/dev/null || ! node -e "$is_new_enough"; then
  echo "needs node 20.19, 22.12 or newer, with npm, to build the web page"
  exit 3
fi
# npm leaves this file behind when it is done.
if [ ! node_modules/.package-lock.json -nt package-lock.json ]; then
  npm ci --no-audit --no-fund
fi
if [ "${1:-}" = --packages ]; then
  echo "web/node_modules with node $(node --version)"
  exit
fi
if [ ! -e dist/main.js ] || [ -n "$(find src ./*.json vite.config.ts -newer dist/main.js -print -quit)" ]; then
  npm run build
fi
echo "built web/dist"
