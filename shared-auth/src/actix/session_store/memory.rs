//! Sessions in memory: bounded, with an idle lifetime.
//!
//! A restart signs everybody out of the app, not out of Entra: the next page takes them through without a password.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_session::storage::{SessionKey, generate_session_key};
use actix_web::cookie::time;
use moka::Expiry;
use moka::ops::compute::{CompResult, Op};
use moka::sync::Cache;

use super::{Away, State, hashed};

/// All sessions together: about 20,000 signed-in browsers.
const MEMORY_LIMIT_BYTES: u64 = 128 * 1024 * 1024;

/// The in-memory store of an app that runs as one process.
#[derive(Debug, Clone)]
pub(super) struct MemorySessionStore {
    sessions: Cache<[u8; 32], Arc<Kept>>,
}

#[derive(Debug)]
struct Kept {
    state: State,
    ttl: Duration,
}

impl MemorySessionStore {
    pub fn new() -> Self {
        let weigh = |_: &[u8; 32], kept: &Arc<Kept>| {
            let bytes: usize = kept.state.iter().map(|(key, value)| key.len() + value.len() + 64).sum();
            u32::try_from(bytes + 128).unwrap_or(u32::MAX)
        };
        let sessions = Cache::builder()
            .max_capacity(MEMORY_LIMIT_BYTES)
            .weigher(weigh)
            .expire_after(IdleLifetime)
            .build();
        Self { sessions }
    }

    pub async fn load(&self, key: &SessionKey) -> Result<Option<State>, Away> {
        Ok(self.sessions.get(&hashed(key)).map(|kept| kept.state.clone()))
    }

    pub async fn save(&self, state: State, ttl: &time::Duration) -> SessionKey {
        let key = generate_session_key();
        self.sessions.insert(hashed(&key), kept(state, ttl));
        key
    }

    /// False where the session has ended. Looking and writing are one step: a [`delete`](Self::delete) at the same time
    /// is never undone.
    pub async fn update(&self, key: &SessionKey, state: State, ttl: &time::Duration) -> bool {
        let new = kept(state, ttl);
        let outcome = self.sessions.entry(hashed(key)).and_compute_with(|old| match old {
            Some(_) => Op::Put(new),
            None => Op::Nop,
        });
        matches!(outcome, CompResult::ReplacedWith(_))
    }

    pub async fn delete(&self, key: &SessionKey) {
        // Not `invalidate`, which does not wait for an update that is under way.
        self.sessions.entry(hashed(key)).and_compute_with(|_| Op::Remove);
    }

    #[cfg(test)]
    pub fn lifetime(&self, key: &SessionKey) -> Option<Duration> {
        self.sessions.get(&hashed(key)).map(|kept| kept.ttl)
    }
}

fn kept(state: State, ttl: &time::Duration) -> Arc<Kept> {
    Arc::new(Kept { state, ttl: Duration::try_from(*ttl).unwrap_or_default() })
}

#[derive(Debug)]
struct IdleLifetime;

impl Expiry<[u8; 32], Arc<Kept>> for IdleLifetime {
    fn expire_after_create(&self, _: &[u8; 32], kept: &Arc<Kept>, _: Instant) -> Option<Duration> {
        Some(kept.ttl)
    }

    fn expire_after_read(
        &self,
        _: &[u8; 32],
        kept: &Arc<Kept>,
        _: Instant,
        _: Option<Duration>,
        _: Instant,
    ) -> Option<Duration> {
        Some(kept.ttl)
    }

    fn expire_after_update(
        &self,
        _: &[u8; 32],
        kept: &Arc<Kept>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(kept.ttl)
    }
}
