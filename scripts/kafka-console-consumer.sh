#!/bin/sh
# Prints the records of topics, as Apache Kafka's script of this name. See: kafka-console-consumer.sh --help
exec "$(dirname -- "$(readlink -f -- "$0")")/ottla.sh" console-consumer "$@"
