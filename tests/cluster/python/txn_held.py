"""Holds a transaction open until a file is there, then writes more and commits.

txn_held.py BOOTSTRAP TOPIC TRANSACTIONAL_ID FILE    prints "open", then "committed"
"""

import os
import sys
import time

from confluent_kafka import Producer

from transactional import retry

bootstrap, topic, transactional_id, file = sys.argv[1:]
producer = Producer(
    {
        "bootstrap.servers": bootstrap,
        "transactional.id": transactional_id,
        "transaction.timeout.ms": 300000,
        "linger.ms": 0,
        "reconnect.backoff.max.ms": 500,
        "log_level": 0,
        "metadata.recovery.strategy": "none",  # as in txn_copy.py
    }
)


def write(what):
    for i in range(10):
        producer.produce(topic, f"{transactional_id} {what} {i}", partition=0)
    assert producer.flush(60) == 0


retry(producer.init_transactions, 60)
producer.begin_transaction()
write("before")
print("open", flush=True)
while not os.path.exists(file):
    time.sleep(0.05)
write("after")
retry(producer.commit_transaction, 60)
print("committed", flush=True)
