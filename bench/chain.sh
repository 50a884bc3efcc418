#!/usr/bin/env bash
# chain.sh SCRATCH [SECONDS] [PEERS_UP_TO]: web-api-obo as it is released, beside the same API written by hand with actix-web
# and reqwest, with Express + jose + msal-node and with Flask + PyJWT + MSAL Python, in one run: CPU time of a request, requests a
# second, p99, for 1 to 10,000 users; time until ready; idle memory. Each program has the first core for itself; Entra, Graph
# and the load are on the second, and everything on loopback. A turn takes SECONDS (2); the peers take part up to
# PEERS_UP_TO users (1000; 0 leaves them out), because what each user costs them grows. Their packages are installed in the
# folder SCRATCH, with pip and npm, and stay there for the next run. Some six minutes; without the peers, three.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "${1:?usage: chain.sh SCRATCH [SECONDS] [PEERS_UP_TO]}"
scratch=$(cd "$1" && pwd) seconds=${2:-2} up_to=${3:-1000}

cargo build -q --release --manifest-path "$here/../Cargo.toml" -p web-api-obo
cargo build -q --release --manifest-path "$here/Cargo.toml" --bin chain
chain=${CARGO_TARGET_DIR:-$here/target}/release/chain api=${CARGO_TARGET_DIR:-$here/../target}/release/web-api-obo
programs=(web-api-obo 10000 "$api" "by hand: actix-web + reqwest" 10000 "$chain bare")
if [ "$up_to" -gt 0 ] && command -v npm >/dev/null; then
  cp "$here/peers/express.mjs" "$scratch/"
  (cd "$scratch" && npm install --silent --no-fund --no-audit express@5 jose@6 "@azure/msal-node@7.2.1")
  programs+=("Express + jose + msal-node" "$up_to" "node $scratch/express.mjs")
fi
if [ "$up_to" -gt 0 ] && command -v python3 >/dev/null; then
  [ -x "$scratch/venv/bin/python" ] || python3 -m venv "$scratch/venv"
  "$scratch/venv/bin/pip" install -q --disable-pip-version-check "msal==1.39.0" flask gunicorn "pyjwt[crypto]" requests
  gunicorn="$scratch/venv/bin/gunicorn --chdir $here/peers -b \$LISTEN_ADDR -w 1 --threads 8 --log-level error"
  programs+=("Flask + PyJWT + MSAL Python" "$up_to" "$gunicorn flask_api:app")
fi
taskset -c 1 "$chain" measure "$seconds" "${programs[@]}"
