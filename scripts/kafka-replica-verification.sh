#!/bin/sh
# Compares the replicas of topics, as Apache Kafka's script of this name. See: kafka-replica-verification.sh --help
exec "$(dirname -- "$(readlink -f -- "$0")")/ottla.sh" replica-verification "$@"
