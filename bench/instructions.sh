#!/usr/bin/env bash
# instructions.sh [SIZES]: how many instructions a hit takes, by the number of entries beside it, counted by callgrind:
# free of noise. Only what happens between the first call and the last is counted (`measured_calls` in hits.rs); filling
# the cache is not. Where twice as many calls are not twice as many instructions, the counter did not see the calls, and
# there is no figure.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
calls=2000
# The counter finds the function by its name: a profile with `strip` would leave it out.
cargo build -q --release --manifest-path "$here/Cargo.toml" --bin hits
hits=${CARGO_TARGET_DIR:-$here/target}/release/hits

count() { # CASE SIZE CALLS
  valgrind --tool=callgrind --callgrind-out-file=/dev/null --toggle-collect='*measured_calls*' "$hits" "$@" 2>&1 >/dev/null |
    awk '/Collected/ {print $NF}'
}

once=$(count app 1 "$calls") twice=$(count app 1 $((2 * calls)))
if ((once < 50 * calls || twice < 19 * once / 10 || twice > 21 * once / 10)); then
  echo "callgrind counted $once instructions of $calls calls and $twice of twice as many: it did not see measured_calls" >&2
  exit 1
fi
printf '%-8s%10s%14s%12s\n' case entries instructions 'to the first'
for case in app silent obo; do
  first=
  for size in ${1:-1 1000 100000}; do
    [ "$case $size" = "obo 100000" ] && size=10000 # Filled over HTTP, which takes hours under callgrind.
    each=$(($(count "$case" "$size" "$calls") / calls))
    first=${first:-$each}
    printf '%-8s%10s%14s%12s\n' "$case" "$size" "$each" "$(awk "BEGIN {printf \"%.3f\", $each / $first}")"
  done
done
