# Ottla's images.
#
#   docker build -t ottla .                         the broker
#   docker build -t ottla-tools --target tools .    the scripts and zkCli, for a shell beside a cluster
#
# The broker starts as Bitnami's image for Kafka does: see scripts/container.sh, which is its entry point. With
# --build-arg BINARY=IMAGE the binary is not built but taken from that image, where it lies in /src/target/release.
ARG BINARY=build

FROM rust:1.95-slim-bookworm AS build
# Some crates compile C, librdkafka with make and its C++ face too.
RUN apt-get update && apt-get install -y --no-install-recommends g++ make zlib1g-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo build --release --locked --bin ottla && strip target/release/ottla

FROM ${BINARY} AS binary

FROM debian:bookworm-slim AS kit
COPY --from=binary /src/target/release/ottla /opt/ottla/target/release/ottla
COPY scripts /opt/ottla/scripts
COPY bin /opt/ottla/bin
COPY config /opt/ottla/config

FROM zookeeper:3.8 AS tools
COPY --from=kit /opt/ottla /opt/ottla
ENV PATH=/opt/ottla/bin:$PATH
ENTRYPOINT []
CMD ["sleep", "infinity"]

FROM debian:bookworm-slim AS broker
RUN mkdir -p /bitnami/kafka/config /bitnami/kafka/data && chown -R 1001:0 /bitnami && chmod -R g+rwX /bitnami
COPY --from=kit /opt/ottla /opt/ottla
ENV PATH=/opt/ottla/bin:$PATH
USER 1001
VOLUME /bitnami/kafka
EXPOSE 9092
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s --retries=3 CMD ["/opt/ottla/scripts/container.sh", "health"]
ENTRYPOINT ["/opt/ottla/scripts/container.sh"]
CMD ["broker"]
