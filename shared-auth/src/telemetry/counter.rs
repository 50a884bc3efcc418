//! Counters: an atomic for what is rare, stripes of atomics for what every processor does all the time.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Threads share a stripe only where there are more of them than this.
const STRIPES: usize = 16;

/// A figure that only grows, or one that stands for a state. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counter(Arc<AtomicU64>);

impl Counter {
    /// One that is exported by itself; a client exports its own together.
    #[cfg_attr(not(feature = "redis"), allow(dead_code, reason = "it is Redis that needs it"))]
    pub fn named(name: &'static str) -> Self {
        let counter = Self::default();
        #[cfg(feature = "otel")]
        super::registry::register_counter(name, &counter.0);
        #[cfg(not(feature = "otel"))]
        let _ = name;
        counter
    }

    /// Adds one, and returns what it was before.
    pub fn add(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }

    /// For those that stand for a state.
    #[cfg_attr(not(feature = "redis"), allow(dead_code, reason = "it is Redis that needs it"))]
    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A counter for the hot path: a thread writes to its own cache line, so that none waits for another's.
#[derive(Debug, Default)]
pub(crate) struct StripedCounter([Stripe; STRIPES]);

#[derive(Debug, Default)]
#[repr(align(128))]
struct Stripe(AtomicU64);

impl StripedCounter {
    pub fn add(&self) {
        // A thread that is ending counts on the first stripe.
        let stripe = STRIPE.try_with(Cell::get).unwrap_or_default();
        self.0[stripe % STRIPES].0.fetch_add(1, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.iter().map(|stripe| stripe.0.load(Ordering::Relaxed)).sum()
    }
}

thread_local! {
    static STRIPE: Cell<usize> = Cell::new(NEXT.fetch_add(1, Ordering::Relaxed));
}

static NEXT: AtomicUsize = AtomicUsize::new(0);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_count_together() {
        let counter = Arc::new(StripedCounter::default());
        std::thread::scope(|scope| {
            for _ in 0..40 {
                scope.spawn(|| (0..1_000).for_each(|_| counter.add()));
            }
        });

        assert_eq!(counter.get(), 40_000);
    }
}
