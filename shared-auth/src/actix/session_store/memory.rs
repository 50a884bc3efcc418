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

use super::once::Once;
use super::{Away, OnceKey, State, hashed, session_at_entra};

/// All sessions together: about 20,000 signed-in browsers.
const MEMORY_LIMIT_BYTES: u64 = 128 * 1024 * 1024;
/// At least as long as a session can live.
const INDEX_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
const SESSIONS_AT_ENTRA: u64 = 100_000;

/// The in-memory store of an app that runs as one process.
#[derive(Debug, Clone)]
pub(super) struct MemorySessionStore {
    sessions: Cache<[u8; 32], Arc<Kept>>,
    /// The sessions here that belong to one at Entra.
    by_sid: Cache<[u8; 32], Vec<[u8; 32]>>,
    ended: Cache<[u8; 32], ()>,
    once: Once,
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
        let by_sid = Cache::builder().max_capacity(SESSIONS_AT_ENTRA).time_to_live(INDEX_LIFETIME).build();
        let ended = Cache::builder().max_capacity(SESSIONS_AT_ENTRA).time_to_live(INDEX_LIFETIME).build();
        Self { sessions, by_sid, ended, once: Once::new() }
    }

    pub async fn keep_once(&self, key: &OnceKey, value: Vec<u8>) -> Result<(), Away> {
        self.once.keep(key, value);
        Ok(())
    }

    pub async fn take_once(&self, key: &OnceKey) -> Result<Option<Vec<u8>>, Away> {
        Ok(self.once.take(key))
    }

    pub async fn end_by_sid(&self, sid: &[u8; 32]) -> Result<Vec<State>, Away> {
        let Some(ids) = self.by_sid.remove(sid) else { return Ok(Vec::new()) };
        self.ended.insert(*sid, ());
        let ended =
            ids.into_iter().filter_map(|id| match self.sessions.entry(id).and_compute_with(|_| Op::Remove) {
                CompResult::Removed(entry) => Some(entry.into_value().state.clone()),
                _ => None,
            });
        Ok(ended.collect())
    }

    pub async fn was_ended(&self, sid: &[u8; 32]) -> bool {
        self.ended.contains_key(sid)
    }

    pub async fn load(&self, key: &SessionKey) -> Result<Option<State>, Away> {
        Ok(self.sessions.get(&hashed(key)).map(|kept| kept.state.clone()))
    }

    pub async fn save(&self, state: State, ttl: &time::Duration) -> SessionKey {
        let key = generate_session_key();
        let (id, sid) = (hashed(&key), session_at_entra(&state));
        self.sessions.insert(id, kept(state, ttl));
        if let Some(sid) = sid {
            self.by_sid.entry(sid).and_upsert_with(|known| {
                let known = known.map(|known| known.into_value()).unwrap_or_default().into_iter();
                known.filter(|id| self.sessions.contains_key(id)).chain([id]).collect()
            });
        }
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
