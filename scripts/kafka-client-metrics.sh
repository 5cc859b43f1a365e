#!/bin/sh
# Only clusters with KRaft have what this shows.
echo "kafka-client-metrics.sh: a cluster with ZooKeeper has no KRaft" >&2
exit 1
