#!/bin/sh
# Moves partitions between brokers and log directories, as Apache Kafka's script of this name. See: kafka-reassign-partitions.sh --help
exec "$(dirname -- "$(readlink -f -- "$0")")/ottla.sh" reassign-partitions "$@"
