"""kafka-python (all Python) against a broker: see common.py."""

import time

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic

from common import CODECS, TOTAL, arguments, finish, records

bootstrap, topic = arguments()

admin = KafkaAdminClient(bootstrap_servers=bootstrap)
admin.create_topics([NewTopic(topic, 1, 1)])
admin.close()

for codec in CODECS:
    producer = KafkaProducer(
        bootstrap_servers=bootstrap, compression_type=None if codec == "none" else codec, acks="all", linger_ms=50
    )
    sent = [
        producer.send(topic, value, key, partition=0, headers=[("client", b"python")]) for key, value in records(codec)
    ]
    producer.flush(30)
    for future in sent:
        future.get(30)
    producer.close()

partition = TopicPartition(topic, 0)
consumer = KafkaConsumer(bootstrap_servers=bootstrap, group_id=None, enable_auto_commit=False)
consumer.assign([partition])
consumer.seek(partition, 0)
read, end = [], time.monotonic() + 30
while len(read) < TOTAL and time.monotonic() < end:
    for messages in consumer.poll(1000).values():
        read.extend((m.offset, m.key, m.value, [tuple(h) for h in m.headers]) for m in messages)
assert consumer.beginning_offsets([partition]) == {partition: 0}
assert consumer.end_offsets([partition]) == {partition: TOTAL}
consumer.close()
finish(read)
