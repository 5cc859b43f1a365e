import java.util.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.serialization.*;

/**
 * Java's transactional producer commits, aborts, moves offsets along and is fenced. Run with BOOTSTRAP SOURCE TARGET, topics of one
 * partition. Written against what the clients of 0.11 and of today have in common. Prints what happens to the zombie, what readers of
 * committed data see, and the group's offset.
 */
public class Transactions {
    static String bootstrap;

    static Properties common() {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", bootstrap);
        properties.put("key.serializer", StringSerializer.class.getName());
        properties.put("value.serializer", StringSerializer.class.getName());
        properties.put("key.deserializer", StringDeserializer.class.getName());
        properties.put("value.deserializer", StringDeserializer.class.getName());
        return properties;
    }

    static Producer<String, String> producer(String id) {
        Properties properties = common();
        properties.put("transactional.id", id);
        Producer<String, String> producer = new KafkaProducer<>(properties);
        producer.initTransactions();
        return producer;
    }

    static Consumer<String, String> consumer(String group) {
        Properties properties = common();
        properties.put("group.id", group);
        properties.put("enable.auto.commit", "false");
        properties.put("auto.offset.reset", "earliest");
        properties.put("isolation.level", "read_committed");
        return new KafkaConsumer<>(properties);
    }

    static void transaction(Producer<String, String> producer, String topic, boolean commit, String... values) {
        producer.beginTransaction();
        for (String value : values) producer.send(new ProducerRecord<>(topic, value));
        if (commit) producer.commitTransaction();
        else producer.abortTransaction();
    }

    /** Copies all that is committed in the source, exactly once. */
    @SuppressWarnings("deprecation") // what both versions have
    static void copy(String source, String target, int count) {
        Producer<String, String> producer = producer("copier");
        Consumer<String, String> consumer = consumer("group");
        TopicPartition partition = new TopicPartition(source, 0);
        consumer.assign(Collections.singletonList(partition));
        for (int copied = 0; copied < count; ) {
            ConsumerRecords<String, String> records = consumer.poll(1000);
            if (records.isEmpty()) continue;
            producer.beginTransaction();
            for (ConsumerRecord<String, String> record : records) producer.send(new ProducerRecord<>(target, record.value()));
            OffsetAndMetadata position = new OffsetAndMetadata(consumer.position(partition));
            producer.sendOffsetsToTransaction(Collections.singletonMap(partition, position), "group");
            producer.commitTransaction();
            copied += records.count();
        }
        producer.close();
        consumer.close();
    }

    @SuppressWarnings("deprecation")
    static String read(String topic, int count) {
        Consumer<String, String> consumer = consumer("reader");
        consumer.assign(Collections.singletonList(new TopicPartition(topic, 0)));
        List<String> values = new ArrayList<>();
        while (values.size() < count) {
            for (ConsumerRecord<String, String> record : consumer.poll(1000)) values.add(record.value());
        }
        consumer.close();
        return String.join(" ", values);
    }

    @SuppressWarnings("deprecation")
    public static void main(String[] args) {
        bootstrap = args[0];
        String source = args[1], target = args[2];
        Producer<String, String> first = producer("id");
        transaction(first, source, true, "a", "b");
        transaction(first, source, false, "x");
        transaction(first, source, true, "c");
        first.beginTransaction();
        first.send(new ProducerRecord<>(source, "zombie"));
        first.flush();
        Producer<String, String> second = producer("id");
        try {
            first.commitTransaction();
            System.out.println("the zombie committed");
        } catch (ProducerFencedException expected) {
            System.out.println("fenced");
        }
        transaction(second, source, true, "d");
        second.close();
        System.out.println(read(source, 4));
        copy(source, target, 4);
        System.out.println(read(target, 4));
        Consumer<String, String> group = consumer("group");
        System.out.println(group.committed(new TopicPartition(source, 0)).offset());
        group.close();
        System.exit(0); // a fenced producer of 0.11 does not close
    }
}
