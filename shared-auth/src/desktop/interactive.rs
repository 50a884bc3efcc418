//! Interactive: the system browser, and the answer that it brings back to this machine (RFC 8252 §7.3, RFC 7636).
//!
//! Steps 3 to 8 of the desktop scenario. The port is open only while somebody signs in.

use std::future::IntoFuture;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use url::Url;

use super::loopback::{Outcome, Receiver};
use super::{PublicClient, SystemBrowser};
use crate::client::Account;
use crate::error::{Error, SignInError};
use crate::flows::authorization_code::{InitiateAuthCodeFlow, ResponseMode, finish};
use crate::flows::signed_in::SignIn;
use crate::protocol::scope::Scopes;

/// Long enough to look for a phone; a program that waits longer has been forgotten.
const USUAL_TIME_LIMIT: Duration = Duration::from_secs(10 * 60);

type Opener = Box<dyn FnOnce(&Url) -> io::Result<()> + Send>;

impl PublicClient {
    /// Signs a user in with the system browser.
    ///
    /// The browser's answer comes to a port of this machine that nobody else can reach, is checked (PKCE, `state`,
    /// `nonce`), and the browser shows whether it worked. To give up, drop the future: the port is closed.
    ///
    /// The scopes may name several resources, so that the user consents once; the token is for the first of them.
    ///
    /// ```no_run
    /// # async fn example(client: shared_auth::PublicClient) -> Result<(), shared_auth::Error> {
    /// use shared_auth::desktop::SystemBrowser;
    ///
    /// let signed_in = client
    ///     .acquire_token_interactive("User.Read")
    ///     .login_hint("alice@contoso.test")
    ///     .open_with(|address| {
    ///         println!("If no browser opens, go to {address}");
    ///         SystemBrowser::open(address)
    ///     })
    ///     .await?;
    /// println!("Hello, {}", signed_in.account.username);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::SignIn`]: [`SignInError::NoBrowser`] and [`SignInError::NoLoopback`] where this machine cannot,
    /// [`SignInError::Denied`] where the user or Entra said no ([`Error::is_declined`]), [`SignInError::TimedOut`].
    /// [`Error::Refused`] and [`Error::InteractionRequired`] with what the token endpoint said.
    pub fn acquire_token_interactive(&self, scopes: impl Into<Scopes>) -> AcquireTokenInteractive {
        let flow = InitiateAuthCodeFlow::new(Arc::clone(&self.inner), scopes.into(), String::new());
        AcquireTokenInteractive {
            client: self.clone(),
            flow: flow.response_mode(ResponseMode::FormPost),
            opener: Box::new(SystemBrowser::open),
            time_limit: USUAL_TIME_LIMIT,
        }
    }
}

/// A sign-in with the system browser; `.await` it, or drop it to give up.
///
/// ```no_run
/// # async fn example(client: shared_auth::PublicClient) -> Result<(), shared_auth::Error> {
/// let signed_in = client
///     .acquire_token_interactive("User.Read")
///     .prompt("select_account")
///     .time_limit(std::time::Duration::from_secs(120))
///     .await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "nothing happens before `.await`"]
pub struct AcquireTokenInteractive {
    client: PublicClient,
    flow: InitiateAuthCodeFlow,
    opener: Opener,
    time_limit: Duration,
}

impl AcquireTokenInteractive {
    /// Whom the sign-in page should offer first (a user name).
    pub fn login_hint(mut self, username: impl Into<String>) -> Self {
        self.flow = self.flow.login_hint(username);
        self
    }

    /// Where the user comes from (a domain): the sign-in page then need not ask, and goes to that organisation's.
    pub fn domain_hint(mut self, domain: impl Into<String>) -> Self {
        self.flow = self.flow.domain_hint(domain);
        self
    }

    /// The account that is meant to sign in again.
    pub fn account(self, account: &Account) -> Self {
        self.login_hint(&account.username)
    }

    /// What the sign-in page should do even if nothing needs it: `login`, `select_account`, `consent`.
    pub fn prompt(mut self, prompt: impl Into<String>) -> Self {
        self.flow = self.flow.prompt(prompt);
        self
    }

    /// A claims challenge to be satisfied (JSON text), such as [`Error::claims_challenge`].
    pub fn claims(mut self, claims: impl Into<String>) -> Self {
        self.flow = self.flow.claims(claims);
        self
    }

    /// Signs in to this tenant (id or domain) of the same authority instead of the configured one.
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.flow = self.flow.tenant(tenant);
        self
    }

    /// The id under which Entra and we log this sign-in, page and token request; new ones by default.
    pub fn correlation_id(mut self, id: uuid::Uuid) -> Self {
        self.flow = self.flow.correlation_id(id);
        self
    }

    /// Adds a parameter to the address of the sign-in page. Names of the protocol are refused.
    pub fn extra_query_parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.flow = self.flow.extra_query_parameter(name, value);
        self
    }

    /// How the answer travels back. By default in a form, so that no address and no history holds the code; in the
    /// query for authorities that know nothing else.
    pub fn response_mode(mut self, mode: ResponseMode) -> Self {
        self.flow = self.flow.response_mode(mode);
        self
    }

    /// How the address reaches the browser, in place of [`SystemBrowser::open`]; also the place to show it.
    pub fn open_with(mut self, opener: impl FnOnce(&Url) -> io::Result<()> + Send + 'static) -> Self {
        self.opener = Box::new(opener);
        self
    }

    /// How long the user may take; ten minutes by default.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }
}

impl std::fmt::Debug for AcquireTokenInteractive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AcquireTokenInteractive").field("flow", &self.flow).finish_non_exhaustive()
    }
}

impl IntoFuture for AcquireTokenInteractive {
    type Output = Result<SignIn, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.acquire().boxed()
    }
}

impl AcquireTokenInteractive {
    async fn acquire(self) -> Result<SignIn, Error> {
        let client = self.client.clone();
        let outcome = self.sign_in().await;
        client.signed_in(outcome).await
    }

    async fn sign_in(self) -> Result<SignIn, Error> {
        let Self { client: PublicClient { inner: client, redirect, .. }, flow, opener, time_limit } = self;
        // Step 3. The port is there before the browser is.
        let no_loopback = |error: io::Error| SignInError::NoLoopback(error.to_string());
        let receiver = Receiver::open(redirect.port).await.map_err(no_loopback)?;
        let flow = flow.redirect_uri(redirect.at(receiver.port())).await?;
        let answered = receiver.wait_for(redirect.path(), flow.clone());
        // Step 4. Opening may take a moment and must not hold up the program.
        let address = flow.authorization_url().clone();
        let opened = tokio::task::spawn_blocking(move || opener(&address)).await;
        opened
            .unwrap_or_else(|_| Err(io::Error::other("opening it failed unexpectedly")))
            .map_err(|error| SignInError::NoBrowser(error.to_string()))?;
        tracing::info!(step = 4, "the browser has the sign-in page's address");
        // Step 5. An answer that does not belong to this sign-in was turned away and does not end the wait.
        let answer = tokio::time::timeout(time_limit, answered.answer()).await;
        let (response, browser) = answer.map_err(|_| SignInError::TimedOut(spoken(time_limit)))?;
        tracing::info!(step = 5, "the browser brought the answer");
        // Steps 6 to 8. The browser waits meanwhile, so that what it shows is true.
        let options = flow.options();
        let outcome = finish(&client, flow, response, options).await;
        browser.show(Outcome::of(&outcome)).await;
        outcome
    }
}

fn spoken(limit: Duration) -> String {
    match limit.as_secs() {
        seconds if seconds >= 120 => format!("{} minutes", seconds / 60),
        seconds => format!("{seconds} seconds"),
    }
}
