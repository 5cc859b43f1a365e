//! Hosted partitions: leader and follower state, high watermark, appends, reads.
