#!/bin/sh
# Prints the cluster's id, as Apache Kafka's script of this name. See: kafka-cluster.sh --help
exec "$(dirname -- "$(readlink -f -- "$0")")/ottla.sh" cluster "$@"
