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
#   --flush      every record is synced before it is acknowledged: a loss of all power may lose nothing then
#   --balance    leaders go back to the preferred replica within seconds, in place of now and then
#   --network    namespaces: links are those of a network of the run's own; proxies: a proxy each, where the system allows no namespaces
#                (default: what it allows)
#   --record     appends a row to RELIABILITY.md
#   --each-once  each fault once and for long: the cluster must notice it; --self-test: the same of disks and clocks, on one broker
#   --sabotage   a way to break the broker itself (src/base/sabotage.rs): the run succeeds when that is found
#   --debug      a build with debug assertions, that tests use, in place of a release build
#
# Three ZooKeeper servers and three brokers run in a network of their own, in namespaces of this process, or behind proxies on the loopback
# device: nothing of it is left, however it ends, and one need not be root. Prints how it goes, and last its verdict, which is the exit
# status too. When something was found, the history and all logs stay in a directory that is named.
# Installs what it lacks: Debian's zookeeper, iproute2, iptables, libfaketime and a Java; for Apache Kafka Maven, and by it Kafka's jars.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

target=ottla debug= network=
for word; do case $word in -h | --help) sed -n '2,25s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit ;; esac; done
args=()
while [ $# -gt 0 ]; do
  case $1 in
    --debug) debug=debug ;;
    --target) target=${2:-}; args+=("$1" "$target"); shift ;;
    --network) network=${2:-}; args+=("$1" "$network"); shift ;;
    *) args+=("$1") ;;
  esac
  shift
done

need_rust
# shellcheck disable=SC2046
need_packages zookeeper $(compiler) $(java_runtime) libfaketime
if [ "$network" != proxies ]; then
  # shellcheck disable=SC2046
  need_packages $(lacking ip iproute2) $(lacking iptables iptables) $(lacking unshare util-linux)
fi
if [ "$target" != ottla ]; then
  # shellcheck disable=SC2046
  need_packages $(java_compiler) $(lacking mvn maven)
  "$repo/scripts/apache-kafka.sh" fetch >/dev/null
fi

cd "$repo"
say "building" >&2
built=${CARGO_TARGET_DIR:-$repo/target}/${debug:-release}
# The broker with its calls through the C library, and the library that is loaded below it. What is shipped is built by others.
if [ -n "$debug" ]; then cargo build --quiet --bin ottla --features torture; else cargo build --quiet --release --bin ottla --features torture; fi >&2
cargo build --quiet --package ottla-torture-shim >&2
mkdir -p "$built/torture"
# Another run may be executing the one that is there.
cp --remove-destination "$built/ottla" "$built/torture/ottla"
args+=(--ottla "$built/torture/ottla" --shim "${CARGO_TARGET_DIR:-$repo/target}/debug/libottla_torture_shim.so")
exec cargo test --quiet --test torture -- "${args[@]}"
