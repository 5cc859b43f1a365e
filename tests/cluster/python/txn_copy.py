"""Copies a topic exactly once: what it read, what it wrote and how far it came are one transaction each time.

Run as: PROGRAM BOOTSTRAP SOURCE TARGET GROUP TRANSACTIONAL_ID TOTAL. Ends when the target's copy has TOTAL records; may be killed at any
time and started again. Prints "begun" after its first write in a transaction that is still open, and "copied N" after each commit.
"""

import sys

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from transactional import retry

bootstrap, source, target, group, transactional_id, total = sys.argv[1:7]
total = int(total)
BATCH = 20

consumer = Consumer(
    {
        "bootstrap.servers": bootstrap,
        "group.id": group,
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed",
        "session.timeout.ms": 6000,
        "heartbeat.interval.ms": 500,
    }
)
consumer.subscribe([source])
producer = Producer(
    {
        "bootstrap.servers": bootstrap,
        "transactional.id": transactional_id,
        "transaction.timeout.ms": 30000,
        "linger.ms": 0,
        "reconnect.backoff.max.ms": 500,
        # After the only broker was away librdkafka 2.16 would bootstrap anew, and wait for ever for the handle of the coordinator of before.
        "metadata.recovery.strategy": "none",
    }
)


retry(producer.init_transactions, 60)
copied = 0
while copied < total:
    messages = consumer.consume(BATCH, timeout=1)
    messages = [message for message in messages if not message.error()]
    if not messages:
        positions = consumer.committed([TopicPartition(source, 0)], timeout=30)
        if positions[0].offset >= total:
            break
        continue
    producer.begin_transaction()
    try:
        for message in messages:
            producer.produce(target, value=message.value(), partition=0)
        producer.flush(30)
        print("begun", flush=True)
        positions = [TopicPartition(source, 0, messages[-1].offset() + 1)]
        retry(producer.send_offsets_to_transaction, positions, consumer.consumer_group_metadata(), 30)
        retry(producer.commit_transaction, 30)
    except KafkaException as error:
        if not error.args[0].txn_requires_abort():
            raise
        retry(producer.abort_transaction, 30)
        for partition in consumer.committed([TopicPartition(source, 0)], timeout=30):
            consumer.seek(TopicPartition(source, 0, max(partition.offset, 0)))
        continue
    copied = messages[-1].offset() + 1
    print(f"copied {copied}", flush=True)
consumer.close()
