//! The Microsoft identity broker of Linux: the machine's own sign-in, asked through D-Bus.
//!
//! It comes with Intune's Company Portal (and, from others, with Himmelblau), holds the person's primary refresh token,
//! and proves the device. What it hands out is checked and filed like every other sign-in. Where there is none, the
//! reason has a type, and the program goes on with the browser.
//!
//! | file | what it is |
//! |---|---|
//! | `bus.rs` | calls on the bus, with a time limit on each |
//! | `messages.rs` | the JSON that goes over it, and what its errors mean |

#[cfg(target_os = "linux")]
mod bus;
mod messages;

use std::future::IntoFuture;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use uuid::Uuid;

use self::messages::{BrokerAccount, Request};
use super::PublicClient;
use crate::client::Account;
use crate::error::{BrokerAway, Error, InteractionRequired, TransportError};
use crate::flows::home_account_id;
use crate::flows::signed_in::{SignIn, signed_in};
use crate::protocol::scope::Scopes;

/// For what nobody has to do anything for.
const USUAL_LIMIT: Duration = Duration::from_secs(30);
/// For a person in front of the broker's window.
const WINDOW_LIMIT: Duration = Duration::from_secs(10 * 60);

/// Where the broker is looked for.
///
/// ```no_run
/// # async fn example(registration: shared_auth::AppRegistration) -> Result<(), shared_auth::Error> {
/// use shared_auth::desktop::Broker;
/// use shared_auth::{Error, PublicClient};
///
/// let client = PublicClient::builder(registration).broker(Broker::of_this_session()).build()?;
/// let signed_in = match client.acquire_token_by_broker("User.Read").await {
///     Err(Error::BrokerAway(reason)) => {
///         println!("signing in with the browser: {reason}");
///         client.acquire_token_interactive("User.Read").await?
///     }
///     outcome => outcome?,
/// };
/// println!("Hello, {}", signed_in.account.username);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Broker {
    #[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "the broker is on D-Bus, on Linux"))]
    address: Option<String>,
    limit: Duration,
    window_limit: Duration,
}

impl Broker {
    /// The broker on the bus of the person's session.
    pub fn of_this_session() -> Self {
        Self { address: None, limit: USUAL_LIMIT, window_limit: WINDOW_LIMIT }
    }

    /// The broker on the bus at this address, such as `unix:path=/run/user/1000/bus`.
    pub fn on_bus(address: impl Into<String>) -> Self {
        Self { address: Some(address.into()), ..Self::of_this_session() }
    }

    /// How long a call may take that shows nothing; 30 seconds by default.
    #[must_use]
    pub fn time_limit(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// How long the person may take in the broker's window; ten minutes by default.
    #[must_use]
    pub fn window_time_limit(self, limit: Duration) -> Self {
        Self { window_limit: limit, ..self }
    }

    #[cfg(not(target_os = "linux"))]
    async fn call(&self, _: &'static str, _: Uuid, _: String, _: Duration) -> Result<String, BrokerAway> {
        Err(BrokerAway::NoBus("the broker is one of Linux".to_owned()))
    }
}

impl PublicClient {
    /// A token by the identity broker: without a word where it can, otherwise in its window.
    ///
    /// # Errors
    /// [`Error::BrokerAway`] where there is no broker to be had: go on with
    /// [`acquire_token_interactive`](Self::acquire_token_interactive). [`Error::InteractionRequired`] where it may show
    /// nothing ([`AcquireTokenByBroker::silent`]) and has to; [`Error::SignIn`] where the person said no
    /// ([`Error::is_declined`]) or the ID token fails a check; [`Error::Refused`] with what Entra said;
    /// [`Error::Transport`].
    pub fn acquire_token_by_broker(&self, scopes: impl Into<Scopes>) -> AcquireTokenByBroker {
        AcquireTokenByBroker {
            client: self.clone(),
            scopes: scopes.into(),
            account: None,
            claims: None,
            silent: false,
        }
    }

    /// Tells the broker that an account is not used here any more. Nobody waits for more than its time limit.
    pub(super) async fn remove_from_broker(&self, account: &Account) {
        let Some(broker) = &self.broker else { return };
        let id = Uuid::new_v4();
        let outcome = async {
            let known = self.broker_accounts(broker, id).await?;
            let Some(known) = known.into_iter().find(|known| known.is(account)) else { return Ok(()) };
            let request = self.request(&Scopes::default()).removal(&known);
            broker.call("removeAccount", id, request, broker.limit).await.map_err(Error::from).map(drop)
        };
        match outcome.await {
            Ok(()) | Err(Error::BrokerAway(_)) => {}
            Err(error) => {
                tracing::warn!("the identity broker still lists an account that was removed: {error}")
            }
        }
    }

    async fn broker_accounts(&self, broker: &Broker, id: Uuid) -> Result<Vec<BrokerAccount>, Error> {
        let request = self.request(&Scopes::default()).accounts();
        let answer = broker.call("getAccounts", id, request, broker.limit).await?;
        messages::accounts(&answer)
    }

    fn request(&self, scopes: &Scopes) -> Request {
        let authority = &self.inner.authority;
        Request {
            client_id: self.inner.client_id.clone(),
            authority: format!("{}/{}", authority.origin(), authority.tenant()),
            scopes: scopes.iter().map(ToString::to_string).collect(),
        }
    }
}

/// A sign-in by the broker; `.await` it.
#[derive(Debug, Clone)]
#[must_use = "nothing happens before `.await`"]
pub struct AcquireTokenByBroker {
    client: PublicClient,
    scopes: Scopes,
    account: Option<Account>,
    claims: Option<String>,
    silent: bool,
}

impl AcquireTokenByBroker {
    /// For this account, and no other. Without it, the first that the broker knows.
    pub fn account(mut self, account: &Account) -> Self {
        self.account = Some(account.clone());
        self
    }

    /// A claims challenge to be satisfied (JSON text), such as [`Error::claims_challenge`].
    pub fn claims(mut self, claims: impl Into<String>) -> Self {
        self.claims = Some(claims.into());
        self
    }

    /// Shows no window.
    pub fn silent(mut self) -> Self {
        self.silent = true;
        self
    }
}

impl IntoFuture for AcquireTokenByBroker {
    type Output = Result<SignIn, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        async move {
            let client = self.client.clone();
            client.signed_in(self.acquire().await).await
        }
        .boxed()
    }
}

impl AcquireTokenByBroker {
    async fn acquire(self) -> Result<SignIn, Error> {
        let broker = self.client.broker.clone().ok_or(BrokerAway::NotWanted)?;
        let (id, scopes) = (Uuid::new_v4(), self.scopes.first_resource());
        let known = self.client.broker_accounts(&broker, id).await?;
        let known = match &self.account {
            Some(account) => known.into_iter().find(|known| known.is(account)),
            None => known.into_iter().next(),
        };
        let (request, claims) = (self.client.request(&scopes), self.claims.as_deref());
        if let Some(known) = &known {
            let silently = request.token(Some(known), claims, false);
            let answer = broker.call("acquireTokenSilently", id, silently, broker.limit).await?;
            match self.finish(&answer, &scopes, id).await {
                Err(error) if error.is_interaction_required() && !self.silent => {}
                outcome => return outcome,
            }
        } else if self.silent {
            return Err(InteractionRequired::no_account(scopes).into());
        }
        tracing::info!(correlation_id = %id, "the identity broker shows its window");
        let in_its_window = request.token(known.as_ref(), claims, true);
        let answer = broker.call("acquireTokenInteractively", id, in_its_window, broker.window_limit).await?;
        self.finish(&answer, &scopes, id).await
    }

    /// What the broker hands out is believed as little as what a browser brings.
    async fn finish(&self, answer: &str, scopes: &Scopes, id: Uuid) -> Result<SignIn, Error> {
        let tokens = messages::tokens(answer, scopes, self.client.inner.clock.now(), id)?;
        if let (Some(asked), Some(home)) = (&self.account, home_account_id(&tokens))
            && !home.eq_ignore_ascii_case(&asked.home_account_id)
        {
            return Err(messages::unusable("it answered for another account than was asked for").into());
        }
        signed_in(&self.client.inner, &tokens, scopes, None, None).await
    }
}

impl From<BrokerAway> for Error {
    fn from(away: BrokerAway) -> Self {
        Error::BrokerAway(away)
    }
}

/// The broker answered, and the answer is of no use.
fn failed(happened: String, retryable: bool) -> TransportError {
    let (tried, endpoint) = ("asking the identity broker for a token", "com.microsoft.identity.broker1");
    TransportError {
        tried: tried.to_owned(),
        endpoint: endpoint.to_owned(),
        happened,
        retryable,
        correlation_id: None,
    }
}
