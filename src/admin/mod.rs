//! What writes topics and configs to ZooKeeper: topic creation, growth, deletion marks, entity configs. The controller sees it through its watches.
