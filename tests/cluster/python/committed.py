"""Commits an offset of partition 0 for a group, where one is given, and prints what the group has committed.

committed.py BOOTSTRAP GROUP TOPIC [OFFSET]
"""

import sys

from confluent_kafka import Consumer, TopicPartition

bootstrap, group, topic = sys.argv[1:4]
consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "enable.auto.commit": False, "log_level": 0})
if len(sys.argv) > 4:
    consumer.commit(offsets=[TopicPartition(topic, 0, int(sys.argv[4]))], asynchronous=False)
for committed in consumer.committed([TopicPartition(topic, 0)], timeout=60):
    assert committed.error is None, committed.error
    print(committed.offset)
consumer.close()
