#!/bin/sh
# Prints the APIs and versions each broker speaks, as Apache Kafka's script of this name. See: kafka-broker-api-versions.sh --help
exec "$(dirname -- "$(readlink -f -- "$0")")/ottla.sh" broker-api-versions "$@"
