#!/usr/bin/env bash
# Apache Kafka 3.9 in ZooKeeper mode, the broker that Ottla is held against, and its tools.
#
#   apache-kafka.sh fetch                          get the jars from Maven Central (once; needs Maven and a JDK 11 or newer)
#   apache-kafka.sh fetch peers                    get 3.4.1 and 3.6.2, which clusters of mixed versions are tried with
#   apache-kafka.sh broker FILE [--override K=V].. run the broker in the foreground; its log goes to standard output
#   apache-kafka.sh tool kafka-topics.sh ARGS...   run one of Kafka's tools by its script's name, or by a class name
#   apache-kafka.sh old 0.10.2.2 CLASS ARGS...     run a class of an old Kafka: 0.10.2.2 or 0.11.0.3
#   apache-kafka.sh streams FILE.java ARGS...      run a program that uses Kafka Streams, out of its source
#
# PEER_JVM       more flags for the Java machine. The default is small and quick to start: good for tests, useless for measuring.
# PEER_VERSION   another version of the broker and its tools: 3.4.1 or 3.6.2.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

pom=$repo/scripts/apache-kafka.xml
version=$(sed -n 's/.*<kafka.version>\(.*\)<.*/\1/p' "$pom")
jars=$cache/kafka-${PEER_VERSION:-$version}
# Peers of mixed clusters.
peer_versions="3.4.1 3.6.2"
# The last one without format 2 and the first one with it.
old_versions="0.10.2.2 0.11.0.3"

# fetch_jars VERSION POM. Each run copies into a directory of its own and renames it, so that two runs at once, or one that was cut off,
# leave no half set.
fetch_jars() {
  [ -d "$cache/kafka-$1" ] && return
  command -v mvn >/dev/null || die "needs Maven: scripts/test.sh installs it"
  say "fetching Apache Kafka $1" >&2
  mkdir -p "$cache"
  local fresh; fresh=$(mktemp -d "$cache/kafka-fetch.XXXXXX")
  mvn -q -B -Dstyle.color=never "-Dkafka.version=${1#streams-}" -f "$2" \
    org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies -DoutputDirectory="$fresh" >&2 || {
    rm -rf "$fresh"; die "Maven could not fetch the jars (what it says is above)"; }
  mv -T "$fresh" "$cache/kafka-$1" 2>/dev/null || rm -rf "$fresh"
}

fetch() {
  fetch_jars "$version" "$pom"
  local old
  fetch_jars "streams-$version" "$repo/scripts/kafka-streams.xml"
  for old in $old_versions; do fetch_jars "$old" "$repo/scripts/old-kafka.xml"; done
}

# java_run LEVEL STREAM CLASS ARGS...: becomes a Java process that logs LEVEL and above to System.STREAM.
java_run() {
  local level=$1 stream=$2; shift 2
  [ -d "$jars" ] || die "the jars are not there yet: run scripts/test.sh, or scripts/apache-kafka.sh fetch"
  local log4j=$cache/log4j-$level-$stream.properties
  if [ ! -e "$log4j" ]; then
    printf '%s\n' "log4j.rootLogger=$level, A" log4j.appender.A=org.apache.log4j.ConsoleAppender \
      "log4j.appender.A.Target=System.$stream" log4j.appender.A.layout=org.apache.log4j.PatternLayout \
      'log4j.appender.A.layout.ConversionPattern=[%d] %p %m (%c)%n' > "$log4j.$$"
    mv "$log4j.$$" "$log4j"
  fi
  # shellcheck disable=SC2086
  exec java -Xmx384m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto ${PEER_JVM:-} \
    "-Dlog4j.configuration=file:$log4j" -cp "$jars/*" "$@"
}

# The class behind each script of Kafka's bin/.
tool_class() {
  case $1 in
    kafka-topics.sh) echo org.apache.kafka.tools.TopicCommand ;;
    kafka-console-producer.sh) echo kafka.tools.ConsoleProducer ;;
    kafka-console-consumer.sh) echo org.apache.kafka.tools.consumer.ConsoleConsumer ;;
    kafka-consumer-groups.sh) echo org.apache.kafka.tools.consumer.group.ConsumerGroupCommand ;;
    kafka-configs.sh) echo kafka.admin.ConfigCommand ;;
    kafka-acls.sh) echo kafka.admin.AclCommand ;;
    kafka-leader-election.sh) echo org.apache.kafka.tools.LeaderElectionCommand ;;
    kafka-reassign-partitions.sh) echo org.apache.kafka.tools.reassign.ReassignPartitionsCommand ;;
    kafka-dump-log.sh) echo kafka.tools.DumpLogSegments ;;
    kafka-log-dirs.sh) echo org.apache.kafka.tools.LogDirsCommand ;;
    kafka-delete-records.sh) echo org.apache.kafka.tools.DeleteRecordsCommand ;;
    kafka-transactions.sh) echo org.apache.kafka.tools.TransactionsCommand ;;
    kafka-get-offsets.sh) echo org.apache.kafka.tools.GetOffsetShell ;;
    kafka-broker-api-versions.sh) echo kafka.admin.BrokerApiVersionsCommand ;;
    kafka-features.sh) echo org.apache.kafka.tools.FeatureCommand ;;
    kafka-cluster.sh) echo org.apache.kafka.tools.ClusterTool ;;
    kafka-producer-perf-test.sh) echo org.apache.kafka.tools.ProducerPerformance ;;
    kafka-consumer-perf-test.sh) echo org.apache.kafka.tools.ConsumerPerformance ;;
    kafka-verifiable-producer.sh) echo org.apache.kafka.tools.VerifiableProducer ;;
    kafka-replica-verification.sh) echo org.apache.kafka.tools.ReplicaVerificationTool ;;
    kafka-verifiable-consumer.sh) echo org.apache.kafka.tools.VerifiableConsumer ;;
    *.sh) die "no such tool: $1" ;;
    *) echo "$1" ;;
  esac
}

case ${1:-} in
  fetch)
    if [ "${2:-}" = peers ]; then for peer in $peer_versions; do fetch_jars "$peer" "$pom"; done; else fetch; echo "$jars"; fi ;;
  broker) [ $# -ge 2 ] || die "broker needs a server.properties"; shift; java_run INFO out kafka.Kafka "$@" ;;
  old) [ $# -ge 3 ] || die "old needs a version and a class"; jars=$cache/kafka-$2; shift 2; java_run WARN err "$@" ;;
  streams) [ $# -ge 2 ] || die "streams needs a program"; jars=$cache/kafka-streams-$version; shift; java_run WARN err "$@" ;;
  tool) [ $# -ge 2 ] || die "tool needs a name"; class=$(tool_class "$2"); shift 2; java_run WARN err "$class" "$@" ;;
  *) sed -n '2,13s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 2 ;;
esac
