#!/usr/bin/env bash
# Test suites of other projects against Ottla and against Apache Kafka: prints the Markdown table of COMPATIBILITY.md, progress to
# standard error. Fails when a test passes with Apache Kafka and not with Ottla.
#
#   compat.sh [SUITE..] [--tests LIST] [--brokers N] [--only ottla|kafka] [--jobs N] [--limit SECONDS]
#             [--patience N] [--quick]
#   SUITE       librdkafka: its test-runner; franz-go: package kgo's chains of groups and of transactions. Without any: both
#   --tests     these alone: numbers of librdkafka's tests (0081, or of one part of it 0081/do_test_ListOffsets), names of kgo's, separated by
#               commas
#   --brokers   how many brokers to start (default 3); internal topics and topics made on the way have as many replicas, at most 3
#   --only      run them against this broker alone; the table takes the other's results from the last run
#   --jobs      how many of librdkafka's tests run beside each other (default 3)
#   --limit     seconds for each of librdkafka's tests (default 900)
#   --patience  what the waits inside librdkafka's tests are multiplied by (default 2, as in its own runs): more on a busy machine
#   --quick     librdkafka's tests in their quick mode, which leaves out many parts of them
#   --prepare   only fetch and build
#   --table     only print the table of the last run's results
#
# Nothing of the suites lies in this repository. librdkafka's source is in the crate rdkafka-sys, which Ottla is built with: cargo fetches
# it from crates.io. franz-go is a Go module and comes from Go's module proxy. What is built of them is kept in compat/ in cargo's target
# directory, with the output of each test. Both brokers run on this machine, one after the other, as child processes of this script.
#
# OTTLA_BIN   run this binary instead of a fresh build
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

librdkafka_version=$(sed -n '/^name = "rdkafka-sys"$/{n;s/.*+\(.*\)"$/\1/p}' "$repo/Cargo.lock")
franz_version=v1.22.3
suites=() only='' list='' brokers=3 jobs=3 limit=900 patience=2 quick='' mode=run
while [ $# -gt 0 ]; do
  case $1 in
    librdkafka | franz-go) suites+=("$1") ;;
    --tests) list=${2:?}; shift ;;
    --brokers) brokers=${2:?}; shift ;;
    --only) only=${2:?}; shift ;;
    --jobs) jobs=${2:?}; shift ;;
    --limit) limit=${2:?}; shift ;;
    --patience) patience=${2:?}; shift ;;
    --quick) quick=-Q ;;
    --prepare) mode=prepare ;;
    --table) mode=table ;;
    *) sed -n '2,24s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 2 ;;
  esac
  shift
done
[ ${#suites[@]} -gt 0 ] || suites=(librdkafka franz-go)
case $only in '' | ottla | kafka) ;; *) die "--only takes ottla or kafka" ;; esac
replicas=$((brokers < 3 ? brokers : 3))

target=${CARGO_TARGET_DIR:-$repo/target}
base=$target/compat
kafka_version=$(sed -n 's/.*<kafka.version>\(.*\)<.*/\1/p' "$repo/scripts/apache-kafka.xml")
kafka_jars=$cache/kafka-$kafka_version
mkdir -p "$base/results"
wants() { [[ " ${suites[*]} " == *" $1 "* ]]; }

# Fetching and building.

# Where cargo has unpacked the crate with librdkafka's source.
librdkafka_source() {
  (cd "$repo" && cargo metadata --format-version 1 --locked) |
    grep -o '"manifest_path":"[^"]*/rdkafka-sys-[^"]*"' | sed 's/.*:"\(.*\)\/Cargo.toml"/\1\/librdkafka/'
}

build_librdkafka() {
  source=$(librdkafka_source)
  [ -d "$source/tests" ] || die "the crate rdkafka-sys has no librdkafka/tests: $source"
  runner=$base/librdkafka-$librdkafka_version
  [ ! -x "$runner/tests/test-runner" ] || return 0
  say "building librdkafka $librdkafka_version and its test-runner" >&2
  # Some tests call a topic by the name of their file.
  local flags=-fmacro-prefix-map=$source/tests/=
  cmake -S "$source" -B "$runner" -DCMAKE_BUILD_TYPE=Debug -DCMAKE_POLICY_VERSION_MINIMUM=3.5 -DRDKAFKA_BUILD_EXAMPLES=OFF \
    -DRDKAFKA_BUILD_TESTS=ON -DWITH_SASL=OFF -DENABLE_LZ4_EXT=OFF \
    "-DCMAKE_C_FLAGS=$flags" "-DCMAKE_CXX_FLAGS=$flags -DWITH_RAPIDJSON=1" >"$runner.log" 2>&1 &&
    cmake --build "$runner" --target test-runner -j "$(nproc)" >>"$runner.log" 2>&1 ||
    { rm -f "$runner/tests/test-runner"; tail -n 30 "$runner.log" >&2; die "could not build librdkafka's tests"; }
}

build_franz() {
  franz=$base/franz-go-$franz_version
  [ ! -x "$franz/kgo.test" ] || return 0
  command -v go >/dev/null || PATH=$PATH:/usr/local/go/bin
  command -v go >/dev/null || die "franz-go needs Go: see https://go.dev/doc/install, or leave the suite out"
  say "building franz-go's tests, $franz_version" >&2
  mkdir -p "$franz"
  local dir
  dir=$(cd "$franz" && GOFLAGS=-mod=mod go mod download -json "github.com/twmb/franz-go@$franz_version" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
  [ -n "$dir" ] || die "Go's module proxy did not give franz-go $franz_version"
  (cd "$dir" && go test -c -o "$franz/kgo.test" ./pkg/kgo) >&2
}

prepare() {
  need_rust
  # shellcheck disable=SC2046
  need_packages zookeeper $(compiler) $(java_runtime) $(java_compiler) $(lacking mvn maven) $(lacking cmake cmake) \
    libssl-dev zlib1g-dev libzstd-dev libcurl4-openssl-dev rapidjson-dev
  "$repo/scripts/apache-kafka.sh" fetch >/dev/null
  if wants librdkafka; then build_librdkafka; fi
  if wants franz-go; then build_franz; fi
  if [ -z "${OTTLA_BIN:-}" ] && [ "$only" != kafka ]; then
    say "building ottla" >&2
    (cd "$repo" && cargo build --bin ottla) >&2
    OTTLA_BIN=$target/debug/ottla
  fi
  export OTTLA_BIN
}

# A cluster.

pids=()
stop_cluster() {
  local pid
  for pid in "${pids[@]}"; do kill -9 "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  pids=()
}

# start_cluster ottla|kafka DIR [LINE..]: sets bootstrap, zookeeper, addresses, and kafka_path, where the tests look for tools.
start_cluster() {
  local kind=$1 dir=$2 id port=$((21000 + RANDOM % 6000)); shift 2
  exec 8>"$base/$kind.lock"
  flock -n 8 || die "another run has brokers of this kind: $dir"
  rm -rf "$dir"; mkdir -p "$dir/home/bin"
  port=$(free_port "$port")
  zookeeper=127.0.0.1:$port
  "$repo/scripts/zookeeper.sh" serve "$port" "$dir/zookeeper" >"$dir/zookeeper.log" 2>&1 & pids+=($!)
  await 60 $! ZooKeeper "$repo/scripts/zookeeper.sh" ready "$port"
  bootstrap='' addresses=()
  for ((id = 1; id <= brokers; id++)); do
    port=$(free_port $((port + 1)))
    addresses+=("127.0.0.1:$port")
    bootstrap+=${bootstrap:+,}127.0.0.1:$port
    # What librdkafka starts its own brokers with (default scenario).
    printf '%s\n' "broker.id=$id" "zookeeper.connect=$zookeeper" "listeners=PLAINTEXT://127.0.0.1:$port" "log.dirs=$dir/broker-$id" \
      num.partitions=4 auto.create.topics.enable=true delete.topic.enable=true "default.replication.factor=$replicas" \
      "offsets.topic.replication.factor=$replicas" "transaction.state.log.replication.factor=$replicas" \
      "transaction.state.log.min.isr=$(((replicas + 1) / 2))" reserved.broker.max.id=65536 \
      "broker.rack=RACK$id" replica.selector.class=org.apache.kafka.common.replica.RackAwareReplicaSelector \
      zookeeper.session.timeout.ms=30000 "$@" >"$dir/broker-$id.properties"
    if [ "$kind" = ottla ]; then
      "$OTTLA_BIN" broker "$dir/broker-$id.properties" >"$dir/broker-$id.log" 2>&1 & pids+=($!)
    else
      PEER_JVM="-Xmx768m" "$repo/scripts/apache-kafka.sh" broker "$dir/broker-$id.properties" >"$dir/broker-$id.log" 2>&1 & pids+=($!)
    fi
    await 120 $! "broker $id" grep -q 'started (kafka.server.KafkaServer)' "$dir/broker-$id.log"
  done
  kafka_path=$dir/home
  ln -s "$kafka_jars" "$kafka_path/libs"
  local tool
  for tool in kafka-topics.sh kafka-acls.sh kafka-configs.sh; do
    if [ "$kind" = ottla ]; then
      ln -s "$repo/scripts/$tool" "$kafka_path/bin/$tool"
    else
      printf '#!/bin/sh\nexec "%s" tool %s "$@"\n' "$repo/scripts/apache-kafka.sh" "$tool" >"$kafka_path/bin/$tool"
    fi
  done
  # Java clients that some tests run beside librdkafka.
  printf '#!/bin/sh\nexec java -cp "$CLASSPATH:%s/*" "$@"\n' "$kafka_jars" >"$kafka_path/bin/kafka-run-class.sh"
  chmod +x "$kafka_path"/bin/*
}

# Running. A suite's results of one kind: lines of test, passed, failed or skipped, seconds, and the reason.

results() { echo "$base/results/$1-$2-$brokers.tsv"; } # SUITE KIND

# record SUITE KIND TEST STATE SECONDS REASON: replaces what a run before said of the test.
record() {
  local file; file=$(results "$1" "$2")
  (
    flock 9
    touch "$file"
    { awk -F '\t' -v test="$3" '$1 != test' "$file"; printf '%s\t%s\t%s\t%s\n' "$3" "$4" "$5" "$6"; } | sort >"$file.new"
    mv "$file.new" "$file"
  ) 9>"$file.lock"
  printf '%-7s %-45s %-8s %6s s  %s\n' "$2" "$3" "$4" "$5" "$6" >&2
}

# The numbers of the tests that talk to a broker; those with a mock broker of librdkafka's own are left out, mostly by the flag -L. The parts
# of 0081 run one by one: it ends at the first that fails, and some need an authorizer.
librdkafka_tests() {
  if [ -n "$list" ]; then tr ',' '\n' <<<"$list"; return; fi
  grep -v '_mock,' "$source/tests/test.c" | sed -n 's/^ *_TEST(\([0-9]*\)_.*/\1/p' | awk '$1 < 8000 && $1 != "0081"' | sort -u
  sed -n 's/^\(static void \)\{0,1\}\(do_test_[A-Za-z_]*\)(.*/0081\/\2/p' "$source/tests/0081-admin.c" | grep -v 'do_test_apis\|_count' | sort -u
}

# Those that want topics not to be made on the way.
librdkafka_strict_tests() {
  awk -F '[(_]' '/_TEST\(/ { number = $3 } /scenario = "noautocreate"/ { print number }' "$source/tests/test.c" | sort -u
}

# One test, in a process and a directory of its own.
librdkafka_test() { # KIND NUMBER[/PART] SCENARIO
  local kind=$1 number=${2%/*} part='' scenario=$3 dir=$base/run/librdkafka-$1-$3/${2//\//-} started=$SECONDS status=0 line seen='' i
  [ "$number" = "$2" ] || part=${2#*/}
  rm -rf "$dir"; mkdir -p "$dir"
  ln -s "$source/tests/fixtures" "$dir/fixtures"
  ln -sfn "$source/src" "$dir/../src" # the schema of statistics
  cp -r "$source/tests/java" "$dir/java"
  printf 'java:\n\tmake -C java\n.PHONY: java\n' >"$dir/Makefile"
  printf '%s\n' broker.address.family=v4 "test.timeout.multiplier=$patience" "bootstrap.servers=$bootstrap" >"$dir/test.conf"
  (
    cd "$dir"
    for i in "${!addresses[@]}"; do export "BROKER_ADDRESS_$((i + 1))=${addresses[i]}"; done
    [ -z "$part" ] || export SUBTESTS=$part
    # shellcheck disable=SC2086
    TESTS=$number TEST_KAFKA_VERSION=$kafka_version RDKAFKA_TEST_CONF=$dir/test.conf KAFKA_PATH=$kafka_path ZK_ADDRESS=$zookeeper \
      BROKERS=$bootstrap LD_LIBRARY_PATH=$runner/src:$runner/src-cpp \
      timeout -k 5 "$limit" stdbuf -oL "$runner/tests/test-runner" -p1 -L -s "$scenario" $quick || exit $?
  ) >"$dir/output" 2>&1 </dev/null || status=$?
  # The summary: one line a test that ran, `|<colour> NAME | STATE | SECONDSs <colour>| reason`.
  while IFS=$'\t' read -r name state seconds reason; do
    seen=1
    if [ -n "$part" ]; then
      name=$name/$part
      # A part that was not run has passed too.
      grep -q "\[ $part:.*PASS" "$dir/output" || [ "$state" != passed ] || { state=skipped; reason="not run by the test"; }
    fi
    record librdkafka "$kind" "$name" "$state" "$seconds" "$reason"
  done < <(sed 's/\x1b\[[0-9;]*m//g' "$dir/output" | sed -n '/SUMMARY$/,$p' | grep "^| *${number}_" |
    sed -E 's/^\| *([^ ]+) *\| *([A-Z]+) *\| *([0-9.]+)s *\| *(.*)$/\1\t\2\t\3\t\4/' |
    awk -F '\t' -v OFS='\t' '!/negative test flags/ && ($2 != "SKIPPED" || $4 != "") { $2 = tolower($2); $4 = substr($4, 1, 200); print }' | sort -u -t $'\t' -k1,1)
  if [ -z "$seen" ] && [ "$status" -ne 0 ]; then
    line="exit code $status"
    [ "$status" -ne 124 ] || line="not done in $limit s"
    record librdkafka "$kind" "$2" failed $((SECONDS - started)) "$line"
  fi
}

run_librdkafka() { # KIND
  librdkafka_tests | librdkafka_beside "$1" default
  local strict; strict=$(librdkafka_strict_tests | grep -xF -f <(librdkafka_tests)) || return 0
  stop_cluster
  start_cluster "$1" "$base/cluster-$1" auto.create.topics.enable=false
  librdkafka_beside "$1" noautocreate <<<"$strict"
}

# Runs what it is told of, some beside each other.
librdkafka_beside() { # KIND SCENARIO
  local kind=$1 scenario=$2 test pid tests=() running
  while read -r test; do
    librdkafka_test "$kind" "$test" "$scenario" & tests+=($!)
    while [ ${#tests[@]} -ge "$jobs" ]; do
      wait -n "${tests[@]}" || true
      running=()
      for pid in "${tests[@]}"; do ! kill -0 "$pid" 2>/dev/null || running+=("$pid"); done
      tests=("${running[@]}")
    done
  done
  [ ${#tests[@]} -eq 0 ] || wait "${tests[@]}" || true
}

run_franz-go() { # KIND
  local kind=$1 out=$base/run/franz-go-$1.out pattern name state seconds
  mkdir -p "$base/run"
  pattern=${list:-TestGroupETL,TestTxnEtl}
  pattern="^(${pattern//,/|})\$"
  (
    cd "$franz"
    KGO_SEEDS=$bootstrap KGO_TEST_RF=$replicas KGO_TEST_RECORDS=${KGO_TEST_RECORDS:-50000} \
      exec ./kgo.test -test.v -test.timeout 30m -test.run "$pattern"
  ) >"$out" 2>&1 </dev/null || true
  while read -r state name seconds; do
    case $state in PASS) state=passed ;; FAIL) state=failed ;; SKIP) state=skipped ;; esac
    record franz-go "$kind" "$name" "$state" "$seconds" ""
  done < <(sed -n 's/^ *--- \([A-Z]*\): \([^ ]*\) (\(.*\)s)$/\1 \2 \3/p' "$out")
}

# The table.

# Joins both kinds' results by test.
table_of() { # SUITE VERSION
  local kafka ottla; kafka=$(results "$1" kafka) ottla=$(results "$1" ottla)
  touch "$kafka" "$ottla"
  join -t $'\t' -a 1 -a 2 -e - -o 0,1.2,2.2,1.3,2.3,1.4,2.4 "$kafka" "$ottla" |
    awk -F '\t' -v suite="$1 $2" '{
      remark = $7 != "-" && $7 != "" ? $7 : ($6 == "-" ? "" : $6)
      if ($2 == "passed" && $3 == "passed") remark = ""
      if (remark ~ /[Aa]cl/) remark = "needs an authorizer"
      if ($1 ~ /\/848/) remark = "the newer group protocol, which ZooKeeper mode has not"
      gsub(/\|/, "/", remark)
      printf "| %s | `%s` | %s | %s | %s |\n", suite, $1, $2, $3, remark
    }'
}

table() {
  echo "| suite | test | Apache Kafka $kafka_version | Ottla | remark |"
  echo "|---|---|---|---|---|"
  if wants librdkafka; then table_of librdkafka "$librdkafka_version"; fi
  if wants franz-go; then table_of franz-go "$franz_version"; fi
}

# Tests that pass with Apache Kafka and not with Ottla.
regressions() {
  local suite
  for suite in "${suites[@]}"; do
    join -t $'\t' -o 0,1.2,2.2 "$(results "$suite" kafka)" "$(results "$suite" ottla)" |
      awk -F '\t' '$2 == "passed" && $3 != "passed" { print $1 }'
  done
}

if [ "$mode" = table ]; then table; exit; fi
prepare
if [ "$mode" = prepare ]; then say "all there" >&2; exit; fi
trap stop_cluster EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
for kind in kafka ottla; do
  if [ -n "$only" ] && [ "$only" != "$kind" ]; then continue; fi
  say "$kind: $brokers brokers" >&2
  for suite in "${suites[@]}"; do
    [ -n "$list" ] || rm -f "$(results "$suite" "$kind")"
    start_cluster "$kind" "$base/cluster-$kind"
    "run_$suite" "$kind"
    stop_cluster
  done
done
table
failed=$(regressions)
[ -z "$failed" ] || die "these pass with Apache Kafka and not with Ottla: $(tr '\n' ' ' <<<"$failed")"
