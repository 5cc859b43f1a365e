#!/usr/bin/env bash
# Asks the brokers that were started from this directory to stop: kafka-server-stop.sh [--node-id=N] [--process-role=broker]
#
# SIGNAL   what they are sent (default TERM). The script does not wait for their end.
. "$(dirname "$(readlink -f "$0")")/servers.sh"

node=
for word in "$@"; do
  case $word in
    --node-id=*) node=${word#--node-id=} ;;
    --process-role=broker) ;; # a broker is all that there is
    --process-role=*) echo "No kafka server to stop"; exit 1 ;;
    *) echo "USAGE: $0 [--node-id=N] [--process-role=broker]" >&2; exit 1 ;;
  esac
done

# node_id PID: broker.id (or node.id) in the file that the broker was started with.
node_id() {
  local words=() word file
  while IFS= read -r -d '' word; do words+=("$word"); done <"/proc/$1/cmdline"
  file=${words[2]:-}
  case $file in /*) ;; *) file=$(readlink "/proc/$1/cwd")/$file ;; esac
  sed -n -E 's/^[[:space:]]*(broker|node)\.id[[:space:]]*[=:][[:space:]]*//p' "$file" | tail -n 1
}

stopped=no
for pid in $(marked "$broker_mark"); do
  if [ -z "$node" ] || [ "$(node_id "$pid")" = "$node" ]; then kill -s "${SIGNAL:-TERM}" "$pid" && stopped=yes; fi
done
if [ "$stopped" = no ]; then echo "No kafka server to stop"; exit 1; fi
