//! Which partition is meant by the name that it has outside this process, so that other replicas' messages are understood.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::key::Id;

/// The numbers that the cache gives to partitions, by the names that they have outside this process. Clones share the
/// index.
#[derive(Debug, Clone, Default)]
pub(super) struct Names(Arc<Mutex<HashMap<Id, u64>>>);

impl Names {
    pub fn add(&self, name: Id, partition: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name, partition);
    }

    pub fn forget(&self, name: Id) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&name);
    }

    #[cfg_attr(
        not(feature = "redis"),
        allow(dead_code, reason = "no backend that sends messages is compiled in")
    )]
    pub fn get(&self, name: Id) -> Option<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&name).copied()
    }
}
