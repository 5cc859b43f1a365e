"""Produces numbered records to partition 0 of a topic without end, and prints `OFFSET VALUE` for each that the broker acknowledged.

acknowledged.py BOOTSTRAP TOPIC     ends when it is killed, or once the broker has been gone for a while
"""

import time

from confluent_kafka import Producer

from common import arguments

bootstrap, topic = arguments()
last_answer = time.monotonic()


def delivered(error, message):
    global last_answer
    if error is None:
        last_answer = time.monotonic()
        print(message.offset(), message.value().decode(), flush=True)


producer = Producer(
    {"bootstrap.servers": bootstrap, "acks": "all", "linger.ms": 2, "message.timeout.ms": 3000, "log_level": 0}
)
number = 0
while time.monotonic() < last_answer + 20:  # longer than a session lasts: leadership moves only then
    if len(producer) < 500:
        producer.produce(topic, f"record-{number:08}-{'x' * 100}", partition=0, on_delivery=delivered)
        number += 1
    producer.poll(0 if len(producer) < 500 else 0.01)
