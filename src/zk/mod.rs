//! ZooKeeper: the session, znode codecs, typed conditional operations.
