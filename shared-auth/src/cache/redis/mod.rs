//! Redis behind the memory caches: what one replica got, the others have; what one removes, the others forget.
//!
//! | file | what it is |
//! |---|---|
//! | `link.rs` | the connection: one for all calls, a time limit on each, a circuit that opens while Redis is away |
//! | `backend.rs` | partitions, leases and removals as commands, one round trip each |
//! | `scripts.rs` | what must happen in one piece on the server |
//! | `notices.rs` | what the other replicas did, heard within a second |
//!
//! A Redis that is away, slow or full fails nobody: memory and Entra go on, a line in the log says so, and it is found
//! again without a restart. [`RedisCache::state`] is for health pages and metrics.

mod backend;
mod link;
mod notices;
#[cfg(test)]
pub(super) mod process;
mod scripts;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

pub(super) use self::backend::RedisBackend;
pub(crate) use self::link::{Link, namespace};
use super::seal::KeyRing;
use super::shared::SharedLevel;
use crate::clock::SharedClock;
use crate::env::{ConfigError, Env};

/// A Redis that replicas share, and the keys that seal what lies there. Clones share the connection.
///
/// Keys in Redis are hashes and values are sealed: whoever reads it finds no token, no name and no address.
///
/// ```no_run
/// # fn example(config: shared_auth::EntraConfig) -> Result<(), shared_auth::ConfigError> {
/// use shared_auth::{ConfidentialClient, KeyRing, RedisCache};
///
/// let keys: KeyRing = std::env::var("CACHE_KEYS").unwrap_or_default().parse().map_err(|reason| {
///     shared_auth::ConfigError::new("CACHE_KEYS", format!("{reason}"))
/// })?;
/// let redis = RedisCache::connect("rediss://:password@redis.example:6380", keys)?;
/// let client = ConfidentialClient::builder(config).shared_cache(redis).build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct RedisCache {
    pub(crate) link: Arc<Link>,
    pub(crate) keys: KeyRing,
}

/// How it stands with Redis.
///
/// ```no_run
/// # fn example(redis: shared_auth::RedisCache) {
/// let state = redis.state();
/// if !state.available {
///     println!("Redis is away for the {}th time; memory and Entra go on", state.outages);
/// }
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RedisState {
    /// False while the circuit is open: Redis is not asked, memory and Entra go on without it.
    pub available: bool,
    /// True after a write for which Redis had no room, until one succeeds.
    pub full: bool,
    /// Calls that failed or took too long, since the start.
    pub failures: u64,
    /// How often the circuit opened, since the start.
    pub outages: u64,
    /// Values that could not be opened, since the start: a foreign or dropped key, or somebody's interference.
    pub unreadable: u64,
}

impl RedisCache {
    /// A Redis at `redis://…` or, with TLS, `rediss://…`; user name, password and database number stand in the address.
    ///
    /// Nothing is sent yet: it is connected to when it is first needed, and a Redis that is away then is looked for again.
    ///
    /// # Errors
    /// [`ConfigError`] for an address that is none. It does not repeat the address, which may hold a password.
    pub fn connect(url: &str, keys: KeyRing) -> Result<Self, ConfigError> {
        Ok(Self { link: Link::new(url, Duration::from_millis(250))?, keys })
    }

    /// How long one call may take; 250 ms by default. To be set before the cache is handed to clients.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn with_time_limit(self, limit: Duration) -> Result<Self, ConfigError> {
        Ok(Self { link: self.link.with_limit(limit)?, keys: self.keys })
    }

    /// Reads `REDIS_URL` and, required with it, `CACHE_KEYS` or `CACHE_KEYS_FILE`. Without `REDIS_URL` there is no Redis.
    /// The outer `None` means that a problem was noted.
    #[allow(clippy::option_option, reason = "absent and malformed are different answers")]
    pub fn from_env(env: &mut Env) -> Option<Option<Self>> {
        const URL: &str = "REDIS_URL";
        let url = env.optional::<String>(URL);
        let keys = KeyRing::from_env(env);
        let (Some(url), keys) = (url?, keys?) else { return Some(None) };
        let Some(keys) = keys else {
            env.note("CACHE_KEYS", "is missing: what lies in Redis is sealed, so REDIS_URL needs CACHE_KEYS or CACHE_KEYS_FILE (openssl rand -base64 32)");
            return None;
        };
        match Self::connect(&url, keys) {
            Ok(redis) => Some(Some(redis)),
            Err(error) => {
                error.problems.into_iter().for_each(|problem| env.note(URL, problem.reason));
                None
            }
        }
    }

    /// The level behind the caches of one registration.
    pub(crate) fn level(
        self,
        environment: &str,
        realm: &str,
        client_id: &str,
        clock: SharedClock,
    ) -> SharedLevel {
        let backend = RedisBackend::new(self.link, namespace(environment, realm, client_id));
        SharedLevel::new(Arc::new(backend), self.keys, clock)
    }

    /// For readiness and metrics. A service is ready while Redis is away: it goes on without it.
    pub fn state(&self) -> RedisState {
        let link = &self.link;
        RedisState {
            available: !link.is_open(),
            full: link.full.load(Ordering::Relaxed),
            failures: link.failures.get(),
            outages: link.outages.get(),
            unreadable: self.keys.unreadable() + link.misplaced.get(),
        }
    }
}
