#!/bin/sh
# Deletes the records before given offsets, as Apache Kafka's script of this name. See: kafka-delete-records.sh --help
exec "$(dirname -- "$(readlink -f -- "$0")")/ottla.sh" delete-records "$@"
