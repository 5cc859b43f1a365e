#!/usr/bin/env bash
# ZooKeeper's own command line (Debian's): zookeeper-shell.sh host:port[/path] [-zk-tls-config-file file] [command args...]
set -eu
if [ $# -lt 1 ]; then echo "USAGE: $0 zookeeper_host:port[/path] [-zk-tls-config-file file] [args...]"; exit 1; fi
jars=/usr/share/java
[ -e "$jars/zookeeper.jar" ] || { echo "$0: Debian's package zookeeper is missing: apt-get install zookeeper" >&2; exit 1; }
if [ "$1" = -server ]; then shift; fi
connect=$1; shift
tls=()
if [ "${1:-}" = -zk-tls-config-file ]; then
  [ $# -ge 2 ] || { echo "$0: -zk-tls-config-file needs a file" >&2; exit 1; }
  tls=(-client-configuration "$2"); shift 2
fi
# Not said: that a connection ends when the shell does, which ZooKeeper calls a warning and an error.
exec java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
  -Dorg.slf4j.simpleLogger.log.org.apache.zookeeper.ClientCnxn=error \
  -Dorg.slf4j.simpleLogger.log.org.apache.zookeeper.util.ServiceUtils=off -cp "$jars/zookeeper.jar:$jars/slf4j-simple.jar" \
  org.apache.zookeeper.ZooKeeperMain "${tls[@]}" -server "$connect" "$@"
