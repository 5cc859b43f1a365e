#!/usr/bin/env bash
# Tries the images as their users do: the cluster of docker-compose.yml with a client outside and a broker killed, and a single broker
# by docker run, as with Bitnami's images. Says what it sees; the exit code tells whether all of it was right.
#
#   docker-test.sh [BINARY]    BINARY: an ottla binary to put into the image instead of building one in it (minutes)
#
# Needs a Docker engine that runs, and docker-compose. Where the official images can't be pulled, docker-stand-ins.sh makes some of their
# names (as root). Containers, volumes and the network of this trial are removed at its end; images stay.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

binary=${1:-}
command -v docker >/dev/null && docker info >/dev/null 2>&1 || die "no Docker engine answers: install docker.io, and start dockerd"
command -v docker-compose >/dev/null || need_packages docker-compose
need_packages kcat

project=ottla-trial
single=ottla-trial-single
compose() { docker-compose --project-name "$project" --file "$repo/docker-compose.yml" "$@"; }
work=$(mktemp -d)
cleanup() {
  local status=$?
  if [ "$status" -ne 0 ]; then compose logs --tail 30 >&2 || true; docker logs --tail 30 "$single-kafka" >&2 2>/dev/null || true; fi
  compose down --volumes --timeout 5 >/dev/null 2>&1 || true
  docker rm --force "$single-kafka" "$single-zookeeper" >/dev/null 2>&1 || true
  docker network rm "$single" >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap cleanup EXIT

# until_true SECONDS WHAT COMMAND...
until_true() {
  local limit=$(($SECONDS + $1)) what=$2; shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $limit ] || die "in vain waited for: $what"
    sleep 0.5
  done
}

images() {
  local image lacking=no wanted=(debian:bookworm-slim zookeeper:3.8 bitnami/zookeeper)
  [ -n "$binary" ] || wanted+=("$(sed -n 's/^FROM \(rust:[^ ]*\).*/\1/p' "$repo/Dockerfile")")
  for image in "${wanted[@]}"; do
    docker image inspect "$image" >/dev/null 2>&1 || docker pull --quiet "$image" >/dev/null 2>&1 || lacking=yes
  done
  if [ "$lacking" = yes ] || [ -n "$binary" ]; then "$repo/scripts/docker-stand-ins.sh" ${binary:+"$binary"}; fi
  say "building the images ottla and ottla-tools"
  local arg=()
  [ -z "$binary" ] || arg=(--build-arg BINARY=ottla-binary)
  DOCKER_BUILDKIT=1 docker build --quiet --network host "${arg[@]}" -t ottla "$repo"
  DOCKER_BUILDKIT=1 docker build --quiet --network host "${arg[@]}" --target tools -t ottla-tools "$repo"
  say "ottla is $(($(docker image inspect -f '{{.Size}}' ottla) / 1000000)) MB, of which $(($(docker image inspect -f '{{.Size}}' debian:bookworm-slim) / 1000000)) MB are Debian"
}

outside=localhost:19092,localhost:19093,localhost:19094
tool() { compose exec -T tools "$@"; }
healthy() { [ "$(docker inspect -f '{{.State.Health.Status}}' "$1")" = healthy ]; }
full_isr() { [ -z "$(tool kafka-topics.sh --bootstrap-server kafka-1:9092,kafka-2:9092,kafka-3:9092 --describe --under-replicated-partitions)" ]; }
zk() { tool zkCli.sh -server zookeeper-1:2181 "$@" 2>/dev/null | tail -n1; }

# produce FROM TO: numbers, a line each, through a client outside; every one acknowledged.
produce() { seq "$1" "$2" | kcat -q -P -b "$outside" -t trial -X acks=all -X enable.idempotence=true -X message.timeout.ms=60000; }
consumed() { kcat -q -C -e -b "$outside" -t trial -o beginning | sort -n | uniq; }

cluster() {
  say "docker-compose up"
  compose up -d --no-build >/dev/null 2>&1
  local n controller
  for n in 1 2 3; do until_true 120 "kafka-$n to be healthy" healthy "${project}_kafka-${n}_1"; done
  say "broker ids in ZooKeeper: $(zk ls /brokers/ids)"
  tool kafka-topics.sh --bootstrap-server kafka-1:9092 --create --topic trial --partitions 3 --replication-factor 3
  produce 1 1000
  controller=$(zk get /controller | grep -o '"brokerid":[0-9]*' | grep -o '[0-9]*')
  say "docker-compose kill kafka-$controller, the controller; a client outside goes on"
  (for n in 2 3 4 5; do produce $((n * 1000 - 999)) $((n * 1000)); done) & local load=$!
  compose kill "kafka-$controller" >/dev/null 2>&1
  wait "$load" || die "the client outside could not go on"
  [ "$(consumed | wc -l)" -eq 5000 ] || die "$(consumed | wc -l) of 5000 acknowledged records are there"
  say "all 5000 acknowledged records are there; the controller is now broker $(zk get /controller | grep -o '"brokerid":[0-9]*')"
  compose start "kafka-$controller" >/dev/null 2>&1
  until_true 60 "every replica in sync again" full_isr
  say "kafka-$controller is back, every replica in sync"
  tool kafka-topics.sh --bootstrap-server kafka-1:9092 --describe --topic trial
  compose down --volumes --timeout 10 >/dev/null 2>&1
}

# refused PART-OF-THE-MESSAGE ENV..: a container that ends with that message.
refused() {
  local part=$1 said; shift
  said=$(docker run --rm "${@/#/-e}" ottla 2>&1) && die "started in spite of $*"
  case $said in *"$part"*) say "refused: $part" ;; *) die "expected '$part', got: $said" ;; esac
}

one() {
  say "a single broker by docker run"
  docker network create "$single" >/dev/null
  docker run -d --name "$single-zookeeper" --network "$single" --network-alias zookeeper -e ALLOW_ANONYMOUS_LOGIN=yes bitnami/zookeeper >/dev/null
  docker run -d --name "$single-kafka" --network "$single" -p 127.0.0.1:29092:9092 -e ALLOW_PLAINTEXT_LISTENER=yes \
    -e KAFKA_CFG_ZOOKEEPER_CONNECT=zookeeper:2181 -e KAFKA_CFG_ADVERTISED_LISTENERS=PLAINTEXT://localhost:29092 ottla >/dev/null
  until_true 60 "the single broker to be healthy" healthy "$single-kafka"
  seq 100 | kcat -q -P -b localhost:29092 -t single
  [ "$(kcat -q -C -e -b localhost:29092 -t single | wc -l)" -eq 100 ] || die "the records of a single broker are not there"
  say "broker id: $(docker exec "$single-kafka" grep broker.id /bitnami/kafka/data/meta.properties); user: $(docker exec "$single-kafka" id -u)"
  docker stop "$single-kafka" >/dev/null # not by force: its registration in ZooKeeper has to go with it
  docker rm "$single-kafka" >/dev/null

  printf '%s\n' broker.id=7 listeners=PLAINTEXT://:9092 advertised.listeners=PLAINTEXT://localhost:29092 log.dirs=/bitnami/kafka/data \
    zookeeper.connect=zookeeper:2181 >"$work/server.properties"
  chmod 644 "$work/server.properties"; chmod 755 "$work"
  docker run -d --name "$single-kafka" --network "$single" -p 127.0.0.1:29092:9092 -e KAFKA_CFG_BROKER_ID=8 \
    -v "$work/server.properties:/bitnami/kafka/config/server.properties:ro" ottla >/dev/null
  until_true 60 "the broker with a mounted file to be healthy" healthy "$single-kafka"
  docker exec "$single-kafka" grep -q '^broker.id=7$' /bitnami/kafka/data/meta.properties || die "the mounted file did not win"
  say "a mounted server.properties wins"
  refused KAFKA_CREATE_TOPICS ALLOW_PLAINTEXT_LISTENER=yes KAFKA_ZOOKEEPER_CONNECT=zookeeper:2181 KAFKA_CREATE_TOPICS=a:1:1
  refused ALLOW_PLAINTEXT_LISTENER KAFKA_CFG_ZOOKEEPER_CONNECT=zookeeper:2181
  refused KAFKA_ENABLE_KRAFT KAFKA_ENABLE_KRAFT=yes
  refused KAFKA_CFG_ZOOKEEPER_CONNECT ALLOW_PLAINTEXT_LISTENER=yes
}

images
cluster
one
say "all of it was right"
