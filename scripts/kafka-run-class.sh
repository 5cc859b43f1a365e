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
# retired COMMAND: for classes that Kafka no longer has.
retired() { echo "kafka-run-class.sh: $class is retired: type $1 instead" >&2; exit 1; }
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
  LeaderElectionCommand) script=kafka-leader-election.sh ;;
  PreferredReplicaLeaderElectionCommand) script=kafka-preferred-replica-election.sh ;;
  ReassignPartitionsCommand) script=kafka-reassign-partitions.sh ;;
  GetOffsetShell) script=kafka-get-offsets.sh ;;
  DeleteRecordsCommand) script=kafka-delete-records.sh ;;
  LogDirsCommand) script=kafka-log-dirs.sh ;;
  DumpLogSegments) script=kafka-dump-log.sh ;;
  BrokerApiVersionsCommand) script=kafka-broker-api-versions.sh ;;
  TransactionsCommand) script=kafka-transactions.sh ;;
  DelegationTokenCommand) script=kafka-delegation-tokens.sh ;;
  FeatureCommand) script=kafka-features.sh ;;
  EndToEndLatency) script=kafka-e2e-latency.sh ;;
  VerifiableProducer) script=kafka-verifiable-producer.sh ;;
  VerifiableConsumer) script=kafka-verifiable-consumer.sh ;;
  ReplicaVerificationTool) script=kafka-replica-verification.sh ;;
  StorageTool) script=kafka-storage.sh ;;
  JmxTool) script=kafka-jmx.sh ;;
  MirrorMaker) script=kafka-mirror-maker.sh ;;
  StreamsResetter) script=kafka-streams-application-reset.sh ;;
  ZkSecurityMigrator) script=zookeeper-security-migration.sh ;;
  MetadataQuorumCommand) script=kafka-metadata-quorum.sh ;;
  MetadataShell) script=kafka-metadata-shell.sh ;;
  ClientMetricsCommand) script=kafka-client-metrics.sh ;;
  ConnectDistributed) script=connect-distributed.sh ;;
  ConnectStandalone) script=connect-standalone.sh ;;
  ConnectPluginPath) script=connect-plugin-path.sh ;;
  Trogdor) script=trogdor.sh ;;
  ConsumerOffsetChecker) retired "kafka-consumer-groups.sh --describe --group GROUP" ;;
  SimpleConsumerShell) retired "kafka-console-consumer.sh --partition P --offset N" ;;
  ImportZkOffsets) retired "kafka-consumer-groups.sh --reset-offsets --from-file FILE" ;;
  ExportZkOffsets) retired "kafka-consumer-groups.sh --reset-offsets --export" ;;
  UpdateOffsetsInZK) retired "kafka-consumer-groups.sh --reset-offsets" ;;
  ClusterTool) script=kafka-cluster.sh ;;
  *) script= ;;
esac
if [ -z "$script" ] || [ ! -x "$here/$script" ]; then echo "kafka-run-class.sh: no tool here for the class $class" >&2; exit 1; fi
exec "$here/$script" "$@"
