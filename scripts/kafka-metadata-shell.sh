#!/bin/sh
# Only clusters with KRaft have what this shows.
echo "kafka-metadata-shell.sh: a cluster with ZooKeeper has no KRaft" >&2
exit 1
