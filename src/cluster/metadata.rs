//! The holder of the current [`MetadataImage`]: one writer (the control applier), any reader.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use super::MetadataImage;

/// The current image and the count of its replacements.
#[derive(Debug)]
pub struct Metadata {
    image: ArcSwap<MetadataImage>,
    version: watch::Sender<u64>,
    complete: AtomicBool,
}

impl Default for Metadata {
    fn default() -> Self {
        Self { image: ArcSwap::default(), version: watch::Sender::new(0), complete: AtomicBool::new(false) }
    }
}

impl Metadata {
    /// The image of this moment.
    pub fn load(&self) -> Arc<MetadataImage> {
        self.image.load_full()
    }

    /// Has the image all that a controller says to a broker that comes? Once so it stays so.
    pub fn is_complete(&self) -> bool {
        self.complete.load(Ordering::Acquire)
    }

    /// From now on it has.
    pub fn set_complete(&self) {
        self.complete.store(true, Ordering::Release);
    }

    /// Publishes the next image, then wakes who waits for a change.
    pub(super) fn publish(&self, image: MetadataImage) {
        if !image.topics.is_empty() {
            self.set_complete();
        }
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
