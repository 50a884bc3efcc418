//! The public client: a program on a person's own machine, which cannot keep a secret (RFC 8252, RFC 6749 §2.1).
//!
//! The chain of journey 7, in this order: accounts in the cache → silent → the system browser, or a device code where
//! there is none. What is exchanged for tokens, and how they are cached, is what confidential clients have.
//!
//! | file | what it is |
//! |---|---|
//! | `accounts.rs` | who has signed in here |
//! | `broker/` | the identity broker of a Linux machine |
//! | `interactive.rs`, `browser.rs`, `loopback.rs` | the system browser, and the answer that comes back from it |
//! | `device_code.rs` | a code that is typed elsewhere (RFC 8628) |
//! | `password.rs` | user name and password, for what cannot be changed yet |
//! | `family.rs` | refresh tokens that several applications share |
//! | `platform.rs` | what exists on other platforms only |

mod accounts;
mod broker;
mod browser;
mod device_code;
mod family;
mod interactive;
mod loopback;
mod password;
mod platform;
mod redirect;

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;

use self::accounts::Accounts;
pub use self::broker::{AcquireTokenByBroker, Broker};
pub use self::browser::SystemBrowser;
pub use self::device_code::{AcquireTokenByDeviceFlow, DeviceFlow, InitiateDeviceFlow};
pub(crate) use self::family::Family;
pub use self::interactive::AcquireTokenInteractive;
pub use self::password::AcquireTokenByUsernamePassword;
use self::redirect::Redirect;
use crate::authority::Authority;
use crate::cache::MEMORY_LIMIT_BYTES;
use crate::cache::file::FileCache;
use crate::client::{self, Account, Client, Inner, Parts, TokenSource};
use crate::clock::{SharedClock, SystemClock};
use crate::config::AppRegistration;
use crate::env::ConfigError;
use crate::error::Error;
use crate::flows::signed_in::SignIn;
use crate::flows::silent::AcquireTokenSilent;
use crate::protocol::scope::AskedScopes;
use crate::telemetry::Metrics;

/// An application that cannot keep a secret: a desktop program, a command line tool.
///
/// Make one and keep it; clones are cheap and share the caches.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use shared_auth::{AppRegistration, Env, PublicClient};
///
/// let registration = Env::from_process().read(AppRegistration::from_env)?;
/// let client = PublicClient::new(registration)?;
/// let account = match client.accounts().await.into_iter().next() {
///     Some(account) => account,
///     None => client.acquire_token_interactive("User.Read").await?.account,
/// };
/// let token = client.acquire_token_silent(&account, "User.Read").await?;
/// println!("valid until {}, from {}", token.expires_at, token.source);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct PublicClient {
    pub(crate) inner: Arc<Inner>,
    accounts: Accounts,
    redirect: Redirect,
    broker: Option<Broker>,
}

/// Options for a [`PublicClient`] beyond its registration.
///
/// ```no_run
/// # fn example(registration: shared_auth::AppRegistration) -> Result<(), shared_auth::ConfigError> {
/// use shared_auth::PublicClient;
///
/// let client = PublicClient::builder(registration).redirect_uri("http://localhost:5000").build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct PublicClientBuilder {
    registration: AppRegistration,
    redirect_uri: String,
    clock: SharedClock,
    clock_skew: SignedDuration,
    disk_cache: Option<FileCache>,
    broker: Option<Broker>,
}

impl PublicClientBuilder {
    /// The machine's identity broker, for [`PublicClient::acquire_token_by_broker`]. It hears of accounts that are
    /// removed here.
    ///
    /// ```no_run
    /// # fn example(registration: shared_auth::AppRegistration) -> Result<(), shared_auth::ConfigError> {
    /// let client = shared_auth::PublicClient::builder(registration).broker(shared_auth::desktop::Broker::of_this_session()).build()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn broker(mut self, broker: Broker) -> Self {
        self.broker = Some(broker);
        self
    }

    /// A folder behind the memory cache, so that the next run of the program finds who signed in; `None` leaves it out.
    ///
    /// ```no_run
    /// # async fn example(registration: shared_auth::AppRegistration) -> Result<(), Box<dyn std::error::Error>> {
    /// use shared_auth::{FileCache, PublicClient};
    ///
    /// let cache = FileCache::open("my-program").await?;
    /// let client = PublicClient::builder(registration).disk_cache(cache).build()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn disk_cache(mut self, cache: impl Into<Option<FileCache>>) -> Self {
        self.disk_cache = cache.into();
        self
    }

    /// The redirect URI of the registration, `http://localhost` by default. It must be a loopback address; without a
    /// port, any that is free is taken, as Entra allows (RFC 8252 §7.3).
    ///
    /// ```no_run
    /// # fn example(registration: shared_auth::AppRegistration) -> Result<(), shared_auth::ConfigError> {
    /// let client = shared_auth::PublicClient::builder(registration).redirect_uri("http://localhost:5000/back").build()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn redirect_uri(mut self, uri: impl Into<String>) -> Self {
        self.redirect_uri = uri.into();
        self
    }

    /// The clock that decides about expiry; the machine's by default.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use shared_auth::{AppRegistration, ConfigError, ManualClock, PublicClient};
    ///
    /// fn at_a_fixed_time(registration: AppRegistration, clock: ManualClock) -> Result<PublicClient, ConfigError> {
    ///     PublicClient::builder(registration).clock(Arc::new(clock)).build()
    /// }
    /// ```
    #[must_use]
    pub fn clock(mut self, clock: SharedClock) -> Self {
        self.clock = clock;
        self
    }

    /// How far this machine's clock and Entra's may be apart when tokens are checked, in seconds; 60 by default.
    ///
    /// ```no_run
    /// # fn example(registration: shared_auth::AppRegistration) -> Result<(), shared_auth::ConfigError> {
    /// let client = shared_auth::PublicClient::builder(registration).clock_skew_seconds(120).build()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn clock_skew_seconds(mut self, seconds: u32) -> Self {
        self.clock_skew = SignedDuration::from_secs(i64::from(seconds));
        self
    }

    /// The client. No network yet: the authority is asked when it is first needed.
    ///
    /// ```no_run
    /// # fn example(registration: shared_auth::AppRegistration) -> Result<(), shared_auth::ConfigError> {
    /// let client = shared_auth::PublicClient::builder(registration).build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ConfigError`] for an authority that would see tokens in the clear, a malformed tenant, a redirect URI that
    /// leads to another machine, or a CA file that holds no certificates.
    pub fn build(self) -> Result<PublicClient, ConfigError> {
        let Self { registration, redirect_uri, clock, clock_skew, disk_cache, broker } = self;
        let redirect = Redirect::parse(&redirect_uri)?;
        let parts = Parts {
            registration,
            credential: None,
            clock,
            clock_skew,
            jwks_min_refresh: SignedDuration::from_secs(300),
            memory_limit_bytes: MEMORY_LIMIT_BYTES,
            onboarding: None,
        };
        let (mut level, its_clock) = (None, parts.clock.clone());
        let mut family = Family::default();
        let mut inner = Inner::new(parts, |authority, client_id| {
            let (environment, realm) = (authority.environment(), authority.realm());
            family = Family::on(disk_cache.as_ref(), environment, &its_clock);
            level = disk_cache.map(|cache| cache.level(environment, realm, client_id, its_clock));
            level.clone()
        })?;
        inner.family = family;
        let accounts = Accounts::new(level);
        Ok(PublicClient { inner: Arc::new(inner), accounts, redirect, broker })
    }
}

impl PublicClient {
    /// A client with a cache in memory and the machine's clock.
    ///
    /// ```
    /// use shared_auth::{AppRegistration, PUBLIC_CLOUD, PublicClient};
    ///
    /// let registration = AppRegistration::new(PUBLIC_CLOUD.parse()?, "organizations", "client id");
    /// assert_eq!(PublicClient::new(registration)?.client_id(), "client id");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`PublicClientBuilder::build`].
    pub fn new(registration: AppRegistration) -> Result<Self, ConfigError> {
        Self::builder(registration).build()
    }

    /// A client with options.
    ///
    /// ```no_run
    /// # fn example(registration: shared_auth::AppRegistration) -> Result<(), shared_auth::ConfigError> {
    /// let client = shared_auth::PublicClient::builder(registration).clock_skew_seconds(30).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder(registration: AppRegistration) -> PublicClientBuilder {
        PublicClientBuilder {
            registration,
            redirect_uri: "http://localhost".to_owned(),
            clock: Arc::new(SystemClock),
            clock_skew: SignedDuration::from_secs(60),
            disk_cache: None,
            broker: None,
        }
    }

    /// The authority: tenant, endpoints, issuer.
    ///
    /// ```
    /// fn greet(client: &shared_auth::PublicClient) {
    ///     println!("You will sign in at {}.", client.authority().origin());
    /// }
    /// ```
    pub fn authority(&self) -> &Authority {
        &self.inner.authority
    }

    /// The application (client) id.
    ///
    /// ```
    /// fn about(client: &shared_auth::PublicClient) -> String {
    ///     format!("application {}", client.client_id())
    /// }
    /// ```
    pub fn client_id(&self) -> &str {
        &self.inner.client_id
    }

    /// Who has signed in to this application here, the latest first; then who has to others of its family. No network.
    ///
    /// ```no_run
    /// # async fn example(client: shared_auth::PublicClient) -> Result<(), shared_auth::Error> {
    /// for account in client.accounts().await {
    ///     println!("{}", account.username);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn accounts(&self) -> Vec<Account> {
        let mut accounts = self.accounts.all().await;
        for relative in self.inner.family.accounts().await {
            if !accounts.iter().any(|own| {
                own.home_account_id == relative.home_account_id && own.tenant_id == relative.tenant_id
            }) {
                accounts.push(relative);
            }
        }
        accounts
    }

    /// A token for `account`, from the cache or by its refresh token; nobody notices.
    ///
    /// ```no_run
    /// # async fn example(client: shared_auth::PublicClient, account: shared_auth::Account) -> Result<(), shared_auth::Error> {
    /// match client.acquire_token_silent(&account, "User.Read").await {
    ///     Ok(token) => println!("from {}", token.source),
    ///     Err(error) if error.is_interaction_required() => {
    ///         client.acquire_token_interactive("User.Read").account(&account).await?;
    ///     }
    ///     Err(error) => return Err(error),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::InteractionRequired`] where the user is needed: call
    /// [`acquire_token_interactive`](Self::acquire_token_interactive), with [`Error::claims_challenge`] if there is one.
    pub fn acquire_token_silent<'a>(
        &'a self,
        account: &'a Account,
        scopes: impl Into<AskedScopes<'a>>,
    ) -> AcquireTokenSilent<'a> {
        AcquireTokenSilent::new(&self.inner, account, scopes.into())
    }

    /// Forgets an account and every token of it, here and on the disk. The session at Entra stays: the browser may sign
    /// in again without a password.
    ///
    /// When this returns, the disk has forgotten too; a disk that fails is waited for up to ten seconds, and a warning
    /// in the log says so.
    ///
    /// ```no_run
    /// # async fn example(client: shared_auth::PublicClient) -> Result<(), shared_auth::Error> {
    /// for account in client.accounts().await {
    ///     client.remove_account(&account).await;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn remove_account(&self, account: &Account) {
        const LONGEST_WAIT: Duration = Duration::from_secs(10);
        self.inner.remove_account(account);
        self.accounts.remove(account);
        self.inner.family.forget(account);
        self.remove_from_broker(account).await;
        if tokio::time::timeout(LONGEST_WAIT, self.forgotten()).await.is_err() {
            tracing::warn!(
                "the disk does not forget an account that was removed; delete the token cache's folder"
            );
        }
    }

    async fn forgotten(&self) {
        self.inner.user_tokens.settled().await;
        self.inner.family.settled().await;
    }

    /// What this client counted since it was made.
    ///
    /// ```
    /// fn figures(client: &shared_auth::PublicClient) {
    ///     println!("{} of memory", client.metrics().memory_hits);
    /// }
    /// ```
    pub fn metrics(&self) -> Metrics {
        self.inner.counters.snapshot()
    }

    /// The end of every way to sign in: it is counted, and the account is listed.
    async fn signed_in(&self, outcome: Result<SignIn, Error>) -> Result<SignIn, Error> {
        self.inner.counters.acquired(outcome.as_ref().map(|_| TokenSource::IdentityProvider));
        let signed_in = outcome?;
        self.accounts.add(&signed_in.account).await;
        Ok(signed_in)
    }

    /// Asks the authority who it is.
    ///
    /// ```no_run
    /// # async fn example(client: shared_auth::PublicClient) -> Result<(), shared_auth::Error> {
    /// client.connect().await?; // a wrong tenant shows here
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Authority::metadata`].
    pub async fn connect(&self) -> Result<(), Error> {
        self.inner.authority.metadata().await.map(|_| ())
    }
}

impl Client for PublicClient {}

impl client::sealed::Client for PublicClient {
    fn transport(&self) -> client::sealed::Transport {
        client::sealed::Transport(self.inner.http.clone())
    }
}
