#!/bin/sh
# Sends each line of standard input as a record, as Apache Kafka's script of this name. See: kafka-console-producer.sh --help
exec "$(dirname -- "$(readlink -f -- "$0")")/ottla.sh" console-producer "$@"
