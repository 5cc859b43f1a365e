#!/bin/sh
# Measures how fast a topic is read, as Apache Kafka's script of this name. See: kafka-consumer-perf-test.sh --help
exec "$(dirname -- "$(readlink -f -- "$0")")/ottla.sh" consumer-perf-test "$@"
