"""confluent-kafka (librdkafka, newer than Debian's kcat) against a broker: see common.py."""

import time

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from common import CODECS, TOTAL, arguments, finish, records

bootstrap, topic = arguments()

admin = AdminClient({"bootstrap.servers": bootstrap})  # kept: it takes its pending calls with it
for future in admin.create_topics([NewTopic(topic, 1, 1)]).values():
    future.result(30)

failures = []
for codec in CODECS:
    producer = Producer(
        {"bootstrap.servers": bootstrap, "compression.codec": codec, "linger.ms": 50, "enable.idempotence": codec != "gzip"}
    )
    for key, value in records(codec):
        producer.produce(
            topic, value, key, partition=0, headers=[("client", b"python")],
            on_delivery=lambda error, _: failures.append(error) if error else None,
        )
    assert producer.flush(30) == 0, "records left after the flush"
assert not failures, failures

consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "unused", "enable.auto.commit": False})
consumer.assign([TopicPartition(topic, 0, 0)])
read, end = [], time.monotonic() + 30
while len(read) < TOTAL and time.monotonic() < end:
    message = consumer.poll(1)
    if message is not None:
        assert message.error() is None, message.error()
        read.append((message.offset(), message.key(), message.value(), message.headers()))
assert consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=10) == (0, TOTAL)
consumer.close()
finish(read)
