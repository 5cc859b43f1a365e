#!/usr/bin/env bash
# Debian's ZooKeeper, run by hand: the service that its package would start (zookeeperd) is neither needed nor touched.
#
#   zookeeper.sh serve PORT DIR        a server on 127.0.0.1:PORT with its data in DIR, in the foreground
#   zookeeper.sh serve PORT DIR ID [HOST:]PEER:ELECTION..
#                                      the same as server ID of an ensemble: both inner ports of server 1, of server 2 and so on
#   zookeeper.sh ready PORT            succeeds once the server on that port serves
#   zookeeper.sh cli CONNECT COMMAND.. one command of zkCli, for instance: cli 127.0.0.1:2181 ls /brokers/ids
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

jars=/usr/share/java
[ -e "$jars/zookeeper.jar" ] || die "Debian's package zookeeper is missing: run scripts/test.sh or scripts/quickstart.sh, they install it"

# zookeeper.jar names the other jars it needs in its manifest, all but a logger.
java_run() { # HEAP FLAGS... CLASS ARGS...
  local heap=$1; shift
  exec java "-Xmx$heap" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
    -cp "$jars/zookeeper.jar:$jars/slf4j-simple.jar" "$@"
}

# fsync is off: these servers live as long as one test run, and the machine does not lose power inside it.
serve() { # PORT DIR [ID [HOST:]PEER:ELECTION..]
  local dir=$2 id=${3:-} number=0 host=127.0.0.1 peer
  mkdir -p "$dir/data"
  printf '%s\n' tickTime=500 "dataDir=$dir/data" "clientPort=$1" admin.enableServer=false maxClientCnxns=0 \
    4lw.commands.whitelist=srvr minSessionTimeout=1000 maxSessionTimeout=60000 > "$dir/zoo.cfg"
  if [ -n "$id" ]; then
    shift 3
    echo "$id" > "$dir/data/myid"
    printf '%s\n' initLimit=40 syncLimit=10 >> "$dir/zoo.cfg"
    for peer; do
      number=$((number + 1))
      case $peer in *:*:*) ;; *) peer=127.0.0.1:$peer ;; esac
      echo "server.$number=$peer" >> "$dir/zoo.cfg"
      [ "$number" != "$id" ] || host=${peer%%:*}
    done
  fi
  echo "clientPortAddress=$host" >> "$dir/zoo.cfg"
  java_run 256m -Dzookeeper.forceSync=no org.apache.zookeeper.server.quorum.QuorumPeerMain "$dir/zoo.cfg"
}

ready() { # PORT
  exec 3<>"/dev/tcp/127.0.0.1/$1" && printf srvr >&3 && timeout 2 grep -q '^Mode: ' <&3
}

case ${1:-} in
  serve) [ $# -ge 3 ] || die "serve needs a port and a directory"; shift; serve "$@" ;;
  ready) ready "$2" 2>/dev/null ;;
  cli) [ $# -ge 3 ] || die "cli needs a connect string and a command"; connect=$2; shift 2
    java_run 128m org.apache.zookeeper.ZooKeeperMain -server "$connect" "$@" ;;
  *) sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 2 ;;
esac
