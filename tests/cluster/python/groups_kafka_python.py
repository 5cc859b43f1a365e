"""Two kafka-python consumers share a group's partitions, commit, and hand over when one leaves.

Run as: PROGRAM BOOTSTRAP TOPIC GROUP. The topic, of four partitions, is made here. Prints each partition's committed offset.
"""

import sys
import threading
import time

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic

bootstrap, topic, group = sys.argv[1:4]
PARTITIONS = 4
RECORDS = 10  # in each partition

admin = KafkaAdminClient(bootstrap_servers=bootstrap)
admin.create_topics([NewTopic(topic, PARTITIONS, 1)])
admin.close()

seen = []


class Member(threading.Thread):
    """kafka-python waits inside poll for the others of its group: each member has a thread."""

    def __init__(self, name):
        super().__init__(daemon=True)
        self.consumer = KafkaConsumer(
            topic,
            bootstrap_servers=bootstrap,
            group_id=group,
            client_id=name,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=6000,
            heartbeat_interval_ms=500,
        )
        self.owned = frozenset()
        self.leaving = threading.Event()
        self.start()

    def run(self):
        while not self.leaving.is_set():
            messages = self.consumer.poll(100)
            for batch in messages.values():
                seen.extend((m.partition, m.offset) for m in batch)
            if messages:
                self.consumer.commit()
            self.owned = frozenset(p.partition for p in self.consumer.assignment())
        self.consumer.close()


def eventually(what, done):
    end = time.monotonic() + 60
    while not done():
        assert time.monotonic() < end, f"not within a minute: {what}"
        time.sleep(0.05)


first = Member("first")
eventually("one member has all", lambda: len(first.owned) == PARTITIONS)
second = Member("second")
eventually("two members share", lambda: len(first.owned) == len(second.owned) == 2)
assert first.owned | second.owned == set(range(PARTITIONS))

producer = KafkaProducer(bootstrap_servers=bootstrap, acks="all")
for partition in range(PARTITIONS):
    for i in range(RECORDS):
        producer.send(topic, f"{partition}-{i}".encode(), partition=partition)
producer.flush(30)
eventually("all records", lambda: len(seen) >= PARTITIONS * RECORDS)
assert sorted(seen) == [(p, o) for p in range(PARTITIONS) for o in range(RECORDS)], seen
second.leaving.set()
second.join(30)
eventually("the one that stays has all", lambda: len(first.owned) == PARTITIONS)
first.leaving.set()
first.join(30)

reader = KafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
for partition in range(PARTITIONS):
    print(partition, reader.committed(TopicPartition(topic, partition)))
reader.close()
