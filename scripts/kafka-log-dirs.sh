#!/bin/sh
# Prints what lies in the log directories of brokers, as Apache Kafka's script of this name. See: kafka-log-dirs.sh --help
exec "$(dirname -- "$(readlink -f -- "$0")")/ottla.sh" log-dirs "$@"
