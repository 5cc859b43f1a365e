#!/usr/bin/env bash
# Ottla in two minutes: a ZooKeeper and one broker on this machine, a topic, a file produced into it and consumed again.
#
# Installs Debian's zookeeper and kcat where they are missing, and builds the release binary. Everything runs on 127.0.0.1 and in a
# temporary directory, and is stopped and removed at the end. The exit code tells whether all of it worked.
#
# OTTLA_BROKER   run this program instead of a fresh build: it is called as PROGRAM broker server.properties
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# shellcheck disable=SC2046
need_packages zookeeper kcat $(compiler) $(java_runtime)
broker=${OTTLA_BROKER:-}
if [ -z "$broker" ]; then
  need_rust
  say "building ottla"
  (cd "$repo" && cargo build --release --bin ottla)
  broker=${CARGO_TARGET_DIR:-$repo/target}/release/ottla
fi

dir=$(mktemp -d)
pids=()
# Ends only what was started here: the newest first, so that the broker can still sign off in ZooKeeper.
cleanup() {
  local status=$? i
  for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
    kill "${pids[i]}" 2>/dev/null && wait "${pids[i]}" 2>/dev/null || true
  done
  if [ "$status" -ne 0 ]; then
    for log in "$dir"/*.log; do echo "--- end of $(basename "$log")"; tail -n 20 "$log"; done
    echo "quickstart failed" >&2
  fi
  rm -rf "$dir"
  exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

zk_port=$(free_port 2181)
port=$(free_port 9092)

say "starting ZooKeeper on 127.0.0.1:$zk_port"
"$repo/scripts/zookeeper.sh" serve "$zk_port" "$dir/zookeeper" >"$dir/zookeeper.log" 2>&1 & pids+=($!)
await 60 $! ZooKeeper "$repo/scripts/zookeeper.sh" ready "$zk_port"

say "starting the broker on 127.0.0.1:$port"
cat >"$dir/server.properties" <<PROPERTIES
broker.id=0
zookeeper.connect=127.0.0.1:$zk_port
listeners=PLAINTEXT://127.0.0.1:$port
log.dirs=$dir/kafka-logs
offsets.topic.replication.factor=1
PROPERTIES
"$broker" broker "$dir/server.properties" >"$dir/broker.log" 2>&1 & pids+=($!)
await 60 $! "the broker" grep -q 'started (kafka.server.KafkaServer)' "$dir/broker.log"

say "creating the topic quickstart"
topic_is_there() { kcat -b "127.0.0.1:$port" -L -t quickstart | grep -q 'partition 0, leader 0'; }
await 30 $! "the topic" topic_is_there
kcat -b "127.0.0.1:$port" -L -t quickstart

say "producing a file"
for i in $(seq 1000); do echo "line $i of the quickstart, $(date +%s)"; done >"$dir/in.txt"
kcat -b "127.0.0.1:$port" -P -t quickstart -p 0 -X acks=all -l "$dir/in.txt"

say "consuming it"
timeout 60 kcat -b "127.0.0.1:$port" -C -t quickstart -p 0 -o beginning -e -q >"$dir/out.txt"
cmp "$dir/in.txt" "$dir/out.txt"
echo "$(wc -l <"$dir/out.txt") lines came back as they were sent"

say "the broker in ZooKeeper: ls /brokers/ids, get /brokers/ids/0"
"$repo/scripts/zookeeper.sh" cli "127.0.0.1:$zk_port" ls /brokers/ids 2>/dev/null | tail -n 1 | tee "$dir/ids"
"$repo/scripts/zookeeper.sh" cli "127.0.0.1:$zk_port" get /brokers/ids/0 2>/dev/null | tail -n 1
grep -qx '\[0\]' "$dir/ids"

say "stopping"
kill "${pids[1]}"
ended=0; wait "${pids[1]}" || ended=$?
unset 'pids[1]'
[ "$ended" -eq 0 ] || [ -n "${OTTLA_BROKER:-}" ] || die "the broker ended with exit code $ended"
[ -e "$dir/kafka-logs/.kafka_cleanshutdown" ] || die "the broker did not stop cleanly"
say "all of it worked"
