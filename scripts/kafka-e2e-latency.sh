#!/bin/sh
# Measures the way of a record from a producer to a consumer, as Apache Kafka's script of this name. See: kafka-e2e-latency.sh --help
exec "$(dirname -- "$(readlink -f -- "$0")")/ottla.sh" e2e-latency "$@"
