#!/bin/sh
# Lists, describes, resets and deletes consumer groups, as Apache Kafka's script of this name. See: kafka-consumer-groups.sh --help
exec "$(dirname -- "$(readlink -f -- "$0")")/ottla.sh" consumer-groups "$@"
