import java.util.*;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.ConfigResource;

/**
 * What a graphical tool asks of a cluster, through Java's Admin: AdminCalls BOOTSTRAP TOPIC GROUP, a topic of one partition with records and a
 * group without members that has committed. Prints one line a call, of what is the same in every run.
 */
public class AdminCalls {
    static <T> T get(KafkaFuture<T> future) throws Exception {
        return future.get(60, TimeUnit.SECONDS);
    }

    public static void main(String[] args) throws Exception {
        String topic = args[1], group = args[2];
        Properties properties = new Properties();
        properties.put("bootstrap.servers", args[0]);
        try (Admin admin = Admin.create(properties)) {
            DescribeClusterResult cluster = admin.describeCluster();
            List<Integer> nodes = get(cluster.nodes()).stream().map(Node::id).sorted().collect(Collectors.toList());
            System.out.println("cluster " + nodes + " controller " + (get(cluster.controller()) != null) + " id " + (get(cluster.clusterId()).length()));
            System.out.println("topics " + new TreeSet<>(get(admin.listTopics().names())));
            TopicDescription described = get(admin.describeTopics(Collections.singleton(topic)).allTopicNames()).get(topic);
            System.out.println("topic " + described.partitions().size() + " " + described.isInternal() + " " + (described.topicId().equals(Uuid.ZERO_UUID)));

            // Every key of every kind, with where its value is from.
            List<ConfigResource> resources = new ArrayList<>();
            resources.add(new ConfigResource(ConfigResource.Type.TOPIC, topic));
            resources.add(new ConfigResource(ConfigResource.Type.TOPIC, "__consumer_offsets"));
            resources.add(new ConfigResource(ConfigResource.Type.BROKER, "0"));
            resources.add(new ConfigResource(ConfigResource.Type.BROKER_LOGGER, "0"));
            DescribeConfigsOptions all = new DescribeConfigsOptions().includeSynonyms(true).includeDocumentation(true);
            Map<ConfigResource, Config> configs = get(admin.describeConfigs(resources, all).all());
            for (ConfigResource resource : resources.subList(0, 2)) {
                List<ConfigEntry> entries = new ArrayList<>(configs.get(resource).entries());
                entries.sort(Comparator.comparing(ConfigEntry::name));
                for (ConfigEntry entry : entries) {
                    System.out.println(resource.name() + " " + entry.name() + "=" + entry.value() + " " + entry.source() + " " + entry.type() + " "
                        + entry.isReadOnly() + " " + entry.isSensitive() + " " + (entry.documentation() != null && !entry.documentation().isEmpty()));
                }
            }
            Set<String> keys = configs.get(resources.get(2)).entries().stream().map(ConfigEntry::name).collect(Collectors.toSet());
            System.out.println("broker " + keys.containsAll(Arrays.asList("log.dirs", "log.retention.hours", "zookeeper.connect", "num.io.threads")));
            System.out.println("loggers " + !configs.get(resources.get(3)).entries().isEmpty());

            Map<String, LogDirDescription> dirs = get(admin.describeLogDirs(Collections.singleton(0)).allDescriptions()).get(0);
            for (LogDirDescription dir : dirs.values()) {
                ReplicaInfo replica = dir.replicaInfos().get(new TopicPartition(topic, 0));
                System.out.println("dir " + dir.error() + " " + (replica.size() > 0) + " " + replica.offsetLag() + " " + replica.isFuture() + " "
                    + dir.totalBytes().isPresent() + " " + dir.usableBytes().isPresent());
            }

            System.out.println("groups " + get(admin.listConsumerGroups().all()).stream()
                .map(g -> g.groupId() + " " + g.state().get() + " " + g.isSimpleConsumerGroup()).sorted().collect(Collectors.toList()));
            ConsumerGroupDescription of = get(admin.describeConsumerGroups(Collections.singleton(group),
                new DescribeConsumerGroupsOptions().includeAuthorizedOperations(true)).all()).get(group);
            System.out.println("group " + of.state() + " " + of.members().size() + " " + of.partitionAssignor() + " " + of.coordinator().id() + " "
                + new TreeSet<>(of.authorizedOperations()));
            Map<TopicPartition, OffsetAndMetadata> offsets = get(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata());
            System.out.println("offsets " + offsets.entrySet().stream().map(e -> e.getKey() + " " + e.getValue().offset()).sorted()
                .collect(Collectors.toList()));
            TopicPartition partition = new TopicPartition(topic, 0);
            System.out.println("ends " + get(admin.listOffsets(Collections.singletonMap(partition, OffsetSpec.earliest())).all()).get(partition).offset() + " "
                + get(admin.listOffsets(Collections.singletonMap(partition, OffsetSpec.latest())).all()).get(partition).offset() + " "
                + get(admin.listOffsets(Collections.singletonMap(partition, OffsetSpec.maxTimestamp())).all()).get(partition).offset());
            get(admin.alterConsumerGroupOffsets(group, Collections.singletonMap(partition, new OffsetAndMetadata(1))).all());
            System.out.println("altered " + get(admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata()).get(partition).offset());
            get(admin.deleteConsumerGroupOffsets(group, Collections.singleton(partition)).all());
            System.out.println("left " + get(admin.listConsumerGroups().all()).size());
            get(admin.alterConsumerGroupOffsets(group, Collections.singletonMap(partition, new OffsetAndMetadata(2))).all());
            get(admin.deleteConsumerGroups(Collections.singleton(group)).all());
            System.out.println("deleted " + get(admin.listConsumerGroups().all()).size());
            DescribeProducersResult.PartitionProducerState producers = get(admin.describeProducers(Collections.singleton(partition)).all()).get(partition);
            System.out.println("producers " + producers.activeProducers().size());
            System.out.println("transactions " + get(admin.listTransactions().all()).size());
            System.out.println("reassignments " + get(admin.listPartitionReassignments().reassignments()).size());
            System.out.println("features " + get(admin.describeFeatures().featureMetadata()).finalizedFeatures());
            System.out.println("tokens, quotas, users:");
            for (Object[] call : new Object[][] {
                {"acls", admin.describeAcls(org.apache.kafka.common.acl.AclBindingFilter.ANY).values()},
                {"quotas", admin.describeClientQuotas(org.apache.kafka.common.quota.ClientQuotaFilter.all()).entities()},
                {"users", admin.describeUserScramCredentials().all()},
                {"tokens", admin.describeDelegationToken().delegationTokens()},
                {"quorum", admin.describeMetadataQuorum().quorumInfo()},
            }) {
                try {
                    System.out.println(call[0] + " " + get((KafkaFuture<?>) call[1]));
                } catch (java.util.concurrent.ExecutionException e) {
                    System.out.println(call[0] + " " + e.getCause().getClass().getSimpleName());
                }
            }
        }
    }
}
