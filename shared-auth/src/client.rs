//! The door to everything: a confidential client, its accounts, and what an acquisition returns.
//!
//! Make one client and keep it: it holds the caches, the discovery document and the signing keys. Clones are cheap and
//! share all of them. The verbs stand in [`crate::flows`], one file each.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::SignedDuration;
use reqwest::header::HeaderValue;
use serde::{Deserialize, Serialize};

use crate::authority::Authority;
use crate::cache::unified::Ledger;
use crate::cache::{MEMORY_LIMIT_BYTES, Owner, PartitionKey, PartitionRef, SharedLevel, TokenStore};
use crate::clock::{SharedClock, SystemClock};
use crate::config::{ApiConfig, AppRegistration, EntraConfig};
use crate::credential::ClientCredential;
use crate::env::ConfigError;
use crate::error::Error;
use crate::http::Http;
use crate::jwt::{AccessTokenValidator, IdTokenValidator, SigningKeys, TenantOnboarding};
use crate::lint::{self, Deployment};
use crate::protocol::claims_request;
pub(crate) use crate::result::{AuthenticationResult, TokenSource};
use crate::secret::{App, TokenDigest, User, UserAssertion};
use crate::telemetry::{Counters, Metrics, program_headers};

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
    /// A public client has none.
    pub credential: Option<ClientCredential>,
    pub authority: Arc<Authority>,
    pub http: Http,
    pub clock: SharedClock,
    /// Said in every request.
    pub capabilities: Box<[String]>,
    /// How the program introduces itself, as headers.
    pub program: Box<[(&'static str, HeaderValue)]>,
    pub keys: Arc<SigningKeys>,
    pub id_tokens: IdTokenValidator,
    /// What the keys of all its partitions begin with.
    pub owner: Arc<Owner>,
    onboarding: Option<TenantOnboarding>,
    pub app_tokens: TokenStore<App>,
    pub user_tokens: TokenStore<User>,
    pub counters: Arc<Counters>,
    #[cfg(feature = "desktop")]
    pub family: crate::desktop::Family,
    #[cfg(feature = "redis")]
    redis: Option<crate::cache::redis::RedisCache>,
    /// Who the users are, for those who write the caches out.
    pub ledger: Ledger,
}

/// A client of either kind. No other type is one.
///
/// ```
/// use shared_auth::{Client, DownstreamApi, GRAPH};
///
/// fn graph(client: &impl Client) -> Option<DownstreamApi> {
///     Some(DownstreamApi::new("Microsoft Graph", GRAPH.parse().ok()?, client))
/// }
/// ```
pub trait Client: sealed::Client {}

pub(crate) mod sealed {
    /// How a client reaches its network.
    #[derive(Debug)]
    pub struct Transport(pub(crate) crate::http::Http);

    pub trait Client {
        #[doc(hidden)]
        fn transport(&self) -> Transport;
    }
}

impl Client for ConfidentialClient {}

impl sealed::Client for ConfidentialClient {
    fn transport(&self) -> sealed::Transport {
        sealed::Transport(self.inner.http.clone())
    }
}

/// Options for a [`ConfidentialClient`] beyond its registration.
///
/// ```no_run
/// # fn example(config: shared_auth::EntraConfig) -> Result<(), shared_auth::ConfigError> {
/// use shared_auth::ConfidentialClient;
///
/// let client = ConfidentialClient::builder(config)
///     .memory_limit_bytes(16 * 1024 * 1024)
///     .clock_skew_seconds(30)
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ConfidentialClientBuilder {
    config: EntraConfig,
    clock: SharedClock,
    clock_skew: SignedDuration,
    jwks_min_refresh: SignedDuration,
    memory_limit_bytes: u64,
    deployment: Deployment,
    onboarding: Option<TenantOnboarding>,
    #[cfg(feature = "redis")]
    redis: Option<crate::cache::redis::RedisCache>,
}

impl ConfidentialClientBuilder {
    /// The clock that decides about expiry; the machine's by default.
    #[must_use]
    pub fn clock(mut self, clock: SharedClock) -> Self {
        self.clock = clock;
        self
    }

    /// What the application can do, said in every request, beside the claims of a challenge: `cp1` where it handles claims
    /// challenges ([`Error::claims_challenge`]). Unlike a challenge this goes past no cache.
    ///
    /// ```no_run
    /// # fn example(config: shared_auth::EntraConfig) -> Result<(), shared_auth::ConfigError> {
    /// let client = shared_auth::ConfidentialClient::builder(config).client_capabilities(["cp1"]).build()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn client_capabilities<S: Into<String>>(mut self, capabilities: impl IntoIterator<Item = S>) -> Self {
        self.config.client_capabilities = capabilities.into_iter().map(Into::into).collect();
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

    /// How much memory the tokens of applications, and as much again those of users, may take, in bytes; 64 MiB by
    /// default. ID tokens, which are kept for [`ConfidentialClient::export_msal_cache`], take a quarter of it at most.
    /// The least used entries give way.
    #[must_use]
    pub fn memory_limit_bytes(mut self, bytes: u64) -> Self {
        self.memory_limit_bytes = bytes;
        self
    }

    /// A Redis behind the memory caches, so that replicas share what they get; `None` leaves it out.
    #[cfg(feature = "redis")]
    #[must_use]
    pub fn shared_cache(mut self, redis: impl Into<Option<crate::cache::redis::RedisCache>>) -> Self {
        self.redis = redis.into();
        self
    }

    /// Who decides about tenants that are not on the list of
    /// [`EntraConfig::allowed_tenants`](crate::EntraConfig::allowed_tenants), where the authority is one for several
    /// tenants; without it an empty list lets in all.
    #[must_use]
    pub fn tenant_onboarding(mut self, onboarding: TenantOnboarding) -> Self {
        self.onboarding = Some(onboarding);
        self
    }

    /// What the program knows about itself, for the look at its settings at the start: likely mistakes are logged as
    /// warnings, each with what helps.
    ///
    /// ```no_run
    /// # fn example(config: shared_auth::EntraConfig) -> Result<(), shared_auth::ConfigError> {
    /// use shared_auth::{ConfidentialClient, Deployment};
    ///
    /// let deployment = Deployment::new().user_scopes("User.Read").detect_platform();
    /// let client = ConfidentialClient::builder(config).deployment(deployment).build()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn deployment(mut self, deployment: Deployment) -> Self {
        self.deployment = deployment;
        self
    }

    /// The client. No network yet: the authority is asked when it is first needed.
    ///
    /// # Errors
    /// [`ConfigError`] for an authority that would see the credential in the clear, a malformed tenant, or a CA file
    /// that holds no certificates.
    pub fn build(self) -> Result<ConfidentialClient, ConfigError> {
        let Self {
            config,
            clock,
            clock_skew,
            jwks_min_refresh,
            memory_limit_bytes,
            deployment,
            onboarding,
            ..
        } = self;
        #[cfg(feature = "redis")]
        let deployment = if self.redis.is_some() { deployment.shared_cache() } else { deployment };
        lint::log(&lint::lint_at(&config, &deployment, clock.now()));
        #[cfg(feature = "redis")]
        if let Some(redis) = &self.redis {
            // With memory alone: a token for Redis cannot wait for Redis.
            redis.identify(|| ConfidentialClient::builder(config.clone()).clock(clock.clone()).build())?;
        }
        let (registration, credential) = config.split();
        #[cfg(feature = "redis")]
        let (redis, shared_clock) = (self.redis.clone(), clock.clone());
        let parts = Parts {
            registration,
            credential: Some(credential),
            clock,
            clock_skew,
            jwks_min_refresh,
            memory_limit_bytes,
            onboarding,
        };
        #[cfg_attr(not(feature = "redis"), allow(unused_mut, reason = "nothing to add"))]
        let mut inner = Inner::new(parts, |_authority, _client_id| {
            #[cfg(feature = "redis")]
            return redis.map(|redis| {
                let (environment, realm) = (_authority.environment(), _authority.realm());
                redis.level(environment, realm, _client_id, shared_clock)
            });
            #[cfg(not(feature = "redis"))]
            return None;
        })?;
        #[cfg(feature = "redis")]
        {
            inner.redis = self.redis;
        }
        let client = ConfidentialClient { inner: Arc::new(inner) };
        tracing::trace!(?client, "a client");
        Ok(client)
    }
}

/// What a client is made of, whether it can keep a secret or not.
pub(crate) struct Parts {
    pub registration: AppRegistration,
    pub credential: Option<ClientCredential>,
    pub clock: SharedClock,
    pub clock_skew: SignedDuration,
    pub jwks_min_refresh: SignedDuration,
    pub memory_limit_bytes: u64,
    pub onboarding: Option<TenantOnboarding>,
}

impl Inner {
    /// `shared` makes the level behind the memory caches for this authority and client id, where there is one.
    pub fn new(
        parts: Parts,
        shared: impl FnOnce(&Authority, &str) -> Option<SharedLevel>,
    ) -> Result<Self, ConfigError> {
        let Parts {
            registration,
            credential,
            clock,
            clock_skew,
            jwks_min_refresh,
            memory_limit_bytes,
            onboarding,
        } = parts;
        let http = Http::new(registration.extra_ca_certs.as_deref())?;
        let authority = Arc::new(Authority::new(&registration, http.clone(), clock.clone())?);
        let client_id = registration.client_id;
        let shared = shared(&authority, &client_id);
        let counters = Arc::<Counters>::default();
        #[cfg(feature = "otel")]
        crate::telemetry::register_client(&counters);
        let keys =
            Arc::new(SigningKeys::new(Arc::clone(&authority), http.clone(), clock.clone(), jwks_min_refresh));
        let id_tokens = IdTokenValidator::new(
            Arc::clone(&authority),
            Arc::clone(&keys),
            clock.clone(),
            &client_id,
            clock_skew,
            onboarding.clone(),
        );
        Ok(Self {
            owner: Owner::new(authority.environment(), &client_id),
            client_id,
            capabilities: registration.client_capabilities.into(),
            program: program_headers(registration.client_name, registration.client_version)?,
            credential,
            authority,
            http,
            keys,
            id_tokens,
            onboarding,
            app_tokens: TokenStore::new(
                clock.clone(),
                memory_limit_bytes,
                shared.clone(),
                Arc::clone(&counters),
            ),
            user_tokens: TokenStore::new(clock.clone(), memory_limit_bytes, shared, Arc::clone(&counters)),
            ledger: Ledger::new(memory_limit_bytes / 4),
            counters,
            #[cfg(feature = "desktop")]
            family: crate::desktop::Family::default(),
            #[cfg(feature = "redis")]
            redis: None,
            clock,
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
            memory_limit_bytes: MEMORY_LIMIT_BYTES,
            deployment: Deployment::new(),
            onboarding: None,
            #[cfg(feature = "redis")]
            redis: None,
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

    /// A validator for the access tokens that reach this application as an API. It shares the signing keys; make one and
    /// keep it, for it remembers the tokens that it has verified.
    pub fn access_token_validator(&self, config: &ApiConfig) -> AccessTokenValidator {
        AccessTokenValidator::new(
            &self.inner.authority,
            Arc::clone(&self.inner.keys),
            self.inner.clock.clone(),
            Arc::clone(&self.inner.counters),
            config,
            self.inner.onboarding.clone(),
        )
    }

    /// What this client counted since it was made: a snapshot, to be taken as often as wanted.
    ///
    /// ```no_run
    /// # fn example(client: shared_auth::ConfidentialClient) {
    /// let metrics = client.metrics();
    /// println!("{} of memory, {} of Entra", metrics.memory_hits, metrics.acquired_from_identity_provider);
    /// # }
    /// ```
    pub fn metrics(&self) -> Metrics {
        let metrics = self.inner.counters.snapshot();
        #[cfg(feature = "redis")]
        let metrics = metrics.with_redis(self.inner.redis.as_ref().map(|redis| redis.state()));
        metrics
    }

    /// Forgets every token of an account: its own, those that were got on its behalf, and its long-running processes.
    pub fn remove_account(&self, account: &Account) {
        self.inner.remove_account(account);
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
    /// Forgets every token of an account.
    pub fn remove_account(&self, account: &Account) {
        self.user_tokens.remove(&self.account_partition(account, None).to_key());
        self.user_tokens.remove_user(&account.home_account_id);
        self.ledger.forget(&account.home_account_id);
    }

    /// The authority of one request: that of the tenant, or the user flow, chosen for it, or the configured one.
    pub fn authority_for(&self, tenant: Option<&str>) -> Result<Arc<Authority>, ConfigError> {
        match tenant {
            Some(tenant) => self.authority.for_realm(tenant),
            None => Ok(Arc::clone(&self.authority)),
        }
    }

    /// What a request asks for with `claims`: a challenge, and what this client can do.
    pub fn claims(&self, challenge: Option<&str>) -> Result<Option<String>, ConfigError> {
        claims_request::merged(challenge, &self.capabilities)
            .map_err(|problem| ConfigError::new("claims", problem))
    }

    /// Where an account's tokens are got if no tenant was chosen: with an authority for several tenants, at the one
    /// that the user signed in to; with B2C, by the user flow that the user signed in with.
    pub fn tenant_of<'a>(&self, account: &'a Account) -> Option<Cow<'a, str>> {
        if self.authority.is_multi_tenant() {
            return Some(Cow::Borrowed(&account.tenant_id));
        }
        self.authority.realm_of_account(&account.home_account_id).map(Cow::Owned)
    }

    /// The part of a key that keeps tenants apart. A tenant that is none comes to nothing at the request.
    fn realm<'a>(&'a self, tenant: Option<&'a str>) -> Cow<'a, str> {
        // All of it, without a way out in the middle: that is looked at many bytes at a time.
        let has_capitals =
            |tenant: &str| tenant.bytes().fold(false, |found, byte| found | byte.is_ascii_uppercase());
        match tenant {
            Some(tenant) if has_capitals(tenant) => tenant.to_ascii_lowercase().into(),
            Some(tenant) => tenant.into(),
            None => self.authority.realm().into(),
        }
    }

    pub fn app_partition<'a>(&'a self, tenant: Option<&'a str>) -> PartitionRef<'a> {
        PartitionRef::app(&self.owner, self.realm(tenant))
    }

    pub fn assertion_partition<'a>(
        &'a self,
        assertion: &'a UserAssertion,
        tenant: Option<&'a str>,
    ) -> PartitionRef<'a> {
        PartitionRef::assertion(&self.owner, self.realm(tenant), assertion)
    }

    pub fn long_running_partition<'a>(&'a self, key: &'a TokenDigest) -> PartitionRef<'a> {
        PartitionRef::long_running(&self.owner, self.authority.realm(), key)
    }

    /// Without a tenant: that of the account where the authority is for several, the configured one otherwise.
    pub fn account_partition<'a>(
        &'a self,
        account: &'a Account,
        tenant: Option<&'a str>,
    ) -> PartitionRef<'a> {
        let own = || self.authority.is_multi_tenant().then_some(account.tenant_id.as_str());
        PartitionRef::account(&self.owner, self.realm(tenant.or_else(own)), &account.home_account_id)
    }

    /// Where a refresh token of the account may lie. It serves every tenant in which the user is known, so at another
    /// one than that of the sign-in, the sign-in's is used.
    pub fn refresh_token_partitions(&self, account: &Account) -> [PartitionKey; 2] {
        [None, Some(account.tenant_id.as_str())]
            .map(|tenant| self.account_partition(account, tenant).to_key())
    }
}

/// A signed-in user, as the token cache files it. Holds no token.
///
/// ```
/// use shared_auth::Account;
///
/// let account = Account {
///     home_account_id: "a0000000-0000-4000-8000-00000000000a.10000000-0000-4000-8000-000000000001".to_owned(),
///     tenant_id: "10000000-0000-4000-8000-000000000001".to_owned(),
///     username: "alice@contoso.test".to_owned(),
/// };
/// // It may be kept with the session: it names the tokens and is none.
/// let kept: Account = serde_json::from_str(&serde_json::to_string(&account)?)?;
/// assert_eq!(kept, account);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// `{object id}.{tenant id}` of the user's home, the same in every application.
    pub home_account_id: String,
    /// The tenant that was signed in to.
    pub tenant_id: String,
    /// For display and as a hint to the sign-in page; it can change and decides nothing.
    pub username: String,
}
