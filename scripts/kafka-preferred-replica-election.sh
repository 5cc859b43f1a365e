#!/bin/sh
# Retired in Kafka 3.0.
echo "kafka-preferred-replica-election.sh: retired: type kafka-leader-election.sh --election-type preferred instead" >&2
exit 1
