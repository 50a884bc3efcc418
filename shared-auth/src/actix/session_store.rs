//! Sessions in memory: bounded, with an idle lifetime, found by a hash of the id.
//!
//! The cookie carries the opaque id and nothing else (Entra's tokens do not fit a cookie and do not belong there). A
//! restart signs everybody out of the app, not out of Entra: the next page takes them through without a password.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_session::storage::{
    LoadError, SaveError, SessionKey, SessionStore, UpdateError, generate_session_key,
};
use actix_web::cookie::time;
use aws_lc_rs::digest::{SHA256, digest};
use moka::Expiry;
use moka::sync::Cache;

/// All sessions together: about 20,000 signed-in browsers.
const MEMORY_LIMIT_BYTES: u64 = 128 * 1024 * 1024;

type State = HashMap<String, String>;

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

    fn put(&self, id: [u8; 32], state: State, ttl: &time::Duration) {
        let ttl = Duration::try_from(*ttl).unwrap_or_default();
        self.sessions.insert(id, Arc::new(Kept { state, ttl }));
    }
}

/// The id is a secret of the browser's; what is kept is a hash of it.
fn hashed(key: &SessionKey) -> [u8; 32] {
    let mut id = [0; 32];
    id.copy_from_slice(digest(&SHA256, key.as_ref().as_bytes()).as_ref());
    id
}

impl SessionStore for MemorySessionStore {
    async fn load(&self, key: &SessionKey) -> Result<Option<State>, LoadError> {
        Ok(self.sessions.get(&hashed(key)).map(|kept| kept.state.clone()))
    }

    async fn save(&self, state: State, ttl: &time::Duration) -> Result<SessionKey, SaveError> {
        let key = generate_session_key();
        self.put(hashed(&key), state, ttl);
        Ok(key)
    }

    async fn update(
        &self,
        key: SessionKey,
        state: State,
        ttl: &time::Duration,
    ) -> Result<SessionKey, UpdateError> {
        let id = hashed(&key);
        // A session that was ended meanwhile, by a sign-out in another tab, must not come back to life.
        if self.sessions.contains_key(&id) {
            self.put(id, state, ttl);
            return Ok(key);
        }
        self.save(HashMap::new(), ttl).await.map_err(|error| UpdateError::Other(error.into()))
    }

    async fn update_ttl(&self, key: &SessionKey, ttl: &time::Duration) -> Result<(), anyhow::Error> {
        let id = hashed(key);
        if let Some(kept) = self.sessions.get(&id) {
            self.put(id, kept.state.clone(), ttl);
        }
        Ok(())
    }

    async fn delete(&self, key: &SessionKey) -> Result<(), anyhow::Error> {
        self.sessions.invalidate(&hashed(key));
        Ok(())
    }
}

#[derive(Debug)]
struct IdleLifetime;

impl Expiry<[u8; 32], Arc<Kept>> for IdleLifetime {
    fn expire_after_create(&self, _: &[u8; 32], kept: &Arc<Kept>, _: Instant) -> Option<Duration> {
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
