//! The settings of the daemon, read once at the start; a mistake in any of them is reported with all the others.

use shared_auth::{EntraConfig, Env};
use url::Url;

use crate::heartbeat::Heartbeat;

/// Each field names its variables; `.env.example` explains them.
pub struct Settings {
    /// `AZURE_…`: the registration of this service.
    pub entra: EntraConfig,
    /// `GRAPH_BASE_URL`.
    pub graph: Url,
    /// `API_BASE_URL`: where our API is.
    pub api: Url,
    /// `API_SCOPES`: what to ask for it, `api://…/.default`.
    pub api_scopes: String,
    /// `DAEMON_…`: how often there is a round, and the sign that it leaves.
    pub heartbeat: Heartbeat,
}

impl Settings {
    /// Reads the variables; `None` means that a problem was noted.
    pub fn from_env(env: &mut Env) -> Option<Self> {
        let entra = EntraConfig::from_env(env);
        let graph = shared_auth::url_or(env, "GRAPH_BASE_URL", shared_auth::GRAPH);
        let api = shared_auth::url(env, "API_BASE_URL");
        let api_scopes = env.required("API_SCOPES");
        let heartbeat = Heartbeat::from_env(env);
        Some(Self { entra: entra?, graph: graph?, api: api?, api_scopes: api_scopes?, heartbeat: heartbeat? })
    }
}
