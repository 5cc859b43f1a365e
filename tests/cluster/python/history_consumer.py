"""Reads all partitions of a topic from their beginning until SIGTERM, and prints each record.

history_consumer.py BOOTSTRAP TOPIC PARTITIONS NAME BACK

BACK is 0, or how many records it goes back now and then, to read again what it has read.

R PARTITION OFFSET VALUE    a record
S PARTITION                 what follows of the partition may be read from elsewhere
E PARTITION REASON          an error that is no matter of connections: an offset that is gone, a log that was cut
END
"""

import random
import signal
import sys
import time

from confluent_kafka import Consumer, KafkaError, TopicPartition

bootstrap, topic, partitions, name, back = sys.argv[1:]
partitions, back = int(partitions), int(back)
stopping = False
GRAVE = {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE, KafkaError._LOG_TRUNCATION, KafkaError._BAD_MSG}


def stop(*_):
    global stopping
    stopping = True


signal.signal(signal.SIGTERM, stop)
out = sys.stdout
consumer = Consumer(
    {
        "bootstrap.servers": bootstrap,
        "group.id": name,
        "enable.auto.commit": False,
        "auto.offset.reset": "error",
        "socket.timeout.ms": 4000,
        "reconnect.backoff.max.ms": 500,
        "topic.metadata.refresh.interval.ms": 2000,
        "log_level": 0,
    }
)
consumer.assign([TopicPartition(topic, partition, 0) for partition in range(partitions)])
position = {partition: 0 for partition in range(partitions)}
next_jump = time.monotonic() + 3
while not stopping:
    for message in consumer.consume(500, 0.1):
        error = message.error()
        if error is None:
            value = message.value().decode().split(" ", 1)[0]
            out.write(f"R {message.partition()} {message.offset()} {value}\n")
            position[message.partition()] = message.offset() + 1
        elif error.code() in GRAVE:
            out.write(f"E {message.partition()} {error.name()}\n")
    if back and time.monotonic() > next_jump:
        next_jump = time.monotonic() + 3
        partition = random.randrange(partitions)
        offset = max(0, position[partition] - random.randrange(back))
        out.write(f"S {partition}\n")
        try:
            consumer.seek(TopicPartition(topic, partition, offset))
        except Exception:  # its leader is not known at this moment: another time
            pass
    out.flush()
consumer.close()
out.write("END\n")
out.flush()
