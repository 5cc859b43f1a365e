#!/usr/bin/env bash
# Breaks a cluster on purpose, while real clients write and read, and judges what they were told and saw.
#
#   torture.sh [--target ottla|apache|mixed] [--minutes N] [--seed S] [--faults LIST] [--workload WORK] [--record]
#   --target     three brokers of Ottla, of Apache Kafka 3.9, or one of Apache Kafka and two of Ottla (default ottla)
#   --minutes    how long things break (default 10); --seconds for a shorter time
#   --seed       the order of what breaks; the same again gives the same order
#   --faults     a mix: crash, stall, roll, partition, zookeeper, slow, disk, everything (default); or names of faults and mixes with
#                commas between them: a name that is none prints all
#   --workload   queue (default), txn, groups or compacted
#   --record     appends a row to RELIABILITY.md
#   --flush      every record is synced before it is acknowledged: a loss of all power may lose nothing then
#   --self-test  shows that a broker sees what is done to its disk and its clock, and ends
#   --sabotage   brokers that are broken on purpose (src/base/sabotage.rs): the run succeeds when something is found
#   --debug      a build with debug assertions, that tests use, in place of a release build
#
# Three ZooKeeper servers and three brokers run in a network of their own, in namespaces of this process: nothing of it is left, however it
# ends. Where one is not root, the system must allow user namespaces. Prints how it goes, and last its verdict, which is the exit status
# too. When something was found, the history and all logs stay in a directory that is named.
# Installs what it lacks: Debian's zookeeper, iproute2, iptables, libfaketime and a Java; for Apache Kafka Maven, and by it Kafka's jars.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

target=ottla debug=
for word; do case $word in -h | --help) sed -n '2,22s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit ;; esac; done
args=()
while [ $# -gt 0 ]; do
  case $1 in
    --debug) debug=yes ;;
    --target) target=${2:-}; args+=("$1" "$target"); shift ;;
    *) args+=("$1") ;;
  esac
  shift
done

need_rust
# shellcheck disable=SC2046
need_packages zookeeper libfaketime $(compiler) $(java_runtime) $(lacking ip iproute2) $(lacking iptables iptables) $(lacking unshare util-linux)
if [ "$target" != ottla ]; then
  # shellcheck disable=SC2046
  need_packages $(java_compiler) $(lacking mvn maven)
  "$repo/scripts/apache-kafka.sh" fetch >/dev/null
fi

cd "$repo"
say "building" >&2
if [ -z "$debug" ]; then
  cargo build --quiet --release --bin ottla --features torture >&2
  args+=(--ottla "${CARGO_TARGET_DIR:-$repo/target}/release/ottla")
fi
# Between brokers and their disks. What is broken below the C library must go through it: the feature does that.
cargo build --quiet --package ottla-torture-shim >&2
args+=(--shim "${CARGO_TARGET_DIR:-$repo/target}/debug/libottla_torture_shim.so")
exec cargo test --quiet --test torture ${debug:+--features torture} -- "${args[@]}"
