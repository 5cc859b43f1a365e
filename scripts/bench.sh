#!/usr/bin/env bash
# Ottla beside Apache Kafka and this machine's floor: prints the Markdown table of BENCHMARKS.md, progress to standard error.
#
#   bench.sh [WORK..] [--rounds N] [--quick] [--cluster] [--only ottla|kafka]
#   WORK        produce, fetch, open, start, memory, restart, reconnect, coordinate, failover, compact, cluster, partitions, twenty, swap; without any, all that need one broker
#   --rounds    how often everything is measured (default 5); the table shows the median, the least and the most
#   --quick     a tenth of the load, one round: to see that it works
#   --cluster   also the rows of three brokers on this machine
#   --only      measure this broker alone
#
# Installs what it lacks: Debian's zookeeper, a Java and Maven, and by Maven Apache Kafka's jars. One broker is alive at a time; nothing
# else should run on the machine meanwhile. All rounds take about 5 minutes each, and 6 GB of disk.
# OTTLA_BENCH_DIR   where brokers keep their data (default: bench/ in cargo's target directory): the disk that is measured
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

case ${1:-} in -h | --help) sed -n '2,14s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit ;; esac

need_rust
# shellcheck disable=SC2046
need_packages zookeeper $(compiler) $(java_runtime) $(lacking mvn maven)
target=${CARGO_TARGET_DIR:-$repo/target}
say "building ottla" >&2
(cd "$repo" && cargo build --release --package ottla --package ottla-bench --bins) >&2
"$repo/scripts/apache-kafka.sh" fetch >/dev/null

base=${OTTLA_BENCH_DIR:-$target/bench}
mkdir -p "$base"
dir=$(mktemp -d "$base/run.XXXXXX")
zookeeper=
cleanup() {
  local status=$?
  if [ -n "$zookeeper" ]; then kill "$zookeeper" 2>/dev/null && wait "$zookeeper" 2>/dev/null || true; fi
  if [ "$status" -eq 0 ]; then rm -rf "$dir"; else echo "the brokers' logs are in $dir" >&2; fi
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

port=$(free_port 2181)
say "starting ZooKeeper on 127.0.0.1:$port" >&2
"$repo/scripts/zookeeper.sh" serve "$port" "$dir/zookeeper" >"$dir/zookeeper.log" 2>&1 & zookeeper=$!
await 60 "$zookeeper" ZooKeeper "$repo/scripts/zookeeper.sh" ready "$port"

"$target/release/ottla-bench" "$@" --zookeeper "127.0.0.1:$port" --dir "$dir" --scripts "$repo/scripts" --ottla "$target/release/ottla"
