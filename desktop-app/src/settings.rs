//! The settings, read once at the start; a mistake in any of them is reported with all the others.

use std::path::PathBuf;
use std::time::Duration;

use shared_auth::{AppRegistration, Env};
use url::Url;

/// Each field names its variables; `.env.example` explains them.
pub struct Settings {
    /// `AZURE_…`: the registration of this program.
    pub registration: AppRegistration,
    /// `API_BASE_URL`: where our API is.
    pub api: Url,
    /// `API_SCOPES`: what to ask for it.
    pub api_scopes: String,
    /// `SIGN_IN_TIMEOUT_SECONDS`, 600 by default: how long the browser is waited for.
    pub time_limit: Duration,
    /// `TOKEN_CACHE_DIR`: where tokens are kept, in place of the user's own folder for such things.
    pub cache_folder: Option<PathBuf>,
}

impl Settings {
    /// Reads the variables; `None` means that a problem was noted.
    pub fn from_env(env: &mut Env) -> Option<Self> {
        let registration = AppRegistration::from_env(env);
        let api = shared_auth::url(env, "API_BASE_URL");
        let api_scopes = env.required("API_SCOPES");
        let limit = env.number("SIGN_IN_TIMEOUT_SECONDS", 600, 1..=3600);
        let cache_folder = env.optional("TOKEN_CACHE_DIR");
        Some(Self {
            registration: registration?,
            api: api?,
            api_scopes: api_scopes?,
            time_limit: Duration::from_secs(limit?.into()),
            cache_folder: cache_folder?,
        })
    }
}
