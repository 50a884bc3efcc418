//! What other processes write is noticed: the file's stamp is compared from time to time, and at each own access.
//!
//! Then everything in memory is looked up again before it is served, so that a sign-out in one program reaches the
//! others within a second.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::interval;

use super::sealed::{SealedFile, Stamp};
use crate::cache::shared::Listener;

const EACH: Duration = Duration::from_millis(500);

#[derive(Default)]
pub(super) struct Watch {
    listeners: Mutex<Vec<Weak<dyn Listener>>>,
    /// The last state that is known; nothing before the first look.
    seen: Mutex<Option<Option<Stamp>>>,
    watching: AtomicBool,
}

impl Watch {
    pub fn tell(&self, listener: Weak<dyn Listener>) {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    /// The file is in this state. Whoever listens hears of it, where it is another one than before.
    pub fn saw(&self, stamp: Option<Stamp>) {
        let before = self.seen.lock().unwrap_or_else(PoisonError::into_inner).replace(stamp);
        if before.is_none_or(|before| before == stamp) {
            return;
        }
        let listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner).clone();
        listeners.iter().filter_map(Weak::upgrade).for_each(|listener| listener.anything_may_have_changed());
    }

    /// The file is in this state by our own doing.
    pub fn made(&self, stamp: Option<Stamp>) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(stamp);
    }

    /// Looks from now on, for as long as the cache exists.
    pub fn begin(watch: &Arc<Self>, file: &Arc<SealedFile>) {
        if let Ok(runtime) = Handle::try_current()
            && !watch.watching.swap(true, Ordering::SeqCst)
        {
            runtime.spawn(look(Watching(Arc::downgrade(watch)), Arc::downgrade(file)));
        }
    }
}

/// Where the task is broken off, by the end of its runtime, the next access starts another.
struct Watching(Weak<Watch>);

impl Drop for Watching {
    fn drop(&mut self) {
        if let Some(watch) = self.0.upgrade() {
            watch.watching.store(false, Ordering::SeqCst);
        }
    }
}

async fn look(watching: Watching, file: Weak<SealedFile>) {
    let mut each = interval(EACH);
    loop {
        each.tick().await;
        let (Some(watch), Some(file)) = (watching.0.upgrade(), file.upgrade()) else { return };
        // A disk may hang, and must not hold up anything else.
        let looked = tokio::task::spawn_blocking(move || watch.saw(file.stamp()));
        if looked.await.is_err() {
            return;
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("watching", &self.watching).finish_non_exhaustive()
    }
}
