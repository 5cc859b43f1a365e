#!/usr/bin/env bash
# Starts a broker: kafka-server-start.sh [-daemon] server.properties [--override property=value]*
#
# Log files go to LOG_DIR (default: logs/ beside scripts/). -daemon leaves the broker behind, with its output in LOG_DIR/kafkaServer.out;
# kafka-server-stop.sh ends it.
. "$(dirname "$(readlink -f "$0")")/servers.sh"

usage="USAGE: $0 [-daemon] server.properties [--override property=value]*"
if [ $# -lt 1 ]; then echo "$usage"; exit 1; fi
daemon=no
if [ "$1" = -daemon ]; then daemon=yes; shift; fi
for word in "$@"; do
  case $word in
    --help) echo "$usage" >&2; exit 1 ;;
    --version) echo 3.9.2; exit 0 ;;
  esac
done
if [ $# -lt 1 ]; then echo "$usage"; exit 1; fi

# Checked here: whatever else stands there is an error of the same kind as in Kafka.
file=$1; shift
overrides=()
while [ $# -gt 0 ]; do
  case $1 in
    --override) [ $# -ge 2 ] || { echo "Option override requires an argument" >&2; exit 1; }
      overrides+=(--override "$2"); shift 2 ;;
    --override=*) overrides+=(--override "${1#--override=}"); shift ;;
    *) echo "Found non argument parameters: $*" >&2; exit 1 ;;
  esac
done

# The broker's log files go there too.
export LOG_DIR=${LOG_DIR:-$home/logs}
# exec -a gives the process its mark; ottla.sh would take it away again.
binary=
built=${CARGO_TARGET_DIR:-$home/target}
for candidate in "${OTTLA_BIN:-}" "$built/release/ottla" "$built/debug/ottla" "$(command -v ottla || true)"; do
  if [ -n "$candidate" ] && [ -x "$candidate" ]; then binary=$candidate; break; fi
done
[ -n "$binary" ] || { echo "$0: no ottla binary: set OTTLA_BIN, or run cargo build --release in $home" >&2; exit 1; }
run kafkaServer "$daemon" bash -c 'exec -a "$1" "${@:2}"' bash "$broker_mark" "$binary" broker "$file" "${overrides[@]}"
