"""Writes transactions with keyed records to partition 0 of a topic: every third one is aborted, every fourth deletes keys.

transactions.py BOOTSTRAP TOPIC FIRST COUNT     numbers FIRST to FIRST + COUNT - 1; prints `KEY VALUE` of what was committed, deleted
                                                keys without a value
"""

import sys

from confluent_kafka import Producer

bootstrap, topic, first, count = sys.argv[1:]
producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": f"writer-{topic}", "linger.ms": 0})
producer.init_transactions(60)
for number in range(int(first), int(first) + int(count)):
    producer.begin_transaction()
    written = []
    for i in range(6):
        key = f"txn{(number * 5 + i) % 17}"
        value = None if number % 4 == 3 and i % 2 else f"{number}-{i} {'t' * 60}"
        producer.produce(topic, value, key, partition=0)
        written.append((key, value))
    producer.flush(60)
    if number % 3 == 2:
        producer.abort_transaction(60)
        continue
    producer.commit_transaction(60)
    for key, value in written:
        print(key, value or "", flush=True)
