//! The settings of the API, read once at the start; a mistake in any of them is reported with all the others.

use std::net::SocketAddr;

use shared_auth::actix::ServerLimits;
use shared_auth::{ApiConfig, EntraConfig, Env, RedisCache, service};
use url::Url;

/// Where the API listens unless `LISTEN_ADDR` says otherwise.
pub const LISTEN: &str = "127.0.0.1:4000";

/// Each field names its variables; `.env.example` explains them.
pub struct Settings {
    /// `AZURE_…`, `ALLOWED_TENANTS`: the registration of this API, and whose tokens it takes.
    pub entra: EntraConfig,
    /// `API_…`, `TOKEN_CLOCK_SKEW_SECONDS`, `JWKS_MIN_REFRESH_SECONDS`: whom it lets in.
    pub api: ApiConfig,
    /// `GRAPH_BASE_URL`.
    pub graph: Url,
    /// `REDIS_URL`, `REDIS_AUTH`, `REDIS_SENTINEL_…`, `CACHE_KEYS` or `CACHE_KEYS_FILE`: where replicas share their tokens; memory alone without it.
    pub redis: Option<RedisCache>,
    /// `LISTEN_ADDR`.
    pub listen: SocketAddr,
    /// `TRUSTED_PROXIES`, `ATTEMPTS_PER_MINUTE`: whose word about a client counts, and how often one may try.
    pub limits: ServerLimits,
}

impl Settings {
    /// Reads the variables; `None` means that a problem was noted.
    pub fn from_env(env: &mut Env) -> Option<Self> {
        let entra = EntraConfig::from_env_with_tenants(env);
        let api = ApiConfig::from_env(env, entra.as_ref());
        let graph = shared_auth::url_or(env, "GRAPH_BASE_URL", shared_auth::GRAPH);
        let redis = RedisCache::from_env(env);
        let listen = service::listen_addr(env, LISTEN);
        let limits = ServerLimits::from_env(env);
        Some(Self {
            entra: entra?,
            api: api?,
            graph: graph?,
            redis: redis?,
            listen: listen?,
            limits: limits?,
        })
    }
}
