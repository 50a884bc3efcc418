//! Where sessions live: in memory for one process, in Redis for several. Found by a hash of the id.
//!
//! The cookie carries the opaque id and nothing else (Entra's tokens do not fit a cookie and do not belong there). A
//! session ends when nobody uses it for a while, and in any case a day after the sign-in. One that is lost leads to a
//! sign-in, which Entra answers without asking for a password; it is never an error.

mod memory;
#[cfg(feature = "redis")]
mod redis;

use std::collections::HashMap;

use actix_session::storage::{LoadError, SaveError, SessionKey, SessionStore, UpdateError};
use actix_web::cookie::time;
use aws_lc_rs::digest::{SHA256, digest};

use self::memory::MemorySessionStore;
#[cfg(feature = "redis")]
use self::redis::RedisSessionStore;
use crate::clock::SharedClock;

/// A session that nobody uses for this long ends.
pub(super) const IDLE_LIFETIME: time::Duration = time::Duration::hours(8);
/// A session ends this long after its sign-in, however much it is used.
const ABSOLUTE_LIFETIME: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);
/// The entry that says when the session began, in seconds.
const SINCE: &str = "since";
/// The entry of a session that could not be read. It exists for one request and is never kept.
const AWAY: &str = "away";

type State = HashMap<String, String>;

/// The sessions of an app. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Sessions {
    kept: Kept,
    clock: SharedClock,
}

#[derive(Debug, Clone)]
enum Kept {
    Memory(MemorySessionStore),
    #[cfg(feature = "redis")]
    Redis(RedisSessionStore),
}

/// What is kept cannot be read or written at the moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Away;

impl Sessions {
    /// In the memory of this process.
    pub fn in_memory(clock: SharedClock) -> Self {
        Self { kept: Kept::Memory(MemorySessionStore::new()), clock }
    }

    /// In a Redis that replicas share.
    #[cfg(feature = "redis")]
    pub fn in_redis(redis: crate::cache::redis::RedisCache, namespace: &str, clock: SharedClock) -> Self {
        Self { kept: Kept::Redis(RedisSessionStore::new(redis, namespace)), clock }
    }

    /// Asks whether sessions can be kept now; a sign-in that is begun and then not recognised helps nobody.
    pub async fn ready(&self) -> Result<(), Away> {
        match &self.kept {
            Kept::Memory(_) => Ok(()),
            #[cfg(feature = "redis")]
            Kept::Redis(redis) => redis.ready().await,
        }
    }

    /// True for the state of a session that exists, perhaps, but could not be read.
    pub fn is_away(state: &actix_session::Session) -> bool {
        state.contains_key(AWAY)
    }

    fn now(&self) -> i64 {
        self.clock.now().as_second()
    }

    fn has_ended(&self, state: &State) -> bool {
        let since: Option<i64> = state.get(SINCE).and_then(|since| since.parse().ok());
        since.is_none_or(|since| self.now() - since >= ABSOLUTE_LIFETIME.as_secs())
    }
}

/// The id is a secret of the browser's; what is kept is a hash of it.
fn hashed(key: &SessionKey) -> [u8; 32] {
    let mut id = [0; 32];
    id.copy_from_slice(digest(&SHA256, key.as_ref().as_bytes()).as_ref());
    id
}

macro_rules! kept {
    ($self:ident, $store:ident => $call:expr) => {
        match &$self.kept {
            Kept::Memory($store) => $call,
            #[cfg(feature = "redis")]
            Kept::Redis($store) => $call,
        }
    };
}

impl SessionStore for Sessions {
    async fn load(&self, key: &SessionKey) -> Result<Option<State>, LoadError> {
        match kept!(self, store => store.load(key).await) {
            Ok(Some(state)) if self.has_ended(&state) => {
                self.delete(key).await.map_err(LoadError::Other)?;
                Ok(None)
            }
            Ok(state) => Ok(state),
            // Not `None`: the browser keeps its cookie, and is signed in again when the sessions are back.
            Err(Away) => Ok(Some(State::from([(AWAY.to_owned(), "true".to_owned())]))),
        }
    }

    async fn save(&self, mut state: State, ttl: &time::Duration) -> Result<SessionKey, SaveError> {
        state.remove(AWAY);
        state.entry(SINCE.to_owned()).or_insert_with(|| self.now().to_string());
        Ok(kept!(self, store => store.save(state, ttl).await))
    }

    async fn update(
        &self,
        key: SessionKey,
        state: State,
        ttl: &time::Duration,
    ) -> Result<SessionKey, UpdateError> {
        if state.contains_key(AWAY) {
            return Ok(key); // What could not be read must not be replaced.
        }
        // A session that was ended meanwhile, by a sign-out in another tab, must not come back to life.
        if kept!(self, store => store.update(&key, state, ttl).await) {
            return Ok(key);
        }
        self.save(State::new(), ttl).await.map_err(|error| UpdateError::Other(error.into()))
    }

    async fn update_ttl(&self, _: &SessionKey, _: &time::Duration) -> Result<(), anyhow::Error> {
        Ok(()) // Reading has done so.
    }

    async fn delete(&self, key: &SessionKey) -> Result<(), anyhow::Error> {
        kept!(self, store => store.delete(key).await);
        Ok(())
    }
}
