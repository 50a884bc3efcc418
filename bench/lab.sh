#!/usr/bin/env bash
# lab.sh [SECONDS]: entra-lab as it is released: start, memory, and tokens for each second of one core beside what RSA
# allows on that core. The lab runs on the first core, the load comes from the second. On a busy machine:
# chrt -f 1 bench/lab.sh
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cargo build -q --release --manifest-path "$here/../Cargo.toml" -p entra-lab
cargo build -q --release --manifest-path "$here/Cargo.toml" --bin lab
target=${CARGO_TARGET_DIR:-$here/target} program=${CARGO_TARGET_DIR:-$here/../target}/release/entra-lab
taskset -c 1 "$target/release/lab" "$program" "${1:-3}"
ls -l "$program" | awk '{printf "| the program | %.1f MiB |\n", $5 / 1048576}'
echo "OpenSSL on the first core, for comparison:"
taskset -c 0 openssl speed -seconds 3 rsa2048 2>/dev/null | tail -n 2
