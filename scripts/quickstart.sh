#!/usr/bin/env bash
# Ottla in two minutes: a ZooKeeper and one broker on this machine, a topic, a file produced into it and consumed again.
#
#   quickstart.sh          installs Debian's zookeeper and kcat where they are missing, builds Ottla, starts both servers on 127.0.0.1,
#                          and leaves them running; the exit code tells whether all of it worked
#   quickstart.sh --stop   stops them and removes their data
#
# Everything lies in quickstart/ beside scripts/. OTTLA_BIN: run this binary instead of a fresh build.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$repo/scripts/servers.sh"

dir=$repo/quickstart
lines=1000

# ours MARK FILE: the process with that mark which was started with that file.
ours() {
  local pid
  for pid in $(marked "$1"); do
    if tr '\0' '\n' <"/proc/$pid/cmdline" | grep -qxF "$2"; then echo "$pid"; fi
  done
}
broker_pid() { ours "$broker_mark" "$dir/server.properties"; }
zookeeper_pid() { ours "$zookeeper_mark" "$dir/zookeeper.properties"; }

# end PID WHAT: asks a server to stop, and waits for its end.
end() {
  say "stopping $2"
  kill "$1"
  for _ in $(seq 300); do kill -0 "$1" 2>/dev/null || return 0; sleep 0.1; done
  die "$2 (process $1) did not end within 30 s"
}

stop() {
  local pid
  pid=$(broker_pid); [ -z "$pid" ] || end "$pid" "the broker"
  pid=$(zookeeper_pid); [ -z "$pid" ] || end "$pid" ZooKeeper
  rm -rf "$dir"
}

# Whatever goes wrong: what the servers said last, and nothing is left running.
failed() {
  local status=$? log
  [ "$status" -ne 0 ] || return 0
  for log in "$dir"/logs/*.out; do
    if [ -e "$log" ]; then echo "--- end of $log"; tail -n 20 "$log"; fi
  done
  stop || true
  echo "quickstart failed" >&2
}

case ${1:-} in
  '') ;;
  --stop) stop; say "stopped, and removed $dir"; exit ;;
  *) sed -n '2,8s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 2 ;;
esac
[ -z "$(broker_pid)$(zookeeper_pid)" ] || die "the servers of an earlier run are still there: scripts/quickstart.sh --stop ends them"

# shellcheck disable=SC2046
need_packages zookeeper kcat $(compiler) $(java_runtime)
if [ -z "${OTTLA_BIN:-}" ]; then
  need_rust
  say "building ottla"
  (cd "$repo" && cargo build --release --bin ottla)
  export OTTLA_BIN=${CARGO_TARGET_DIR:-$repo/target}/release/ottla
fi

rm -rf "$dir"
mkdir -p "$dir"
trap failed EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
export LOG_DIR=$dir/logs
zookeeper=127.0.0.1:$(free_port 2181)
broker=127.0.0.1:$(free_port 9092)

say "starting ZooKeeper on $zookeeper"
cat >"$dir/zookeeper.properties" <<PROPERTIES
dataDir=$dir/zookeeper
clientPort=${zookeeper#*:}
clientPortAddress=${zookeeper%:*}
admin.enableServer=false
4lw.commands.whitelist=srvr
PROPERTIES
KAFKA_HEAP_OPTS=${KAFKA_HEAP_OPTS:--Xmx256M} "$repo/scripts/zookeeper-server-start.sh" -daemon "$dir/zookeeper.properties"
started() { [ -n "$("$1")" ]; }
await 10 $$ ZooKeeper started zookeeper_pid
await 60 "$(zookeeper_pid)" ZooKeeper "$repo/scripts/zookeeper.sh" ready "${zookeeper#*:}"

say "starting the broker on $broker"
cat >"$dir/server.properties" <<PROPERTIES
broker.id=0
zookeeper.connect=$zookeeper
listeners=PLAINTEXT://$broker
log.dirs=$dir/kafka-logs
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
PROPERTIES
"$repo/scripts/kafka-server-start.sh" -daemon "$dir/server.properties"
await 10 $$ "the broker" started broker_pid
await 60 "$(broker_pid)" "the broker" grep -q 'started (kafka.server.KafkaServer)' "$LOG_DIR/kafkaServer.out"

say "creating the topic quickstart"
"$repo/scripts/kafka-topics.sh" --bootstrap-server "$broker" --create --topic quickstart --partitions 1 --replication-factor 1
"$repo/scripts/kafka-topics.sh" --bootstrap-server "$broker" --describe --topic quickstart

say "producing a file of $lines lines"
for i in $(seq "$lines"); do echo "line $i of the quickstart, $(date +%s)"; done >"$dir/in.txt"
"$repo/scripts/kafka-console-producer.sh" --bootstrap-server "$broker" --topic quickstart --producer-property acks=all <"$dir/in.txt"

say "consuming it, with the console consumer and with kcat"
"$repo/scripts/kafka-console-consumer.sh" --bootstrap-server "$broker" --topic quickstart --from-beginning --max-messages "$lines" \
  --timeout-ms 60000 >"$dir/out.txt"
cmp "$dir/in.txt" "$dir/out.txt"
timeout 60 kcat -b "$broker" -C -t quickstart -p 0 -o beginning -e -q >"$dir/out-kcat.txt"
cmp "$dir/in.txt" "$dir/out-kcat.txt"
echo "$lines lines came back as they were sent, twice"

say "the broker in ZooKeeper: ls /brokers/ids, get /brokers/ids/0"
"$repo/scripts/zookeeper-shell.sh" "$zookeeper" ls /brokers/ids 2>/dev/null | tail -n 1 | tee "$dir/ids"
"$repo/scripts/zookeeper-shell.sh" "$zookeeper" get /brokers/ids/0 2>/dev/null | tail -n 1
grep -qx '\[0\]' "$dir/ids"

trap - EXIT
say "all of it worked, and runs on"
cat <<TEXT
  broker      $broker   configuration $dir/server.properties, records $dir/kafka-logs
  ZooKeeper   $zookeeper   configuration $dir/zookeeper.properties
  log files   $LOG_DIR
Go on, for instance:
  scripts/kafka-console-producer.sh --bootstrap-server $broker --topic quickstart
  scripts/kafka-console-consumer.sh --bootstrap-server $broker --topic quickstart --group mine
  scripts/kafka-configs.sh --bootstrap-server $broker --entity-type topics --entity-name quickstart --describe
  scripts/zookeeper-shell.sh $zookeeper get /controller
Stop both, and remove what they wrote:
  scripts/quickstart.sh --stop
TEXT
