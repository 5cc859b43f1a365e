#!/bin/sh
# Prints offsets of partitions by time, as Apache Kafka's script of this name. See: kafka-get-offsets.sh --help
exec "$(dirname -- "$(readlink -f -- "$0")")/ottla.sh" get-offsets "$@"
