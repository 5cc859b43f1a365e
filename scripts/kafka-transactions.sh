#!/bin/sh
# Lists, describes, finds and aborts transactions, as Apache Kafka's script of this name. See: kafka-transactions.sh --help
exec "$(dirname -- "$(readlink -f -- "$0")")/ottla.sh" transactions "$@"
