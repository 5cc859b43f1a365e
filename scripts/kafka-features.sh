#!/bin/sh
# Shows feature flags, as Apache Kafka's script of this name. See: kafka-features.sh --help
exec "$(dirname -- "$(readlink -f -- "$0")")/ottla.sh" features "$@"
