#!/bin/sh
# Creates, lists, describes, grows and deletes topics, as Apache Kafka's script of this name. See: kafka-topics.sh --help
exec "$(dirname -- "$(readlink -f -- "$0")")/ottla.sh" topics "$@"
