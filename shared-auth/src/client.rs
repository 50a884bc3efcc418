//! The door to everything: a confidential client, its accounts, and what an acquisition returns.
//!
//! Make one client and keep it: it holds the caches, the discovery document and the signing keys. Clones are cheap and
//! share all of them. The verbs stand in [`crate::flows`], one file each.

use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::authority::Authority;
use crate::cache::{CachedToken, PartitionKey, TokenStore};
use crate::clock::{SharedClock, SystemClock};
use crate::config::{ApiConfig, EntraConfig};
use crate::credential::ClientCredential;
use crate::env::ConfigError;
use crate::error::Error;
use crate::http::Http;
use crate::jwt::{AccessTokenValidator, IdTokenValidator, SigningKeys};
use crate::protocol::scope::Scopes;
use crate::secret::{AccessToken, App, TokenKind, User, UserAssertion};

/// An application that can keep a secret: a web app, a web API, a daemon.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use shared_auth::{ConfidentialClient, EntraConfig, Env};
///
/// let config = Env::from_process().read(EntraConfig::from_env)?;
/// let client = ConfidentialClient::new(config)?;
/// let token = client.acquire_token_for_client("https://graph.microsoft.com/.default").await?;
/// println!("valid until {}, from {}", token.expires_at, token.source);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct ConfidentialClient {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub client_id: String,
    pub credential: ClientCredential,
    pub authority: Arc<Authority>,
    pub http: Http,
    pub clock: SharedClock,
    pub keys: Arc<SigningKeys>,
    pub id_tokens: IdTokenValidator,
    app_partition: PartitionKey,
    pub app_tokens: TokenStore<App>,
    pub user_tokens: TokenStore<User>,
}

/// Options for a [`ConfidentialClient`] beyond its registration.
#[derive(Debug)]
pub struct ConfidentialClientBuilder {
    config: EntraConfig,
    clock: SharedClock,
    clock_skew: SignedDuration,
    jwks_min_refresh: SignedDuration,
}

impl ConfidentialClientBuilder {
    /// The clock that decides about expiry; the machine's by default.
    #[must_use]
    pub fn clock(mut self, clock: SharedClock) -> Self {
        self.clock = clock;
        self
    }

    /// How far this machine's clock and Entra's may be apart when tokens are checked, in seconds; 60 by default.
    #[must_use]
    pub fn clock_skew_seconds(mut self, seconds: u32) -> Self {
        self.clock_skew = SignedDuration::from_secs(i64::from(seconds));
        self
    }

    /// How soon an unknown key id may make us ask for the signing keys again, in seconds; 300 by default.
    #[must_use]
    pub fn jwks_min_refresh_seconds(mut self, seconds: u32) -> Self {
        self.jwks_min_refresh = SignedDuration::from_secs(i64::from(seconds));
        self
    }

    /// The client. No network yet: the authority is asked when it is first needed.
    ///
    /// # Errors
    /// [`ConfigError`] for an authority that would see the credential in the clear, a malformed tenant, or a CA file
    /// that holds no certificates.
    pub fn build(self) -> Result<ConfidentialClient, ConfigError> {
        let Self { config, clock, clock_skew, jwks_min_refresh } = self;
        let http = Http::new(config.extra_ca_certs.as_deref())?;
        let authority = Arc::new(Authority::new(
            config.authority_host,
            &config.tenant_id,
            config.backchannel,
            http.clone(),
            clock.clone(),
        )?);
        let keys =
            Arc::new(SigningKeys::new(Arc::clone(&authority), http.clone(), clock.clone(), jwks_min_refresh));
        let id_tokens = IdTokenValidator::new(
            Arc::clone(&authority),
            Arc::clone(&keys),
            clock.clone(),
            &config.client_id,
            clock_skew,
        );
        Ok(ConfidentialClient {
            inner: Arc::new(Inner {
                app_partition: PartitionKey::app(
                    &authority.environment(),
                    authority.tenant(),
                    &config.client_id,
                ),
                client_id: config.client_id,
                credential: config.credential,
                authority,
                http,
                keys,
                id_tokens,
                app_tokens: TokenStore::new(clock.clone()),
                user_tokens: TokenStore::new(clock.clone()),
                clock,
            }),
        })
    }
}

impl ConfidentialClient {
    /// A client with in-memory caches and the machine's clock.
    ///
    /// # Errors
    /// As [`ConfidentialClientBuilder::build`].
    pub fn new(config: EntraConfig) -> Result<Self, ConfigError> {
        Self::builder(config).build()
    }

    /// A client with options.
    pub fn builder(config: EntraConfig) -> ConfidentialClientBuilder {
        ConfidentialClientBuilder {
            config,
            clock: Arc::new(SystemClock),
            clock_skew: SignedDuration::from_secs(60),
            jwks_min_refresh: SignedDuration::from_secs(300),
        }
    }

    /// The authority: tenant, endpoints, issuer.
    pub fn authority(&self) -> &Authority {
        &self.inner.authority
    }

    /// The application (client) id.
    pub fn client_id(&self) -> &str {
        &self.inner.client_id
    }

    /// A validator for the access tokens that reach this application as an API. It shares the signing keys.
    pub fn access_token_validator(&self, config: &ApiConfig) -> AccessTokenValidator {
        AccessTokenValidator::new(
            Arc::clone(&self.inner.authority),
            Arc::clone(&self.inner.keys),
            self.inner.clock.clone(),
            config,
        )
    }

    /// Forgets every token of an account: its own, those that were got on its behalf, and its long-running processes.
    pub fn remove_account(&self, account: &Account) {
        self.inner.user_tokens.cache.remove(&self.inner.account_partition(account));
        self.inner.user_tokens.cache.remove_user(&account.home_account_id);
    }

    /// Asks the authority who it is, so that a wrong tenant or address shows at the start and not at the first user.
    ///
    /// # Errors
    /// As [`Authority::metadata`].
    pub async fn connect(&self) -> Result<(), Error> {
        self.inner.authority.metadata().await.map(|_| ())
    }
}

impl Inner {
    /// Made once: it is looked up at every acquisition.
    pub fn app_partition(&self) -> PartitionKey {
        self.app_partition.clone()
    }

    pub fn assertion_partition(&self, assertion: &UserAssertion) -> PartitionKey {
        let authority = &self.authority;
        PartitionKey::assertion(&authority.environment(), authority.tenant(), &self.client_id, assertion)
    }

    pub fn long_running_partition(&self, key: &str) -> PartitionKey {
        let authority = &self.authority;
        PartitionKey::long_running(&authority.environment(), authority.tenant(), &self.client_id, key)
    }

    pub fn account_partition(&self, account: &Account) -> PartitionKey {
        let authority = &self.authority;
        PartitionKey::account(
            &authority.environment(),
            authority.tenant(),
            &self.client_id,
            &account.home_account_id,
        )
    }
}

/// A signed-in user, as the token cache files it. Holds no token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// `{object id}.{tenant id}` of the user's home, the same in every application.
    pub home_account_id: String,
    /// The tenant that was signed in to.
    pub tenant_id: String,
    /// For display and as a hint to the sign-in page; it can change and decides nothing.
    pub username: String,
}

/// Where a token came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum TokenSource {
    /// Entra was asked.
    IdentityProvider,
    /// The cache had it, or another caller was asking Entra for it already.
    Cache,
}

impl fmt::Display for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TokenSource::IdentityProvider => "identity provider",
            TokenSource::Cache => "cache",
        })
    }
}

/// Why the cache did not simply answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum CacheRefreshReason {
    /// It did.
    NotApplicable,
    /// The caller brought a claims challenge or wanted a new token.
    ForceRefreshOrClaims,
    /// There was no token for these scopes, or none that is good for five more minutes.
    NoCachedAccessToken,
    /// It did, and a successor is being fetched in the background.
    ProactivelyRefreshed,
}

/// An access token with what one needs to know about it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AuthenticationResult<K: TokenKind> {
    /// The token, to be sent to the API that it is for and to nobody else.
    pub access_token: AccessToken<K>,
    /// What it allows; may be more than was asked for.
    pub scopes: Scopes,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Where it came from.
    pub source: TokenSource,
    /// Why the cache did not simply answer.
    pub refresh_reason: CacheRefreshReason,
    /// What was asked for and not granted. Asking again does not change it; the user's consent may.
    pub declined_scopes: Scopes,
}

impl<K: TokenKind> AuthenticationResult<K> {
    pub(crate) fn new(
        token: CachedToken<K>,
        source: TokenSource,
        refresh_reason: CacheRefreshReason,
    ) -> Self {
        Self {
            access_token: token.access_token,
            scopes: token.scopes,
            expires_at: token.expires_at,
            source,
            refresh_reason,
            declined_scopes: token.declined,
        }
    }
}
