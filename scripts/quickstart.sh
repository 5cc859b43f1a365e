#!/usr/bin/env bash
# Ottla in some minutes: a cluster on this machine that loses its controller and then a leader while records are produced, and no record.
#
#   quickstart.sh            three ZooKeepers and three brokers on 127.0.0.1; a producer that waits for all replicas runs while the
#                            controller and then a leader are killed (kill -9): shows what moved, and that each record is there
#   quickstart.sh --single   one ZooKeeper and one broker; a file is produced and consumed again
#   quickstart.sh --stop     stops all of them and removes their data
#
# Installs Debian's zookeeper and kcat where they are missing, builds Ottla, and leaves the servers running; the exit code tells whether
# all of it worked. Everything lies in quickstart/ beside scripts/.
#
# OTTLA_BIN     run this binary instead of a fresh build
# OTTLA_PORTS   where to look for free ports; without it from 9092 for brokers, 2181 for ZooKeeper, and 2888 for ZooKeepers among themselves
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$repo/scripts/servers.sh"

dir=$repo/quickstart
logs=$dir/logs
topic=quickstart
producer=
broker_port=${OTTLA_PORTS:-9092}
zookeeper_port=$((${OTTLA_PORTS:-2171} + 10))
inner_port=$((${OTTLA_PORTS:-2868} + 20))

# ours MARK FILE: the process with that mark which was started with that file.
ours() {
  local pid
  for pid in $(marked "$1"); do
    if tr '\0' '\n' <"/proc/$pid/cmdline" | grep -qxF "$2"; then echo "$pid"; fi
  done
}
broker_pid() { ours "$broker_mark" "$dir/broker-$1.properties"; }
zookeeper_pid() { ours "$zookeeper_mark" "$dir/zookeeper-$1.properties"; }
started() { [ -n "$("$@")" ]; }

# each COMMAND: runs it with the number of each server there is a file of; the list is that of WHAT-N.properties.
each() { # WHAT COMMAND
  local file number
  for file in "$dir/$1"-*.properties; do
    [ -e "$file" ] || continue
    number=${file##*-}
    "$2" "${number%.properties}"
  done
}
running() { each broker broker_pid; each zookeeper zookeeper_pid; }

# end WHAT PIDS: asks servers to stop, all at once, and waits for their end.
end() {
  local what=$1 pid pids=${*:2}
  [ -n "$pids" ] || return 0
  say "stopping $what"
  # shellcheck disable=SC2086
  kill $pids 2>/dev/null || true
  for pid in $pids; do
    for _ in $(seq 300); do kill -0 "$pid" 2>/dev/null || continue 2; sleep 0.1; done
    die "process $pid did not end within 30 s"
  done
}

stop() {
  # shellcheck disable=SC2046
  end "the brokers" $(each broker broker_pid)
  # shellcheck disable=SC2046
  end ZooKeeper $(each zookeeper zookeeper_pid)
  rm -rf "$dir"
}

# Whatever goes wrong: what the servers said last, and nothing is left running.
failed() {
  local status=$? log
  [ "$status" -ne 0 ] || return 0
  [ -z "$producer" ] || kill -9 "$producer" 2>/dev/null || true
  for log in "$logs"/*/*.out; do
    if [ -e "$log" ]; then echo "--- end of $log"; tail -n 20 "$log"; fi
  done
  stop || true
  echo "quickstart failed" >&2
}

# until_true SECONDS WHAT COMMAND...: waits for a state of the cluster.
until_true() {
  local ends=$((SECONDS + $1)) what=$2; shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt "$ends" ] || die "in vain waited for $what"
    sleep 0.2
  done
}

tool() { "$repo/scripts/$1" --bootstrap-server "$bootstrap" "${@:2}"; }
zookeeper_says() { "$repo/scripts/zookeeper-shell.sh" "$zookeepers" "$@" 2>/dev/null | tail -n 1; }

# start_zookeeper N PORT [LINES]: server N with more lines in its configuration.
start_zookeeper() {
  mkdir -p "$dir/zookeeper-$1"
  echo "$1" >"$dir/zookeeper-$1/myid"
  cat >"$dir/zookeeper-$1.properties" <<PROPERTIES
dataDir=$dir/zookeeper-$1
clientPort=$2
clientPortAddress=127.0.0.1
admin.enableServer=false
4lw.commands.whitelist=srvr
${3:-}
PROPERTIES
  LOG_DIR=$logs/zookeeper-$1 KAFKA_HEAP_OPTS=${KAFKA_HEAP_OPTS:--Xmx256M} \
    "$repo/scripts/zookeeper-server-start.sh" -daemon "$dir/zookeeper-$1.properties"
  await 10 $$ "ZooKeeper $1" started zookeeper_pid "$1"
}

# configure_broker N PORT REPLICAS [LINES]: broker N, whose internal topics have so many replicas.
configure_broker() {
  cat >"$dir/broker-$1.properties" <<PROPERTIES
broker.id=$1
zookeeper.connect=$zookeepers
listeners=PLAINTEXT://127.0.0.1:$2
log.dirs=$dir/broker-$1
offsets.topic.replication.factor=$3
transaction.state.log.replication.factor=$3
transaction.state.log.min.isr=$((($3 + 1) / 2))
group.initial.rebalance.delay.ms=0
${4:-}
PROPERTIES
}

start_broker() {
  LOG_DIR=$logs/broker-$1 "$repo/scripts/kafka-server-start.sh" -daemon "$dir/broker-$1.properties"
  await 10 $$ "broker $1" started broker_pid "$1"
  await 60 "$(broker_pid "$1")" "broker $1" grep -q 'started (kafka.server.KafkaServer)' "$logs/broker-$1/kafkaServer.out"
}

single() {
  local lines=1000 zookeeper=127.0.0.1:$(free_port $zookeeper_port) i
  bootstrap=127.0.0.1:$(free_port $broker_port)
  zookeepers=$zookeeper
  say "starting ZooKeeper on $zookeeper"
  start_zookeeper 1 "${zookeeper#*:}"
  await 60 "$(zookeeper_pid 1)" ZooKeeper "$repo/scripts/zookeeper.sh" ready "${zookeeper#*:}"
  say "starting the broker on $bootstrap"
  configure_broker 0 "${bootstrap#*:}" 1
  start_broker 0

  say "creating the topic $topic"
  tool kafka-topics.sh --create --topic $topic --partitions 1 --replication-factor 1
  tool kafka-topics.sh --describe --topic $topic

  say "producing a file of $lines lines"
  for i in $(seq "$lines"); do echo "line $i of the quickstart, $(date +%s)"; done >"$dir/in.txt"
  tool kafka-console-producer.sh --topic $topic --producer-property acks=all <"$dir/in.txt"

  say "consuming it, with the console consumer and with kcat"
  tool kafka-console-consumer.sh --topic $topic --from-beginning --max-messages "$lines" --timeout-ms 60000 >"$dir/out.txt"
  cmp "$dir/in.txt" "$dir/out.txt"
  timeout 60 kcat -b "$bootstrap" -C -t $topic -p 0 -o beginning -e -q >"$dir/out-kcat.txt"
  cmp "$dir/in.txt" "$dir/out-kcat.txt"
  echo "$lines lines came back as they were sent, twice"

  say "the broker in ZooKeeper: ls /brokers/ids, get /brokers/ids/0"
  zookeeper_says ls /brokers/ids | tee "$dir/ids"
  zookeeper_says get /brokers/ids/0
  grep -qx '\[0\]' "$dir/ids"
}

# The cluster.

acknowledged() { grep -c '"name":"producer_send_success"' "$dir/producer.out" || true; }
# More than so many records are acknowledged.
acknowledged_above() { [ "$(acknowledged)" -gt "$1" ]; }

controller() { zookeeper_says get /controller | sed -n 's/.*"brokerid":\([0-9]*\).*/\1/p'; }
controller_is_another_than() { local now; now=$(controller); [ -n "$now" ] && [ "$now" != "$1" ]; }
registered() { [ "$(zookeeper_says ls /brokers/ids)" = "$1" ]; }

# The partitions' lines: partition, leader, preferred leader, in-sync replicas.
partitions() {
  tool kafka-topics.sh --describe --topic $topic |
    sed -n 's/.*Partition: \([0-9]*\).*Leader: \([0-9none]*\).*Replicas: \([0-9]*\),.*Isr: \([0-9,]*\).*/\1 \2 \3 \4/p'
}
leads_nothing() { ! partitions | cut -d' ' -f2 | grep -qx "$1"; }
all_in_sync() { [ -z "$(tool kafka-topics.sh --describe --topic $topic --under-replicated-partitions)" ]; }
all_led_by_preferred() { partitions | awk '$2 != $3 { exit 1 }'; }

# show PARTITION: the topic, the brokers, the controller, and that partition's state in ZooKeeper.
show() {
  tool kafka-topics.sh --describe --topic $topic | tail -n +2
  echo "brokers in ZooKeeper: $(zookeeper_says ls /brokers/ids), controller: $(zookeeper_says get /controller)"
  echo "state of partition $1 in ZooKeeper: $(zookeeper_says get "/brokers/topics/$topic/partitions/$1/state")"
}

# lose N WHAT OTHERS: kills broker N, shows what moved to the others, and takes it back. Partition N is the one that it should lead.
lose() {
  local before; before=$(acknowledged)
  say "killing broker $1, $2 (kill -9), with $before records acknowledged"
  kill -9 "$(broker_pid "$1")"
  [ "$2" != "the controller" ] || until_true 60 "another controller" controller_is_another_than "$1"
  until_true 60 "other leaders" leads_nothing "$1"
  until_true 60 "more acknowledged records" acknowledged_above $((before + 200))
  until_true 60 "the end of broker $1's session" registered "$3"
  show "$1"
  say "starting broker $1 again"
  start_broker "$1"
  until_true 60 "all replicas in sync" all_in_sync
  until_true 60 "the preferred leaders" all_led_by_preferred
  echo "all replicas are in sync, and the preferred leaders lead again:"
  show "$1"
}

cluster() {
  local n port=$((zookeeper_port - 1)) inner=$((inner_port - 1)) quorum='' clients=() leader count
  for n in 1 2 3; do
    port=$(free_port $((port + 1)))
    clients+=("$port")
    inner=$(free_port $((inner + 1)))
    quorum+="server.$n=127.0.0.1:$inner"
    inner=$(free_port $((inner + 1)))
    quorum+=":$inner"$'\n'
  done
  zookeepers=127.0.0.1:${clients[0]},127.0.0.1:${clients[1]},127.0.0.1:${clients[2]}
  say "starting three ZooKeepers: $zookeepers"
  for n in 1 2 3; do start_zookeeper $n "${clients[n - 1]}" "tickTime=1000"$'\n'"initLimit=30"$'\n'"syncLimit=10"$'\n'"$quorum"; done
  for n in 1 2 3; do
    await 60 "$(zookeeper_pid $n)" "ZooKeeper $n" "$repo/scripts/zookeeper.sh" ready "${clients[n - 1]}"
  done

  port=$((broker_port - 1)) bootstrap=
  for n in 0 1 2; do
    port=$(free_port $((port + 1)))
    bootstrap+=${bootstrap:+,}127.0.0.1:$port
    # Short times, for somebody who looks on: a session of 6 s, and leaders balanced each 3 s.
    configure_broker $n "$port" 3 "zookeeper.session.timeout.ms=6000
leader.imbalance.check.interval.seconds=3
controlled.shutdown.retry.backoff.ms=500"
  done
  say "starting three brokers: $bootstrap"
  for n in 0 1 2; do start_broker $n; done

  say "creating the topic $topic: three partitions, three replicas each, two of which have to be in sync"
  tool kafka-topics.sh --create --topic $topic --replica-assignment 0:1:2,1:2:0,2:0:1 --config min.insync.replicas=2
  until_true 60 "all replicas in sync" all_in_sync
  show 0

  say "starting a producer that waits for all replicas"
  "$repo/scripts/kafka-verifiable-producer.sh" --bootstrap-server "$bootstrap" --topic $topic --throughput 200 --acks -1 \
    >"$dir/producer.out" 2>"$dir/producer.err" &
  producer=$!
  until_true 60 "acknowledged records" acknowledged_above 200

  n=$(controller)
  lose "$n" "the controller" "$(others "$n")"
  # The broker that has neither been lost nor is the controller now.
  leader=$(printf '%s\n' 0 1 2 | grep -vx -e "$n" -e "$(controller)")
  lose "$leader" "a leader" "$(others "$leader")"

  say "stopping the producer, and consuming all there is"
  kill "$producer"
  wait "$producer" || true
  producer=
  count=$(tool kafka-get-offsets.sh --topic $topic | awk -F: '{ count += $3 } END { print count }')
  tool kafka-console-consumer.sh --topic $topic --from-beginning --max-messages "$count" --timeout-ms 60000 >"$dir/consumed.txt"
  sed -n '/"name":"producer_send_success"/s/.*"value":"\([0-9]*\)".*/\1/p' "$dir/producer.out" | sort -u >"$dir/acknowledged.txt"
  sort -u "$dir/consumed.txt" >"$dir/there.txt"
  comm -23 "$dir/acknowledged.txt" "$dir/there.txt" >"$dir/lost.txt"
  count=$(wc -l <"$dir/acknowledged.txt")
  [ ! -s "$dir/lost.txt" ] || die "of $count acknowledged records these are lost: $(tr '\n' ' ' <"$dir/lost.txt")"
  [ "$count" -gt 600 ] || die "only $count records were acknowledged"
  echo "each of the $count acknowledged records is there"
}

# The list that ZooKeeper shows without this broker.
others() { printf '[%s]' "$(printf '%s\n' 0 1 2 | grep -vx "$1" | paste -sd, | sed 's/,/, /g')"; }

mode=cluster
case ${1:-} in
  '') ;;
  --single) mode=single ;;
  --stop) stop; say "stopped, and removed $dir"; exit ;;
  *) sed -n '2,14s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 2 ;;
esac
[ -z "$(running)" ] || die "the servers of an earlier run are still there: scripts/quickstart.sh --stop ends them"

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
$mode
trap - EXIT

say "all of it worked, and runs on"
cat <<TEXT
  brokers       $bootstrap   configuration $dir/broker-N.properties, records $dir/broker-N
  ZooKeeper     $zookeepers   configuration $dir/zookeeper-N.properties
  log files     $logs
Go on, for instance:
  scripts/kafka-console-producer.sh --bootstrap-server $bootstrap --topic $topic
  scripts/kafka-console-consumer.sh --bootstrap-server $bootstrap --topic $topic --group mine
  scripts/kafka-topics.sh --bootstrap-server $bootstrap --describe --topic $topic
  scripts/zookeeper-shell.sh $zookeepers get /controller
Stop all of it, and remove what was written:
  scripts/quickstart.sh --stop
TEXT
