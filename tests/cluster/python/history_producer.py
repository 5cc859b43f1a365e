"""Writes numbered values with acks=all until SIGTERM, and prints what became of each.

history_producer.py BOOTSTRAP TOPIC PARTITIONS NAME RATE idempotent|plain [DELIVERY_TIMEOUT_MS]

A PARTITION OFFSET VALUE    acknowledged; offset -1 when the broker had it already and does not say where
F PARTITION VALUE REASON    failed: it may be there or not
E -1 REASON                 it can't go on, as the broker does not know what it acknowledged
G PARTITION MS              the longest time between two acknowledgements, at the end
END COUNT                   all that were begun are accounted for
"""

import logging
import signal
import sys
import time

from confluent_kafka import KafkaException, Producer

bootstrap, topic, partitions, name, rate, kind = sys.argv[1:7]
timeout_ms = int(sys.argv[7]) if len(sys.argv) > 7 else 20000
partitions, rate = int(partitions), float(rate)
stopping = False
last_ack, gaps = {}, {}


def stop(*_):
    global stopping
    stopping = True


signal.signal(signal.SIGTERM, stop)
out = sys.stdout


def delivered(error, message):
    value = message.value().decode().split(" ", 1)[0]
    if error is None:
        now, partition = time.monotonic(), message.partition()
        gaps[partition] = max(gaps.get(partition, 0), now - last_ack.get(partition, now))
        last_ack[partition] = now
        out.write(f"A {message.partition()} {message.offset()} {value}\n")
    else:
        out.write(f"F {message.partition()} {value} {error.name()}\n")


quiet = logging.Logger("quiet")
quiet.addHandler(logging.NullHandler())
producer = Producer(
    {
        "bootstrap.servers": bootstrap,
        "acks": "all",
        "enable.idempotence": kind == "idempotent",
        "linger.ms": 2,
        "message.timeout.ms": timeout_ms,
        "request.timeout.ms": 3000,
        "socket.timeout.ms": 4000,
        "reconnect.backoff.max.ms": 500,
        "topic.metadata.refresh.interval.ms": 2000,
    },
    logger=quiet,
)
number = 0
began = time.monotonic()
try:
    while not stopping:
        due = (time.monotonic() - began) * rate
        while number < due and len(producer) < 1000:
            value = f"{name}-{number:08} {'x' * (number * 7919 % 200)}"
            producer.produce(topic, value, partition=number % partitions, on_delivery=delivered)
            number += 1
        if number < due:  # what could not be sent in time is not made up for in a rush
            began = time.monotonic() - number / rate
        producer.poll(0.005)
        out.flush()
    producer.flush()
except KafkaException as fatal:
    out.write(f"E -1 {fatal.args[0].name()}\n")
for partition, gap in sorted(gaps.items()):
    out.write(f"G {partition} {round(gap * 1000)}\n")
out.write(f"END {number}\n")
out.flush()
