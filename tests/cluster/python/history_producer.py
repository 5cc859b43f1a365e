"""Writes numbered values with acks=all until SIGTERM, and prints what became of each.

history_producer.py BOOTSTRAP TOPIC PARTITIONS NAME RATE idempotent|plain

A PARTITION OFFSET VALUE    acknowledged; offset -1 when the broker had it already and does not say where
F PARTITION VALUE REASON    failed: it may be there or not
E -1 REASON                 it can't go on, as the broker does not know what it acknowledged
END COUNT                   all that were begun are accounted for
"""

import logging
import signal
import sys
import time

from confluent_kafka import KafkaException, Producer

bootstrap, topic, partitions, name, rate, kind = sys.argv[1:]
partitions, rate = int(partitions), float(rate)
stopping = False


def stop(*_):
    global stopping
    stopping = True


signal.signal(signal.SIGTERM, stop)
out = sys.stdout


def delivered(error, message):
    value = message.value().decode().split(" ", 1)[0]
    if error is None:
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
        "message.timeout.ms": 20000,
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
out.write(f"END {number}\n")
out.flush()
