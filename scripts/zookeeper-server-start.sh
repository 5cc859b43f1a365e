#!/usr/bin/env bash
# Starts Debian's ZooKeeper: zookeeper-server-start.sh [-daemon] zookeeper.properties
#
# -daemon leaves it behind, with its output in LOG_DIR/zookeeper.out. KAFKA_HEAP_OPTS are the Java machine's (default 512 MB).
. "$(dirname "$(readlink -f "$0")")/servers.sh"

usage="USAGE: $0 [-daemon] zookeeper.properties"
if [ $# -lt 1 ]; then echo "$usage"; exit 1; fi
daemon=no
if [ "$1" = -daemon ]; then daemon=yes; shift; fi
if [ $# -lt 1 ]; then echo "$usage"; exit 1; fi
jars=/usr/share/java
[ -e "$jars/zookeeper.jar" ] || { echo "$0: Debian's package zookeeper is missing: apt-get install zookeeper" >&2; exit 1; }
java=$(command -v java) || { echo "$0: needs a Java: apt-get install default-jre-headless" >&2; exit 1; }
# shellcheck disable=SC2086
run zookeeper "$daemon" bash -c 'exec -a "$1" "${@:2}"' bash "$zookeeper_mark" "$java" ${KAFKA_HEAP_OPTS:--Xmx512M -Xms512M} \
  -Dorg.slf4j.simpleLogger.showDateTime=true -cp "$jars/zookeeper.jar:$jars/slf4j-simple.jar" \
  org.apache.zookeeper.server.quorum.QuorumPeerMain "$@"
