//! The settings of the web app, read once at the start; a mistake in any of them is reported with all the others.

use std::net::{SocketAddr, TcpListener};

use shared_auth::actix::{CookieKey, ServerLimits};
use shared_auth::{Deployment, EntraConfig, Env, RedisCache, Scopes, service};
use url::Url;

/// Where the app listens unless `LISTEN_ADDR` says otherwise.
pub const LISTEN: &str = "127.0.0.1:3000";

/// Each field names its variable; `.env.example` explains them.
pub struct Settings {
    /// `AZURE_…`, `ALLOWED_TENANTS`: the registration of this app, and whose users may sign in.
    pub entra: EntraConfig,
    /// `GRAPH_BASE_URL`.
    pub graph: Url,
    /// `API_BASE_URL`: where the API is.
    pub api: Url,
    /// `API_SCOPES`: what to ask for it.
    pub api_scopes: Scopes,
    /// `REDIS_URL`, `REDIS_AUTH`, `REDIS_SENTINEL_…`, `CACHE_KEYS` or `CACHE_KEYS_FILE`: where replicas share tokens and sessions; memory alone without it.
    pub redis: Option<RedisCache>,
    /// What the look at the settings needs to know: likely mistakes are logged at the start.
    pub deployment: Deployment,
    /// `LISTEN_ADDR`.
    pub listen: SocketAddr,
    /// `TRUSTED_PROXIES`, `ATTEMPTS_PER_MINUTE`: whose word about a client counts, and how often one may try.
    pub limits: ServerLimits,
    /// `PUBLIC_URL`: the origin that browsers see; `http://localhost` with the bound port by default.
    pub public_url: Option<Url>,
    /// `SESSION_KEY`: signs the session cookie.
    pub session_key: CookieKey,
    /// `TOKEN_CLOCK_SKEW_SECONDS`: how far this clock and Entra's may be apart.
    pub clock_skew_seconds: u32,
    /// `JWKS_MIN_REFRESH_SECONDS`: how soon an unknown signing key may make the app ask for the keys again.
    pub jwks_min_refresh_seconds: u32,
}

impl Settings {
    /// Reads the variables; `None` means that a problem was noted.
    pub fn from_env(env: &mut Env) -> Option<Self> {
        let entra = EntraConfig::from_env_with_tenants(env);
        let graph = shared_auth::url_or(env, "GRAPH_BASE_URL", shared_auth::GRAPH);
        let api = shared_auth::url(env, "API_BASE_URL");
        let api_scopes = env.required::<String>("API_SCOPES");
        let redis = RedisCache::from_env(env);
        let listen = service::listen_addr(env, LISTEN);
        let limits = ServerLimits::from_env(env);
        let public_url = shared_auth::optional_origin(env, "PUBLIC_URL");
        let mut deployment = Deployment::new().detect_platform();
        if let Some(scopes) = &api_scopes {
            deployment = deployment.user_scopes(scopes.as_str());
        }
        if let Some(Some(url)) = &public_url {
            deployment = deployment.redirect_uri(url);
        }
        let session_key = env.required("SESSION_KEY");
        let clock_skew_seconds = shared_auth::clock_skew_seconds(env);
        let jwks_min_refresh_seconds = shared_auth::jwks_min_refresh_seconds(env);
        Some(Self {
            entra: entra?,
            graph: graph?,
            api: api?,
            api_scopes: api_scopes?.into(),
            redis: redis?,
            deployment,
            listen: listen?,
            limits: limits?,
            public_url: public_url?,
            session_key: session_key?,
            clock_skew_seconds: clock_skew_seconds?,
            jwks_min_refresh_seconds: jwks_min_refresh_seconds?,
        })
    }
}

/// The origin that browsers see: as set, or this machine's with the port that was bound.
pub fn public_url(set: Option<Url>, listener: &TcpListener) -> anyhow::Result<Url> {
    match set {
        Some(url) => Ok(url),
        None => Ok(Url::parse(&format!("http://localhost:{}", listener.local_addr()?.port()))?),
    }
}
