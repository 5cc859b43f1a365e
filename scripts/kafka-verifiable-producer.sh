#!/bin/sh
# Sends numbers and tells of each as JSON, as Apache Kafka's script of this name. See: kafka-verifiable-producer.sh --help
exec "$(dirname -- "$(readlink -f -- "$0")")/ottla.sh" verifiable-producer "$@"
