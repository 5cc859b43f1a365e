#!/bin/sh
# Shows and changes configs, quotas and SCRAM credentials, as Apache Kafka's script of this name. See: kafka-configs.sh --help
exec "$(dirname -- "$(readlink -f -- "$0")")/ottla.sh" configs "$@"
