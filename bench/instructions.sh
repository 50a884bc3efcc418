#!/usr/bin/env bash
# instructions.sh [SIZES]: how many instructions a hit takes, by the number of entries beside it, counted by callgrind:
# free of noise. Only what happens between the first call and the last is counted; filling the cache is not.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
calls=2000
cargo build -q --release --manifest-path "$here/Cargo.toml" --bin hits
hits=${CARGO_TARGET_DIR:-$here/target}/release/hits
printf '%-8s%10s%14s%12s\n' case entries instructions 'to the first'
for case in app silent obo; do
  first=
  for size in ${1:-1 1000 100000}; do
    [ "$case $size" = "obo 100000" ] && size=10000 # Filled over HTTP, which takes hours under callgrind.
    count=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect='*measured_calls*' \
      "$hits" "$case" "$size" "$calls" 2>&1 >/dev/null | awk '/Collected/ {print $NF}')
    each=$((count / calls))
    first=${first:-$each}
    printf '%-8s%10s%14s%12s\n' "$case" "$size" "$each" "$(awk "BEGIN {printf \"%.3f\", $each / $first}")"
  done
done
