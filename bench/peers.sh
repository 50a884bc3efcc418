#!/usr/bin/env bash
# peers.sh SCRATCH [SIZES]: cached acquisitions of MSAL Python, msal-node and ours, from the same cache document, in one
# run, and the import of a document with five users, and of one with five access tokens of one user (theirs without filing
# it); the table says how many times our time each of them needs. The packages are installed in the folder SCRATCH, with pip
# and npm, and stay there for the next run.
# SIZES: "1 1000" by default; msal-node needs minutes for 100000.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "${1:?usage: peers.sh SCRATCH [SIZES]}"
scratch=$(cd "$1" && pwd)
sizes=${2:-1 1000}

[ -x "$scratch/venv/bin/python" ] || python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" install -q --disable-pip-version-check "msal==1.39.0"
cp "$here/peers/msal_node.mjs" "$scratch/"
(cd "$scratch" && npm install --silent --no-fund --no-audit "@azure/msal-node@7.2.1")
cargo build -q --release --manifest-path "$here/Cargo.toml" --bin hits
hits=${CARGO_TARGET_DIR:-$here/target}/release/hits

measure() { # CASE SIZE [CALLS]
  "$hits" document "$1" "$2" > "$scratch/cache.json"
  "$hits" "$@"
  "$scratch/venv/bin/python" "$here/peers/msal_python.py" "$1" "$2" "$scratch/cache.json"
  (cd "$scratch" && node msal_node.mjs "$1" "$2" "$scratch/cache.json")
}

{
  for case in app silent; do
    for size in $sizes; do measure "$case" "$size"; done
  done
  measure import 5 50000
  measure import-of-one 5 50000
} | tee "$scratch/figures.json" | python3 "$here/peers/table.py"
