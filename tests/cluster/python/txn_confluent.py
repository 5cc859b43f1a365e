"""A transactional producer of confluent-kafka commits, aborts and is fenced; a consumer reads what is committed.

Run as: PROGRAM BOOTSTRAP TOPIC. The topic is there. Prints what a reader of committed data and one of everything see, and the zombie's
fate.
"""

import sys

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

bootstrap, topic = sys.argv[1:3]


def producer():
    made = Producer({"bootstrap.servers": bootstrap, "transactional.id": "confluent", "linger.ms": 0})
    made.init_transactions(60)
    return made


def transaction(of, values, commit):
    of.begin_transaction()
    for value in values:
        of.produce(topic, value=value, partition=0)
    of.flush(30)
    if commit:
        of.commit_transaction(30)
    else:
        of.abort_transaction(30)


def read(isolation):
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "unused",
            "enable.auto.commit": False,
            "isolation.level": isolation,
            "enable.partition.eof": True,
        }
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    values = []
    while True:
        message = consumer.poll(30)
        assert message is not None, "neither a record nor the end"
        if message.error():
            consumer.close()
            return " ".join(values)
        values.append(message.value().decode())


first = producer()
transaction(first, ["a", "b"], True)
transaction(first, ["x", "y"], False)
transaction(first, ["c"], True)
first.begin_transaction()
first.produce(topic, value="zombie", partition=0)
first.flush(30)
second = producer()
try:
    first.commit_transaction(30)
    print("the zombie committed")
except KafkaException as error:
    print("fenced" if error.args[0].fatal() else f"not fatal: {error}")
transaction(second, ["d"], True)
print(read("read_committed"))
print(read("read_uncommitted"))
