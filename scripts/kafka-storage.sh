#!/usr/bin/env bash
# Of Kafka's kafka-storage.sh what makes sense with ZooKeeper: kafka-storage.sh random-uuid
set -eu
case ${1:-} in
  # A leading dash would look like an option where the id is used.
  random-uuid) id=-; while [ "${id#-}" != "$id" ]; do id=$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | tr -d '='); done; echo "$id" ;;
  format | info) echo "kafka-storage.sh: with ZooKeeper a log directory needs no $1: the broker prepares it when it starts" >&2; exit 1 ;;
  *) echo "usage: kafka-storage.sh random-uuid" >&2; exit 1 ;;
esac
