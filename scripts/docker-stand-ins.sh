#!/usr/bin/env bash
# Images of the names that the Dockerfile and docker-compose.yml start from, made from Debian's packages, for where the official ones
# can't be pulled. Those that are there already stay.
#
#   docker-stand-ins.sh            debian:bookworm-slim, zookeeper:3.8, bitnami/zookeeper, and rust:1.95-slim-bookworm out of this
#                                  machine's Rust and the crates that it has fetched
#   docker-stand-ins.sh BINARY     instead of rust ottla-binary, with that ottla binary in it: docker build --build-arg BINARY=ottla-binary
#
# Needs root, a Docker engine, and debootstrap (installed where it is missing). OTTLA_MIRROR: another mirror of Debian.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

binary=${1:-}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
has_image() { docker image inspect "$1" >/dev/null 2>&1; }

if ! has_image debian:bookworm-slim; then
  need_packages debootstrap
  say "making debian:bookworm-slim"
  as_root debootstrap --variant=minbase --include=ca-certificates bookworm "$work/debian" "${OTTLA_MIRROR:-http://deb.debian.org/debian}" >/dev/null
  as_root tar -C "$work/debian" -c . | docker import - debian:bookworm-slim >/dev/null
  as_root rm -rf "$work/debian"
fi

# Debian's ZooKeeper behind the variables that the official image reads.
if ! has_image zookeeper:3.8; then
  say "making zookeeper:3.8"
  mkdir -p "$work/zookeeper"
  cat >"$work/zookeeper/start.sh" <<'START'
#!/bin/bash
set -eu
conf=/conf/zoo.cfg
if [ ! -e "$conf" ]; then
  {
    printf '%s\n' tickTime=2000 initLimit=5 syncLimit=2 dataDir=/data dataLogDir=/datalog maxClientCnxns=60 standaloneEnabled=true \
      admin.enableServer=false "4lw.commands.whitelist=${ZOO_4LW_COMMANDS_WHITELIST:-srvr}"
    for server in ${ZOO_SERVERS:-}; do echo "$server"; done
    [ -n "${ZOO_SERVERS:-}" ] || echo clientPort=2181
  } >"$conf"
fi
[ -e /data/myid ] || echo "${ZOO_MY_ID:-1}" >/data/myid
exec java -Xmx256m -cp '/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar' org.apache.zookeeper.server.quorum.QuorumPeerMain "$conf"
START
  cat >"$work/zookeeper/zkCli.sh" <<'CLI'
#!/bin/bash
exec java -Xmx128m -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp '/usr/share/java/zookeeper.jar:/usr/share/java/slf4j-simple.jar' \
  org.apache.zookeeper.ZooKeeperMain "$@"
CLI
  chmod +x "$work/zookeeper/"*.sh
  cat >"$work/zookeeper/Dockerfile" <<'FILE'
FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends zookeeper default-jre-headless libslf4j-java zlib1g \
  && rm -rf /var/lib/apt/lists/* && mkdir -p /conf /data /datalog && chown -R zookeeper /conf /data /datalog
COPY start.sh zkCli.sh /usr/local/bin/
USER zookeeper
VOLUME ["/data", "/datalog"]
EXPOSE 2181 2888 3888
ENTRYPOINT ["start.sh"]
FILE
  docker build --quiet --network host -t zookeeper:3.8 "$work/zookeeper" >/dev/null
fi

# The one of Bitnami that a single broker is started beside; it wants to be told that anybody may log in.
if ! has_image bitnami/zookeeper; then
  say "making bitnami/zookeeper"
  mkdir -p "$work/bitnami"
  cat >"$work/bitnami/Dockerfile" <<'FILE'
FROM zookeeper:3.8
ENTRYPOINT ["/bin/bash", "-c", "[ \"${ALLOW_ANONYMOUS_LOGIN:-no}\" = yes ] || { echo set ALLOW_ANONYMOUS_LOGIN=yes >&2; exit 1; }; exec start.sh"]
FILE
  docker build --quiet -t bitnami/zookeeper "$work/bitnami" >/dev/null
fi

if [ -n "$binary" ]; then
  say "making ottla-binary of $binary"
  mkdir -p "$work/binary"
  cp "$binary" "$work/binary/ottla"
  printf '%s\n' 'FROM debian:bookworm-slim' 'COPY ottla /src/target/release/ottla' >"$work/binary/Dockerfile"
  docker build --quiet -t ottla-binary "$work/binary" >/dev/null
fi

# The name that the Dockerfile compiles in.
rust=$(sed -n 's/^FROM \(rust:[^ ]*\).*/\1/p' "$repo/Dockerfile")
if [ -z "$binary" ] && ! has_image "$rust"; then
  need_rust
  say "making $rust of this machine's Rust"
  (cd "$repo" && cargo fetch --locked)
  mkdir -p "$work/rust/cargo/registry"
  cp -r "$(cd "$repo" && rustc --print sysroot)" "$work/rust/toolchain"
  rm -rf "$work/rust/toolchain/share"
  cp -r "${CARGO_HOME:-$HOME/.cargo}"/registry/{cache,index} "$work/rust/cargo/registry/"
  cat >"$work/rust/Dockerfile" <<'FILE'
FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
COPY toolchain /usr/local/rust
COPY cargo /usr/local/cargo
ENV CARGO_HOME=/usr/local/cargo CARGO_NET_OFFLINE=true PATH=/usr/local/rust/bin:$PATH
FILE
  docker build --quiet --network host -t "$rust" "$work/rust" >/dev/null
fi
