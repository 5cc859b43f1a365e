#!/bin/sh
# Runs the ottla binary: ottla.sh COMMAND ARGS... All of Kafka's scripts beside this one come through here.
#
# OTTLA_BIN          the binary; without it, that of this repository (release before debug), then the one on the path
# CARGO_TARGET_DIR   where this repository was built, if not in its target/
#
# A script may be called through a link or from any directory: what belongs together is found from where this file really lies.
set -eu
home=$(dirname -- "$(dirname -- "$(readlink -f -- "$0")")")
built=${CARGO_TARGET_DIR:-$home/target}
for binary in "${OTTLA_BIN:-}" "$built/release/ottla" "$built/debug/ottla" "$(command -v ottla || true)"; do
  if [ -n "$binary" ] && [ -x "$binary" ]; then exec "$binary" "$@"; fi
done
echo "ottla.sh: no ottla binary: set OTTLA_BIN, or run cargo build --release in $home" >&2
exit 1
