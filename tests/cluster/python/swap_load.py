"""An idempotent producer with acks=all, at a steady rate until SIGTERM.

swap_load.py BOOTSTRAP TOPIC PARTITIONS RATE

A PARTITION OFFSET VALUE LATENCY_MS TIME_MS    acknowledged; the time is that of a clock that only goes forward
F PARTITION VALUE REASON                       failed
END COUNT                                      all that were begun are accounted for
"""

import signal
import sys
import time

from confluent_kafka import Producer

bootstrap, topic, partitions, rate = sys.argv[1:]
partitions, rate = int(partitions), float(rate)
stopping = False


def stop(*_):
    global stopping
    stopping = True


signal.signal(signal.SIGTERM, stop)
out = sys.stdout


def delivered(error, message):
    value, partition = message.value().decode().split(" ", 1)[0], message.partition()
    if error is None:
        latency, now = round(message.latency() * 1000), round(time.monotonic() * 1000)
        out.write(f"A {partition} {message.offset()} {value} {latency} {now}\n")
    else:
        out.write(f"F {partition} {value} {error.name()}\n")


producer = Producer(
    {
        "bootstrap.servers": bootstrap,
        "acks": "all",
        "enable.idempotence": True,
        "linger.ms": 2,
        "message.timeout.ms": 60000,
        "reconnect.backoff.max.ms": 500,
        "log_level": 0,
    }
)
number, began = 0, time.monotonic()
while not stopping:
    due = (time.monotonic() - began) * rate
    while number < due and len(producer) < 5000:
        producer.produce(
            topic, f"record-{number:08} {'x' * (number * 7919 % 200)}", partition=number % partitions, on_delivery=delivered
        )
        number += 1
    producer.poll(0.005)
    out.flush()
producer.flush()
out.write(f"END {number}\n")
out.flush()
