# Sourced by the scripts that start and stop servers: how a server of this installation is started, marked and found again.
#
# A server's first word is a mark with this directory in it, so that a stop ends what was started from here and nothing else.
# kafka.Kafka and java stand in a broker's mark because other people's scripts look for them in the list of processes.
#
# LOG_DIR   where -daemon writes a server's output (default: logs/ beside scripts/)

set -eu
home=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
broker_mark="ottla -not-java -Dkafka.home=$home kafka.Kafka"
zookeeper_mark="java -Dkafka.home=$home org.apache.zookeeper.server.quorum.QuorumPeerMain"

# run NAME DAEMON COMMAND...: becomes the command, or with DAEMON=yes leaves it behind with its output in LOG_DIR/NAME.out.
run() {
  local name=$1 daemon=$2; shift 2
  [ "$daemon" = yes ] || exec "$@"
  local logs=${LOG_DIR:-$home/logs}
  mkdir -p "$logs"
  nohup "$@" >"$logs/$name.out" 2>&1 </dev/null &
}

# marked MARK: the ids of the processes with that first word.
marked() {
  local dir first
  for dir in /proc/[0-9]*; do
    IFS= read -r -d '' first 2>/dev/null <"$dir/cmdline" || continue
    [ "$first" != "$1" ] || echo "${dir#/proc/}"
  done
}
