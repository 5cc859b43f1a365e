//! The holder of the current [`MetadataImage`]: one writer (the control applier), any reader.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::MetadataImage;

/// The current image and the count of its replacements.
#[derive(Debug)]
pub struct Metadata {
    image: ArcSwap<MetadataImage>,
    version: watch::Sender<u64>,
}

impl Default for Metadata {
    fn default() -> Self {
        Self { image: ArcSwap::default(), version: watch::Sender::new(0) }
    }
}

impl Metadata {
    /// The image of this moment.
    pub fn load(&self) -> Arc<MetadataImage> {
        self.image.load_full()
    }

    /// Publishes the next image, then wakes who waits for a change.
    pub(super) fn publish(&self, image: MetadataImage) {
        self.image.store(Arc::new(image));
        self.version.send_modify(|version| *version += 1);
    }

    /// Waits until the image satisfies a condition; the condition is asked at once and after every change.
    pub async fn wait_until(&self, mut done: impl FnMut(&MetadataImage) -> bool) {
        let mut changes = self.version.subscribe();
        loop {
            changes.mark_unchanged();
            if done(&self.load()) {
                return;
            }
            if changes.changed().await.is_err() {
                return; // the sender lives as long as self
            }
        }
    }
}
