//! How a managed identity is set up: which endpoint, which clock, how patient.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::endpoint::Endpoint;
use super::{Inner, ManagedIdentity, ManagedIdentityId};
use crate::cache::{Owner, TokenStore};
use crate::clock::{SharedClock, SystemClock};
use crate::env::{ConfigError, Env};
use crate::http::Http;

/// Where virtual machines, containers and Kubernetes nodes ask (Azure Instance Metadata Service).
pub(super) const IMDS: &str = "http://169.254.169.254";
/// A program talks to a few resources.
const MEMORY_LIMIT_BYTES: u64 = 4 * 1024 * 1024;

/// Options for a [`ManagedIdentity`].
///
/// ```
/// use std::time::Duration;
///
/// use shared_auth::{ManagedIdentity, ManagedIdentityId};
///
/// let identity = ManagedIdentity::builder(ManagedIdentityId::SystemAssigned)
///     .imds_endpoint("http://127.0.0.1:8400".parse().unwrap())
///     .retry_pause(Duration::from_millis(100))
///     .build()?;
/// # Ok::<(), shared_auth::ConfigError>(())
/// ```
#[derive(Debug)]
pub struct ManagedIdentityBuilder {
    id: ManagedIdentityId,
    endpoint: Option<Endpoint>,
    clock: SharedClock,
    pause: Duration,
}

impl ManagedIdentityBuilder {
    /// Another address of the metadata service than `http://169.254.169.254`.
    #[must_use]
    pub fn imds_endpoint(mut self, base: Url) -> Self {
        self.endpoint = Some(Endpoint::Imds(base));
        self
    }

    /// App Service and Functions: the values of `IDENTITY_ENDPOINT` and `IDENTITY_HEADER`.
    #[must_use]
    pub fn app_service(mut self, endpoint: Url, header: impl Into<String>) -> Self {
        self.endpoint =
            Some(Endpoint::AppService { url: endpoint, header: SecretString::from(header.into()) });
        self
    }

    /// The clock that decides about expiry; the machine's by default.
    #[must_use]
    pub fn clock(mut self, clock: SharedClock) -> Self {
        self.clock = clock;
        self
    }

    /// The pause before the first retry, a second by default; the others follow from it.
    #[must_use]
    pub fn retry_pause(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    /// The identity. Nothing is asked yet.
    ///
    /// # Errors
    /// [`ConfigError`] where TLS cannot be set up.
    pub fn build(self) -> Result<ManagedIdentity, ConfigError> {
        let Self { id, endpoint, clock, pause } = self;
        let endpoint = match endpoint {
            Some(endpoint) => endpoint,
            None => Endpoint::Imds(
                Url::parse(IMDS).map_err(|_| ConfigError::new("managed identity", "has no address"))?,
            ),
        };
        let tokens = TokenStore::new(clock.clone(), MEMORY_LIMIT_BYTES, None, Arc::default());
        let owner = Owner::new("managed identity", &format!("{id:?}"));
        let http = Http::direct()?;
        Ok(ManagedIdentity { inner: Arc::new(Inner { id, endpoint, http, clock, pause, owner, tokens }) })
    }
}

impl ManagedIdentity {
    /// An identity of the machine, by default through its metadata service.
    pub fn builder(id: ManagedIdentityId) -> ManagedIdentityBuilder {
        let clock = Arc::new(SystemClock);
        ManagedIdentityBuilder { id, endpoint: None, clock, pause: Duration::from_secs(1) }
    }

    /// Through App Service where `IDENTITY_ENDPOINT` and `IDENTITY_HEADER` are set, otherwise through the metadata
    /// service.
    ///
    /// ```
    /// use shared_auth::{Env, ManagedIdentity, ManagedIdentityId};
    ///
    /// let mut env = Env::from_pairs([("IDENTITY_ENDPOINT", "http://127.0.0.1:41741/msi/token")]);
    /// let half = env.read(|env| ManagedIdentity::from_env(env, ManagedIdentityId::SystemAssigned));
    /// assert!(half.unwrap_err().to_string().contains("IDENTITY_HEADER: is missing"));
    /// ```
    pub fn from_env(env: &mut Env, id: ManagedIdentityId) -> Option<Self> {
        let mut builder = Self::builder(id);
        if let Some(endpoint) = env.optional::<Url>("IDENTITY_ENDPOINT")? {
            builder = builder.app_service(endpoint, env.required::<String>("IDENTITY_HEADER")?);
        }
        builder.build().map_err(|error| env.note("IDENTITY_ENDPOINT", error.to_string())).ok()
    }
}
