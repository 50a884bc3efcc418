//! Redis behind the memory caches: what one replica got, the others have; what one removes, the others forget.
//!
//! | file | what it is |
//! |---|---|
//! | `server.rs` | which Redis an address means: one server, the master that sentinels name, a cluster |
//! | `cluster.rs` | commands for a cluster, each to its node |
//! | `credentials.rs` | Entra's token in place of a password |
//! | `link.rs` | the connection: one for all calls, a time limit on each, a circuit that opens while Redis is away |
//! | `backend.rs` | partitions, leases and removals as commands, one round trip each |
//! | `scripts.rs` | what must happen in one piece on the server |
//! | `notices.rs` | what the other replicas did, heard within a second |
//!
//! A Redis that is away, slow or full fails nobody: memory and Entra go on, a line in the log says so, and it is found
//! again without a restart. [`RedisCache::state`] is for health pages and metrics.

mod authorities;
mod backend;
mod cluster;
mod credentials;
mod link;
mod notices;
mod scripts;
mod server;
#[cfg(test)]
#[allow(dead_code, unused_imports, reason = "the tests over the library's surface need the rest")]
#[path = "../../../tests/servers/mod.rs"]
pub(super) mod servers;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use deadpool_redis::redis::Pipeline;

pub(super) use self::backend::RedisBackend;
use self::credentials::Credentials;
pub(crate) use self::link::{Link, namespace};
use self::server::{Address, Server};
use super::seal::KeyRing;
use super::shared::SharedLevel;
use crate::clock::SharedClock;
use crate::env::{ConfigError, Env};

const URL: &str = "REDIS_URL";
const SENTINEL_PASSWORD: &str = "REDIS_SENTINEL_PASSWORD";

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
    entra: Option<Credentials>,
}

/// How long one call may take, unless it is said otherwise.
const TIME_LIMIT: Duration = Duration::from_millis(250);

/// What a [`RedisCache`] is made of, for what its address alone does not say.
///
/// ```
/// use shared_auth::{KeyRing, RedisCache};
///
/// let keys: KeyRing = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=".parse()?;
/// let redis = RedisCache::builder("rediss://redis.example:6380", keys)
///     .time_limit(std::time::Duration::from_millis(500))
///     .build()?;
/// assert!(redis.state().available);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct RedisCacheBuilder {
    url: String,
    keys: KeyRing,
    limit: Duration,
    authorities: Option<Vec<u8>>,
    entra: bool,
    sentinel_account: Option<(Option<String>, String)>,
}

impl RedisCacheBuilder {
    /// How long one call may take; 250 ms by default.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Authorities for TLS, as PEM, added to the system's and never instead of them.
    #[must_use]
    pub fn extra_ca_certs(mut self, pem: Vec<u8>) -> Self {
        self.authorities = Some(pem);
        self
    }

    /// Shows Entra's token instead of a password, as Azure Managed Redis wants it: the user of the address is the object id
    /// of the application's service principal. The token is got by the first client that shares this cache, with that
    /// client's own credential, and renewed before it ends.
    #[must_use]
    pub fn entra(mut self) -> Self {
        self.entra = true;
        self
    }

    /// How the sentinels themselves are asked, where they have a password of their own; user name and password in the address
    /// are for the Redis that they name. `None` as a user is the `default` one.
    ///
    /// ```
    /// # let keys: shared_auth::KeyRing = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=".parse()?;
    /// let url = "redis-sentinel://:of-redis@host:26379,host2:26379/mymaster";
    /// let redis = shared_auth::RedisCache::builder(url, keys).sentinel_account(None, "of-the-sentinels").build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn sentinel_account(mut self, user: Option<&str>, password: &str) -> Self {
        self.sentinel_account = Some((user.map(str::to_owned), password.to_owned()));
        self
    }

    /// The cache. Nothing is sent yet: it is connected to when it is first needed, and a Redis that is away then is looked
    /// for again.
    ///
    /// # Errors
    /// [`ConfigError`] for an address that is none, authorities that are no certificates, or a token that would travel in
    /// the clear. It does not repeat the address, which may hold a password.
    pub fn build(self) -> Result<RedisCache, ConfigError> {
        let problem = |reason: &str| ConfigError::new(URL, reason.to_owned());
        let mut address = Address::parse(&self.url).ok_or_else(|| {
            problem("is not an address such as redis://host:6379, rediss://user:password@host:6380, redis-sentinel://host:26379,host2:26379/mymaster or redis-cluster://host:6379,host2:6379")
        })?;
        if let Some((user, password)) = self.sentinel_account
            && !address.set_sentinel_account(user, password)
        {
            return Err(ConfigError::new(
                SENTINEL_PASSWORD,
                "is set, and REDIS_URL names no sentinels (redis-sentinel://)",
            ));
        }
        let entra = match self.entra {
            false => None,
            true if address.has_password() => {
                return Err(problem("has a password; with REDIS_AUTH=entra there is none"));
            }
            true if !address.uses_tls() && !address.is_loopback() => {
                return Err(problem("must begin with rediss: a token would travel in the clear"));
            }
            true => Some(Credentials::new(address.user().ok_or_else(|| {
                problem("needs the object id of the application as its user: rediss://OBJECT-ID@host:6380")
            })?)),
        };
        let authorities = self.authorities.as_deref().map(authorities::with_the_systems).transpose()?;
        // The library's own message could repeat the address.
        let server = Server::new(address, authorities, entra.clone())
            .map_err(|_| problem("names a Redis that no connection can be prepared for"))?;
        Ok(RedisCache { link: Link::new(server, self.limit), keys: self.keys, entra })
    }
}

impl std::fmt::Debug for RedisCacheBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisCacheBuilder").field("limit", &self.limit).finish_non_exhaustive()
    }
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
    /// A Redis by its address; user name, password and database number stand in it.
    ///
    /// | address | what it is |
    /// |---|---|
    /// | `redis://host:6379/0` | one server |
    /// | `redis-sentinel://host:26379,host2:26379/mymaster/0` | the master that sentinels name, also after a failover |
    /// | `redis-cluster://host:6379,host2:6379` | a cluster, found by any of its nodes |
    /// | `rediss://`, `rediss-sentinel://`, `rediss-cluster://` | the same with TLS |
    ///
    /// # Errors
    /// As [`RedisCacheBuilder::build`].
    pub fn connect(url: &str, keys: KeyRing) -> Result<Self, ConfigError> {
        Self::builder(url, keys).build()
    }

    /// A Redis with options.
    pub fn builder(url: &str, keys: KeyRing) -> RedisCacheBuilder {
        RedisCacheBuilder {
            url: url.to_owned(),
            keys,
            limit: TIME_LIMIT,
            authorities: None,
            entra: false,
            sentinel_account: None,
        }
    }

    /// Reads `REDIS_URL` and, required with it, `CACHE_KEYS` or `CACHE_KEYS_FILE`; `REDIS_AUTH=entra` for
    /// [Entra's token](RedisCacheBuilder::entra) in place of a password, `REDIS_SENTINEL_PASSWORD` and
    /// `REDIS_SENTINEL_USER` for sentinels that have [one of their own](RedisCacheBuilder::sentinel_account), and
    /// `EXTRA_CA_CERTS` for TLS. Without `REDIS_URL` there is no Redis. The outer `None` means that a problem was noted.
    #[allow(clippy::option_option, reason = "absent and malformed are different answers")]
    pub fn from_env(env: &mut Env) -> Option<Option<Self>> {
        let url = env.optional::<String>(URL);
        let keys = KeyRing::from_env(env);
        let entra = match env.or("REDIS_AUTH", "password".to_owned()).as_deref() {
            Some("password") => Some(false),
            Some("entra") => Some(true),
            Some(_) => {
                env.note("REDIS_AUTH", "is neither password nor entra");
                None
            }
            None => None,
        };
        let user = env.optional::<String>("REDIS_SENTINEL_USER");
        let password = env.optional::<String>(SENTINEL_PASSWORD);
        if matches!((&user, &password), (Some(Some(_)), Some(None))) {
            env.note("REDIS_SENTINEL_USER", "is set without REDIS_SENTINEL_PASSWORD");
            return None;
        }
        let authorities = crate::config::extra_ca_certs(env);
        let (Some(url), keys) = (url?, keys?) else { return Some(None) };
        let Some(keys) = keys else {
            env.note("CACHE_KEYS", "is missing: what lies in Redis is sealed, so REDIS_URL needs CACHE_KEYS or CACHE_KEYS_FILE (openssl rand -base64 32)");
            return None;
        };
        let mut builder = Self::builder(&url, keys);
        (builder.entra, builder.authorities) = (entra?, authorities?);
        let user = user?;
        builder.sentinel_account = password?.map(|password| (user, password));
        match builder.build() {
            Ok(redis) => Some(Some(redis)),
            Err(error) => {
                error.problems.into_iter().for_each(|problem| env.note(problem.name, problem.reason));
                None
            }
        }
    }

    /// The client whose tokens it shows, where it shows any. The first one stays.
    pub(crate) fn identify(
        &self,
        client: impl FnOnce() -> Result<crate::client::ConfidentialClient, ConfigError>,
    ) -> Result<(), ConfigError> {
        match &self.entra {
            Some(entra) => entra.identify(client),
            None => Ok(()),
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

    /// Asks Redis now, in one round trip within the time limit; while the circuit is open it is not asked. For readiness,
    /// also of a service that nobody else asks for anything; `actix::health_routes_with` answers with it.
    pub async fn check(&self) -> RedisState {
        let mut ping = Pipeline::new();
        ping.cmd("PING");
        let available = self.link.run(&ping).await.is_ok();
        RedisState { available, ..self.state() }
    }

    /// How it stood with Redis at the last calls, without asking. A service is ready while Redis is away: it goes on
    /// without it.
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
