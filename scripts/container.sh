#!/usr/bin/env bash
# Entry point of the container image.
#
#   container.sh [broker]     starts a broker that is configured by the environment
#   container.sh health       succeeds when the broker in this container is well
#   container.sh COMMAND ..   any other command
#
# The environment is that of Bitnami's image for Kafka:
#   KAFKA_CFG_LOG_RETENTION_HOURS=24   log.retention.hours, laid over the stock config/server.properties; any key can be given in this way
#   KAFKA_LOG_RETENTION_HOURS=24       the same; weaker
#   ALLOW_PLAINTEXT_LISTENER=yes       has to be said while a listener is PLAINTEXT
# Data lies in /bitnami/kafka/data. A server.properties mounted as /bitnami/kafka/config/server.properties is used as it is: then no
# variable counts. Without a broker.id the broker asks ZooKeeper for one and keeps it with its data.
set -euo pipefail

home=$(dirname "$(dirname "$(readlink -f "$0")")")
volume=${OTTLA_VOLUME:-/bitnami/kafka}
health_address=127.0.0.1:9644
mounted=$volume/config/server.properties

say() { printf 'container.sh: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
is_yes() { case ${1,,} in yes | true | 1) true ;; *) false ;; esac; }
# is_set NAME: a variable that is there and not empty.
is_set() { [ -n "${!1:-}" ]; }

# either KEY: the value of KAFKA_CFG_KEY or KAFKA_KEY.
either() { local strong=KAFKA_CFG_$1 weak=KAFKA_$1; printf '%s' "${!strong:-${!weak:-}}"; }

# key_of FILE KEY: its value in a properties file.
key_of() { sed -n "s/^[[:space:]]*${2//./\\.}[[:space:]]*[=:][[:space:]]*//p" "$1" | tail -n 1; }

# becomes OLD NEW VALUE: an older image's variable is taken for today's, which wins where it is set.
becomes() {
  if [ -z "$(either "$2")" ]; then
    say "$1 is of an older image: taken as KAFKA_CFG_$2=$3"
    export "KAFKA_CFG_$2=$3"
  else
    say "$1 is of an older image and has no effect beside KAFKA_CFG_$2"
  fi
}

translate_older_variables() {
  if is_set KAFKA_ADVERTISED_HOST_NAME; then
    becomes KAFKA_ADVERTISED_HOST_NAME ADVERTISED_LISTENERS \
      "PLAINTEXT://$KAFKA_ADVERTISED_HOST_NAME:${KAFKA_ADVERTISED_PORT:-${KAFKA_PORT_NUMBER:-9092}}"
  fi
  if is_set KAFKA_PORT_NUMBER; then becomes KAFKA_PORT_NUMBER LISTENERS "PLAINTEXT://:$KAFKA_PORT_NUMBER"; fi
  if is_set KAFKA_LOGS_DIRS; then becomes KAFKA_LOGS_DIRS LOG_DIRS "$KAFKA_LOGS_DIRS"; fi
  unset KAFKA_ADVERTISED_HOST_NAME KAFKA_ADVERTISED_PORT KAFKA_PORT_NUMBER KAFKA_LOGS_DIRS
}

# What a broker can't do for its user is said before it starts.
refuse() {
  if is_set KAFKA_CREATE_TOPICS; then
    die "KAFKA_CREATE_TOPICS is not known here: create topics once the broker is up, by kafka-topics.sh --create in this image"
  fi
  local name
  for name in BROKER_ID_COMMAND HOSTNAME_COMMAND RACK_COMMAND; do
    if is_set "$name"; then die "$name is not known here: give the value itself, as KAFKA_CFG_BROKER_ID, .._ADVERTISED_LISTENERS or .._BROKER_RACK"; fi
  done
  for name in KAFKA_ENABLE_KRAFT KAFKA_CFG_PROCESS_ROLES KAFKA_PROCESS_ROLES; do
    if is_set "$name" && [ "${!name,,}" != no ] && [ "${!name,,}" != false ]; then
      die "$name=${!name}: this broker is coordinated by ZooKeeper; take that variable away and set KAFKA_CFG_ZOOKEEPER_CONNECT"
    fi
  done
  for name in KAFKA_CLIENT_USERS KAFKA_CLIENT_PASSWORDS KAFKA_INTER_BROKER_USER KAFKA_ZOOKEEPER_USER KAFKA_CERTIFICATE_PASSWORD; do
    if is_set "$name"; then die "$name: this broker has no SASL and no TLS yet, and does not start as if it had"; fi
  done
  case ${KAFKA_ZOOKEEPER_PROTOCOL:-PLAINTEXT} in
    PLAINTEXT) unset KAFKA_ZOOKEEPER_PROTOCOL ;;
    *) die "KAFKA_ZOOKEEPER_PROTOCOL=$KAFKA_ZOOKEEPER_PROTOCOL: only PLAINTEXT is built" ;;
  esac
  [ -n "$(either ZOOKEEPER_CONNECT)" ] || die "set KAFKA_CFG_ZOOKEEPER_CONNECT to the ZooKeeper servers, for instance zookeeper:2181"
  case $(either LISTENERS),$(either LISTENER_SECURITY_PROTOCOL_MAP) in
    , | *PLAINTEXT*)
      is_yes "${ALLOW_PLAINTEXT_LISTENER:-no}" || die "a listener is PLAINTEXT, so that anybody may read and write: set \
ALLOW_PLAINTEXT_LISTENER=yes if that is meant" ;;
  esac
}

broker() {
  local file name
  if [ -e "$mounted" ]; then
    for name in $(compgen -v KAFKA_CFG_ || true); do
      say "$name has no effect: $mounted is mounted and used as it is"
      unset "$name"
    done
    local health=()
    [ -n "$(key_of "$mounted" ottla.admin.listener)" ] || health=(--override "ottla.admin.listener=$health_address")
    exec "$home/scripts/ottla.sh" broker "$mounted" "${health[@]}"
  fi
  translate_older_variables
  refuse
  export KAFKA_CFG_OTTLA_ADMIN_LISTENER
  KAFKA_CFG_OTTLA_ADMIN_LISTENER=$(either OTTLA_ADMIN_LISTENER)
  : "${KAFKA_CFG_OTTLA_ADMIN_LISTENER:=$health_address}"
  mkdir -p "$volume/data"
  # The stock file, but for what belongs to a container; a broker.id of everybody's would be worse than none.
  file=$(mktemp)
  sed -e '/^broker\.id=/d' -e "s|^log\.dirs=.*|log.dirs=$volume/data|" "$home/config/server.properties" >"$file"
  exec "$home/scripts/ottla.sh" broker --kafka-env "$file"
}

# /health of the broker's admin listener, asked in this shell: a slim image has no curl.
health() {
  local address answer host
  if [ -e "$mounted" ]; then address=$(key_of "$mounted" ottla.admin.listener); else address=$(either OTTLA_ADMIN_LISTENER); fi
  : "${address:=$health_address}"
  host=${address%:*}
  case $host in '' | 0.0.0.0 | '[::]') host=127.0.0.1 ;; esac
  exec 3<>"/dev/tcp/$host/${address##*:}"
  printf 'GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n' >&3
  read -r answer <&3
  case $answer in *' 200 '*) ;; *) die "not healthy: $answer" ;; esac
}

case ${1:-broker} in
  broker) broker ;;
  health) health ;;
  *) exec "$@" ;;
esac
