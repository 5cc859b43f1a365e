#!/usr/bin/env bash
# For scripts that name a tool by its Java class: kafka-run-class.sh CLASS ARGS... runs the script of that tool.
set -eu
here=$(dirname "$(readlink -f "$0")")
# Flags of the Java machine that Kafka's script takes in front of the class.
daemon=()
while [ $# -gt 0 ]; do
  case $1 in
    -name) shift $(($# > 1 ? 2 : 1)) ;;
    -loggc) shift ;;
    -daemon) daemon=(-daemon); shift ;;
    *) break ;;
  esac
done
if [ $# -lt 1 ]; then echo "USAGE: $0 [-daemon] [-name servicename] [-loggc] classname [opts]"; exit 1; fi
class=$1; shift
case ${class##*.} in
  Kafka) exec "$here/kafka-server-start.sh" "${daemon[@]}" "$@" ;;
  QuorumPeerMain) exec "$here/zookeeper-server-start.sh" "${daemon[@]}" "$@" ;;
  ZooKeeperMain | ZooKeeperMainWithTlsSupportForKafka) exec "$here/zookeeper-shell.sh" "$@" ;;
  TopicCommand) script=kafka-topics.sh ;;
  ConfigCommand) script=kafka-configs.sh ;;
  AclCommand) script=kafka-acls.sh ;;
  ConsoleProducer) script=kafka-console-producer.sh ;;
  ConsoleConsumer) script=kafka-console-consumer.sh ;;
  ConsumerGroupCommand) script=kafka-consumer-groups.sh ;;
  ProducerPerformance) script=kafka-producer-perf-test.sh ;;
  ConsumerPerformance) script=kafka-consumer-perf-test.sh ;;
  LeaderElectionCommand | PreferredReplicaLeaderElectionCommand) script=kafka-leader-election.sh ;;
  ReassignPartitionsCommand) script=kafka-reassign-partitions.sh ;;
  GetOffsetShell) script=kafka-get-offsets.sh ;;
  DeleteRecordsCommand) script=kafka-delete-records.sh ;;
  LogDirsCommand) script=kafka-log-dirs.sh ;;
  DumpLogSegments) script=kafka-dump-log.sh ;;
  BrokerApiVersionsCommand) script=kafka-broker-api-versions.sh ;;
  TransactionsCommand) script=kafka-transactions.sh ;;
  DelegationTokenCommand) script=kafka-delegation-tokens.sh ;;
  FeatureCommand) script=kafka-features.sh ;;
  ClusterTool) script=kafka-cluster.sh ;;
  *) script= ;;
esac
if [ -z "$script" ] || [ ! -x "$here/$script" ]; then echo "kafka-run-class.sh: no tool here for the class $class" >&2; exit 1; fi
exec "$here/$script" "$@"
