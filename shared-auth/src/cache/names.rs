//! Which partition is meant by the name that it has outside this process, so that other replicas' messages are understood.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::key::{Id, PartitionKey};

/// Partitions by the names that they have outside this process. Clones share the index.
#[derive(Debug, Clone, Default)]
pub(super) struct Names(Arc<Mutex<HashMap<Id, PartitionKey>>>);

impl Names {
    pub fn add(&self, key: &PartitionKey) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(key.id()).or_insert_with(|| key.clone());
    }

    pub fn forget(&self, key: &PartitionKey) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&key.id());
    }

    #[cfg_attr(
        not(feature = "redis"),
        allow(dead_code, reason = "no backend that sends messages is compiled in")
    )]
    pub fn get(&self, id: Id) -> Option<PartitionKey> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }
}
