"""What the transactional programs share."""

import time

from confluent_kafka import KafkaException


def retry(call, *arguments):
    """Runs a call of the transactional API until it succeeds, or can't any more."""
    while True:
        try:
            return call(*arguments)
        except KafkaException as error:
            if not error.args[0].retriable():
                raise
            time.sleep(0.1)
