#!/bin/sh
# Measures how fast records go to a topic, as Apache Kafka's script of this name. See: kafka-producer-perf-test.sh --help
exec "$(dirname -- "$(readlink -f -- "$0")")/ottla.sh" producer-perf-test "$@"
