#!/bin/sh
# Prints what segments, indexes and snapshots hold, as Apache Kafka's script of this name. See: kafka-dump-log.sh --help
exec "$(dirname -- "$(readlink -f -- "$0")")/ottla.sh" dump-log "$@"
