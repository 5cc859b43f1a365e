#!/bin/sh
# Reads as a group's member and tells of it as JSON, as Apache Kafka's script of this name. See: kafka-verifiable-consumer.sh --help
exec "$(dirname -- "$(readlink -f -- "$0")")/ottla.sh" verifiable-consumer "$@"
