//! Which partitions belong to a user, so that signing out removes all of them without looking at anybody else's.
//!
//! On-behalf-of entries are filed by assertion and long-running ones by a key of their own: neither names the user.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quick_cache::DefaultHashBuilder;
use smallvec::SmallVec;

/// The partitions of each user, by the numbers that the cache gives them. Clones share the index. Its lock is never held
/// while a cache is used.
#[derive(Debug, Clone, Default)]
pub(super) struct UserIndex {
    partitions: Arc<Mutex<Users>>,
}

/// By names from outside, so with a hash that nobody can foresee; a faster one than the usual.
type Users = HashMap<Arc<str>, Partitions, DefaultHashBuilder>;

/// Few, and in no order.
type Partitions = SmallVec<[u64; 2]>;

impl UserIndex {
    pub fn add(&self, user: &Arc<str>, partition: u64) {
        let mut partitions = self.lock();
        let own = partitions.entry(Arc::clone(user)).or_default();
        if !own.contains(&partition) {
            own.push(partition);
        }
    }

    /// The partition is gone: evicted, or removed.
    pub fn forget(&self, user: &str, partition: u64) {
        let mut partitions = self.lock();
        if let Some(own) = partitions.get_mut(user) {
            own.retain(|own| *own != partition);
            if own.is_empty() {
                partitions.remove(user);
            }
        }
    }

    /// Takes all partitions of a user out of the index.
    pub fn take(&self, user: &str) -> Partitions {
        self.lock().remove(user).unwrap_or_default()
    }

    #[cfg(test)]
    pub fn users(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, Users> {
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
