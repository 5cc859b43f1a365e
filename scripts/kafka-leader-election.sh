#!/bin/sh
# Elects preferred or unclean leaders, as Apache Kafka's script of this name. See: kafka-leader-election.sh --help
exec "$(dirname -- "$(readlink -f -- "$0")")/ottla.sh" leader-election "$@"
