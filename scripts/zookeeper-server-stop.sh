#!/usr/bin/env bash
# Asks the ZooKeepers that zookeeper-server-start.sh in this directory started to stop. SIGNAL: what they are sent (default TERM).
. "$(dirname "$(readlink -f "$0")")/servers.sh"

pids=$(marked "$zookeeper_mark")
if [ -z "$pids" ]; then echo "No zookeeper server to stop"; exit 1; fi
# shellcheck disable=SC2086
kill -s "${SIGNAL:-TERM}" $pids
