//! Waiting for a condition that has no value of its own to watch: told by a [`Notify`], found by a look.

use std::pin::pin;

use tokio::sync::Notify;

/// Looks, and after each notice to all (`notify_waiters`) again, until the look finds something. Registered before each look, so that no
/// notice between look and wait is missed.
pub async fn until_found<T>(notify: &Notify, mut look: impl FnMut() -> Option<T>) -> T {
    loop {
        let mut notice = pin!(notify.notified());
        notice.as_mut().enable();
        if let Some(found) = look() {
            return found;
        }
        notice.await;
    }
}
