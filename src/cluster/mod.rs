//! The metadata image that UpdateMetadata feeds, topic overrides, features, broker epoch.
