"""Two confluent-kafka consumers share a group's partitions, commit, and hand over when one leaves.

Run as: PROGRAM BOOTSTRAP TOPIC GROUP STRATEGY. The topic, of four partitions, is made here. Prints each partition's committed offset.
"""

import sys
import time

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

bootstrap, topic, group, strategy = sys.argv[1:5]
PARTITIONS = 4
RECORDS = 10  # in each partition

admin = AdminClient({"bootstrap.servers": bootstrap})
for future in admin.create_topics([NewTopic(topic, PARTITIONS, 1)]).values():
    future.result(30)


def member(client_id):
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "client.id": client_id,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "partition.assignment.strategy": strategy,
            "session.timeout.ms": 6000,
            "heartbeat.interval.ms": 500,
        }
    )
    consumer.subscribe([topic])
    return consumer


seen = []


def poll_until(what, done, members):
    end = time.monotonic() + 60
    while not done():
        assert time.monotonic() < end, f"not within a minute: {what}"
        for consumer in members:
            message = consumer.poll(0.1)
            if message is not None:
                assert message.error() is None, message.error()
                seen.append((message.partition(), message.offset()))


def owned(consumer):
    return [p.partition for p in consumer.assignment()]


first = member("first")
poll_until("one member has all", lambda: len(owned(first)) == PARTITIONS, [first])
second = member("second")
poll_until("two members share", lambda: len(owned(first)) == len(owned(second)) == 2, [first, second])
assert sorted(owned(first) + owned(second)) == list(range(PARTITIONS))

producer = Producer({"bootstrap.servers": bootstrap})
for partition in range(PARTITIONS):
    for i in range(RECORDS):
        producer.produce(topic, f"{partition}-{i}".encode(), partition=partition)
assert producer.flush(30) == 0
poll_until("all records", lambda: len(seen) >= PARTITIONS * RECORDS, [first, second])
assert sorted(seen) == [(p, o) for p in range(PARTITIONS) for o in range(RECORDS)], seen
for consumer in (first, second):
    for committed in consumer.commit(asynchronous=False):
        assert committed.error is None, committed.error
second.close()
poll_until("the one that stays has all", lambda: len(owned(first)) == PARTITIONS, [first])
partitions = [TopicPartition(topic, p) for p in range(PARTITIONS)]
for committed in first.committed(partitions, timeout=30):
    print(committed.partition, committed.offset)
first.close()
