#!/usr/bin/env bash
# Runs all of Ottla's tests, and before that installs what they need and this machine lacks.
#
#   test.sh [--prepare] [ARGS of cargo test]      for instance: test.sh --test cluster znodes::
#   --prepare    only install
#
# Without arguments also three minutes of scripts/torture.sh.
# From Debian: zookeeper, kcat, a JDK, Maven, Python's venv. From Maven Central: Apache Kafka, the broker Ottla is held against, with
# its tools and Kafka Streams. From PyPI: three Kafka clients. What is fetched is kept in ~/.cache/ottla (OTTLA_CACHE). Rust must be there already.
# With OTTLA_TEST_TARGET=apache the cluster tests hold Apache Kafka instead, to see that they ask for what Kafka does.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# The Python clients, in an environment of their own that is made again when the list of them changes.
python_clients() {
  local wanted=$repo/tests/cluster/python/requirements.txt env=$cache/python
  cmp -s "$wanted" "$env/.requirements" && return
  say "fetching the Python clients"
  rm -rf "$env"
  python3 -m venv "$env"
  "$env/bin/pip" install --quiet --disable-pip-version-check -r "$wanted"
  cp "$wanted" "$env/.requirements"
}

prepare() {
  # shellcheck disable=SC2046
  need_packages zookeeper kcat $(compiler) $(java_runtime) $(java_compiler) $(lacking mvn maven) \
    $(python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv)
  "$repo/scripts/apache-kafka.sh" fetch >/dev/null
  python_clients
}

mkdir -p "$cache"
need_rust
# One preparation at a time: two runs beside each other must not fill the same directories.
(flock 9; prepare) 9>"$cache/lock"
if [ "${1:-}" = --prepare ]; then say "all there"; exit; fi
cd "$repo"
say "cargo test $*"
[ $# -eq 0 ] || exec cargo test --no-fail-fast "$@"
status=0
cargo test --no-fail-fast || status=$?
for workload in queue txn; do
  say "torture: $workload"
  "$repo/scripts/torture.sh" --debug --target "${OTTLA_TEST_TARGET:-ottla}" --seconds 75 --workload "$workload" \
    --faults crash,stall,roll,partition,zookeeper,slow || status=$?
done
exit "$status"
