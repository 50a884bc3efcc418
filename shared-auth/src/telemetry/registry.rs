//! Everything in this process that counts, added up for an exporter: clients, their Redis, their key rings.
//!
//! An exporter wants one figure for the process, and one that never falls. So what a dropped client had counted stays in
//! the sum.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::metrics::Counters;

/// A figure by name and labels.
pub(super) type Key = (&'static str, Vec<(&'static str, &'static str)>);

/// Figures that stand for a state: the sum is of those that exist now.
pub(super) const STATES: [&str; 1] = [super::REDIS_CIRCUITS_OPEN];

#[derive(Default)]
struct Registry {
    clients: Vec<Arc<Counters>>,
    counters: Vec<(&'static str, Arc<AtomicU64>)>,
    retired: BTreeMap<Key, u64>,
}

static REGISTRY: Mutex<Option<Registry>> = Mutex::new(None);

/// A client's counters, to be exported from now on.
pub(crate) fn register_client(counters: &Arc<Counters>) {
    with(|registry| registry.clients.push(Arc::clone(counters)));
}

pub(super) fn register_counter(name: &'static str, counter: &Arc<AtomicU64>) {
    with(|registry| registry.counters.push((name, Arc::clone(counter))));
}

/// The sums of this moment.
pub(super) fn read() -> BTreeMap<Key, u64> {
    with(|registry| {
        let mut sums = registry.retired.clone();
        for client in &registry.clients {
            client.read(&mut |key, value| *sums.entry(key).or_default() += value);
        }
        for (name, counter) in &registry.counters {
            *sums.entry((name, Vec::new())).or_default() += counter.load(Ordering::Relaxed);
        }
        sums
    })
}

fn with<T>(work: impl FnOnce(&mut Registry) -> T) -> T {
    let mut registry = REGISTRY.lock().unwrap_or_else(PoisonError::into_inner);
    let registry = registry.get_or_insert_default();
    registry.retire();
    work(registry)
}

impl Registry {
    /// Keeps the figures of those that nobody else holds, and lets go of them.
    fn retire(&mut self) {
        let retired = &mut self.retired;
        self.clients.retain(|client| {
            let in_use = Arc::strong_count(client) > 1;
            if !in_use {
                client.read(&mut |key, value| *retired.entry(key).or_default() += value);
            }
            in_use
        });
        self.counters.retain(|(name, counter)| {
            let in_use = Arc::strong_count(counter) > 1;
            if !in_use && !STATES.contains(name) {
                *retired.entry((name, Vec::new())).or_default() += counter.load(Ordering::Relaxed);
            }
            in_use
        });
    }
}
