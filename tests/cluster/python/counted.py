"""Writes numbered records with acks=all to each partition of a topic, to every partition with another codec.

counted.py BOOTSTRAP TOPIC PARTITIONS FIRST COUNT idempotent|plain     prints `PARTITION VALUE` for each that was acknowledged
"""

import sys

from confluent_kafka import Producer

from common import CODECS

bootstrap, topic, partitions, first, count, kind = sys.argv[1:]
first, count = int(first), int(count)


def delivered(error, message):
    if error is None:
        print(message.partition(), message.value().decode())
    else:
        print(f"{message.partition()} failed: {error}", file=sys.stderr)


producers = []
for partition in range(int(partitions)):
    codec = CODECS[partition % len(CODECS)]
    settings = {"bootstrap.servers": bootstrap, "acks": "all", "compression.codec": codec, "linger.ms": 5, "batch.num.messages": 20}
    if kind == "idempotent":
        settings["enable.idempotence"] = True
    else:
        settings["max.in.flight"] = 1  # in order, also when one is sent again
    producer = Producer(settings)
    for number in range(first, first + count):
        value = f"{topic}-{partition}-{number} {codec} {'x' * (number * 7919 % 200)}"
        producer.produce(topic, value, f"key-{number}", partition=partition, on_delivery=delivered)
    producers.append(producer)
for producer in producers:
    producer.flush(60)
