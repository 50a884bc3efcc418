//! Who is next, with what: the operations of a queue, and the one in the memory of a process.
//!
//! Work that is claimed stays in the queue, due again at the end of the lease. So nothing is lost with a worker, and a
//! worker that needs longer moves the time.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use jiff::Timestamp;
use zeroize::Zeroizing;

use super::{KEPT, WAITS};

/// A queue that grows beyond this has no workers, or the wrong users.
pub(super) const LARGEST: usize = 10_000;

/// Why something cannot be filed or found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    #[cfg_attr(not(feature = "redis"), allow(dead_code, reason = "only Redis has use for it"))]
    Away,
    Full,
}

pub(super) type Bytes = Zeroizing<Vec<u8>>;
pub(super) type Answer<'a, A> = BoxFuture<'a, Result<A, Trouble>>;

/// Records under hashed ids, and the order in which they are due.
pub(super) trait Queue: Send + Sync + fmt::Debug {
    /// Files a new record, due at once.
    fn add<'a>(&'a self, id: &'a str, record: Bytes, now: Timestamp) -> Answer<'a, ()>;
    /// The record that is due, now due again at `until`. `None` where none is.
    fn claim(&self, now: Timestamp, until: Timestamp) -> Answer<'_, Option<(String, Bytes)>>;
    /// Replaces a record that is worked on, and moves the time at which it is due again.
    fn update<'a>(&'a self, id: &'a str, record: Bytes, due: Timestamp, now: Timestamp) -> Answer<'a, ()>;
    /// Moves the time at which a record is due again.
    fn postpone<'a>(&'a self, id: &'a str, due: Timestamp) -> Answer<'a, ()>;
    /// Replaces a record for the last time; it is not due any more.
    fn finish<'a>(&'a self, id: &'a str, record: Bytes, now: Timestamp) -> Answer<'a, ()>;
    /// The record, for whoever asks how far it is.
    fn read<'a>(&'a self, id: &'a str, now: Timestamp) -> Answer<'a, Option<Bytes>>;
}

/// A queue in the memory of this process.
#[derive(Default)]
pub(super) struct MemoryQueue(Mutex<Memory>);

#[derive(Default)]
struct Memory {
    records: HashMap<String, (Bytes, Timestamp)>,
    due: BTreeSet<(Timestamp, String)>,
}

impl Memory {
    fn postpone(&mut self, id: &str, due: Timestamp) {
        if self.forget_due(id) {
            self.due.insert((due, id.to_owned()));
        }
    }

    fn forget_due(&mut self, id: &str) -> bool {
        let before = self.due.len();
        self.due.retain(|(_, other)| other != id);
        self.due.len() < before
    }

    fn sweep(&mut self, now: Timestamp) {
        self.records.retain(|_, (_, ends)| *ends > now);
        let Self { records, due } = self;
        due.retain(|(_, id)| records.contains_key(id));
    }
}

impl MemoryQueue {
    fn with<A>(&self, work: impl FnOnce(&mut Memory) -> Result<A, Trouble>) -> Answer<'static, A>
    where
        A: Send + 'static,
    {
        ready(work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))).boxed()
    }
}

impl Queue for MemoryQueue {
    fn add<'a>(&'a self, id: &'a str, record: Bytes, now: Timestamp) -> Answer<'a, ()> {
        self.with(|memory| {
            memory.sweep(now);
            if memory.records.len() >= LARGEST {
                return Err(Trouble::Full);
            }
            memory.records.insert(id.to_owned(), (record, now + WAITS));
            memory.due.insert((now, id.to_owned()));
            Ok(())
        })
    }

    fn claim(&self, now: Timestamp, until: Timestamp) -> Answer<'_, Option<(String, Bytes)>> {
        self.with(|memory| {
            while let Some((_, id)) = memory.due.first().filter(|(due, _)| *due <= now).cloned() {
                memory.due.pop_first();
                if let Some((record, _)) = memory.records.get(&id).filter(|(_, ends)| *ends > now) {
                    let record = record.clone();
                    memory.due.insert((until, id.clone()));
                    return Ok(Some((id, record)));
                }
            }
            Ok(None)
        })
    }

    fn update<'a>(&'a self, id: &'a str, record: Bytes, due: Timestamp, now: Timestamp) -> Answer<'a, ()> {
        self.with(|memory| {
            memory.records.insert(id.to_owned(), (record, now + WAITS));
            memory.postpone(id, due);
            Ok(())
        })
    }

    fn postpone<'a>(&'a self, id: &'a str, due: Timestamp) -> Answer<'a, ()> {
        self.with(|memory| {
            memory.postpone(id, due);
            Ok(())
        })
    }

    fn finish<'a>(&'a self, id: &'a str, record: Bytes, now: Timestamp) -> Answer<'a, ()> {
        self.with(|memory| {
            memory.records.insert(id.to_owned(), (record, now + KEPT));
            memory.forget_due(id);
            Ok(())
        })
    }

    fn read<'a>(&'a self, id: &'a str, now: Timestamp) -> Answer<'a, Option<Bytes>> {
        self.with(|memory| {
            let alive = memory.records.get(id).filter(|(_, ends)| *ends > now);
            Ok(alive.map(|(record, _)| record.clone()))
        })
    }
}

impl fmt::Debug for MemoryQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MemoryQueue")
    }
}
