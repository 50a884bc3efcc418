//! Device code (RFC 8628): the person signs in on another device, or in another window, and types a short code there.
//!
//! Steps D1 to D4 of the desktop scenario. Two calls, so that the program can show the code in its own way; to give up,
//! drop the second one.

use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use url::Url;
use uuid::Uuid;

use super::PublicClient;
use crate::client::Inner;
use crate::clock::SharedClock;
use crate::env::ConfigError;
use crate::error::{Error, Refusal, SignInError, TransportError};
use crate::flows::signed_in::{SignIn, signed_in};
use crate::flows::{Options, redeem};
use crate::http::{is_loopback, without_query};
use crate::protocol::device_authorization::DeviceAuthorization;
use crate::protocol::error_response::ErrorResponse;
use crate::protocol::scope::Scopes;
use crate::protocol::token_request::Grant;
use crate::secret::DeviceCode;

/// RFC 8628 §3.2: where the server names none.
const USUAL_INTERVAL: i64 = 5;
/// RFC 8628 §3.5: what `slow_down` adds, this time and from then on.
const SLOW_DOWN: SignedDuration = SignedDuration::from_secs(5);
/// After answers that never came, the pauses grow up to this.
const LONGEST_INTERVAL: SignedDuration = SignedDuration::from_secs(60);
/// How often the clock is looked at. It, and not a timer, decides: a laptop that slept must notice that the code ended.
const LOOK: Duration = Duration::from_millis(100);

impl PublicClient {
    /// Starts a sign-in on another device. Show [`DeviceFlow::message`], then wait with
    /// [`acquire_token_by_device_flow`](Self::acquire_token_by_device_flow).
    ///
    /// ```no_run
    /// # async fn example(client: shared_auth::PublicClient) -> Result<(), shared_auth::Error> {
    /// let flow = client.initiate_device_flow("User.Read").await?;
    /// println!("{}", flow.message());
    /// let signed_in = client.acquire_token_by_device_flow(flow).await?;
    /// println!("Hello, {}", signed_in.account.username);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Refused`] with Entra's codes (AADSTS700016 for an unknown client id); [`Error::Config`] where the
    /// authority has no device codes; [`Error::Transport`].
    pub fn initiate_device_flow(&self, scopes: impl Into<Scopes>) -> InitiateDeviceFlow {
        InitiateDeviceFlow {
            client: Arc::clone(&self.inner),
            scopes: scopes.into(),
            tenant: None,
            claims: None,
            correlation_id: None,
        }
    }

    /// Waits until somebody has typed the code and signed in. The pauses between two polls are those that Entra asks
    /// for. To give up, drop the future: nothing is sent any more, and the code ends by itself.
    ///
    /// # Errors
    /// [`Error::SignIn`] with [`SignInError::Denied`] where the person said no ([`Error::is_declined`]) and
    /// [`SignInError::CodeExpired`] where nobody came; [`Error::Refused`] and [`Error::InteractionRequired`] with what
    /// Entra said. A network that is away for a while is waited for.
    pub fn acquire_token_by_device_flow(&self, flow: DeviceFlow) -> AcquireTokenByDeviceFlow {
        AcquireTokenByDeviceFlow { client: self.clone(), flow }
    }
}

/// The start of a sign-in on another device; `.await` it.
///
/// ```no_run
/// # async fn example(client: shared_auth::PublicClient) -> Result<(), shared_auth::Error> {
/// let flow = client.initiate_device_flow("User.Read").tenant("contoso.com").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing happens before `.await`"]
pub struct InitiateDeviceFlow {
    client: Arc<Inner>,
    scopes: Scopes,
    tenant: Option<String>,
    claims: Option<String>,
    correlation_id: Option<Uuid>,
}

impl InitiateDeviceFlow {
    /// Signs in to this tenant (id or domain) of the same authority instead of the configured one.
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// A claims challenge to be satisfied (JSON text).
    pub fn claims(mut self, claims: impl Into<String>) -> Self {
        self.claims = Some(claims.into());
        self
    }

    /// The id under which Entra and we log the request; a new one by default.
    pub fn correlation_id(mut self, id: Uuid) -> Self {
        self.correlation_id = Some(id);
        self
    }
}

impl IntoFuture for InitiateDeviceFlow {
    type Output = Result<DeviceFlow, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.initiate().boxed()
    }
}

impl InitiateDeviceFlow {
    async fn initiate(self) -> Result<DeviceFlow, Error> {
        const TRIED: &str = "asking for a device code";
        let Self { client, scopes, tenant, claims, correlation_id } = self;
        // Step D1.
        let metadata = client.authority_for(tenant.as_deref())?.metadata().await?;
        let endpoint = metadata.device_authorization_endpoint.ok_or_else(|| {
            ConfigError::new(
                "AZURE_AUTHORITY_HOST",
                "is an authority that has no device codes; sign in with a browser",
            )
        })?;
        // A code is for one resource, as an authorization code is; the others come silently.
        let scopes = scopes.first_resource();
        let mut form =
            vec![("client_id", client.client_id.clone()), ("scope", scopes.with_openid().to_string())];
        form.extend(claims.map(|claims| ("claims", claims)));
        let mut request = client.http.post_form(endpoint.clone(), &form);
        if let Some(id) = correlation_id {
            request = request.header("client-request-id", id.to_string());
        }
        let answer = client.http.send(TRIED, request).await?;
        if answer.status != 200 {
            return Err(match ErrorResponse::parse(&answer.body) {
                Some(no) if answer.status < 500 => {
                    Refusal::new("the request for a device code".to_owned(), answer.status, &scopes, no)
                        .into()
                }
                _ => answer.unusable(TRIED, without_query(&endpoint)).into(),
            });
        }
        // serde's own message would quote a piece of the body, and the body holds the code.
        let unusable = |happened: &str| TransportError {
            tried: TRIED.to_owned(),
            endpoint: without_query(&endpoint),
            happened: happened.to_owned(),
            retryable: false,
            correlation_id: Some(answer.correlation_id.clone()),
        };
        let device: DeviceAuthorization = serde_json::from_slice(&answer.body)
            .map_err(|_| unusable("the answer is not that of a device authorization endpoint"))?;
        let page = &device.verification_uri;
        if page.scheme() != "https" && !is_loopback(page) {
            return Err(
                unusable("the page for the code is not at an https address; the code is not shown").into()
            );
        }
        let user_code = printable(&device.user_code, 40);
        let now = client.clock.now();
        let interval = SignedDuration::from_secs(device.interval.unwrap_or(USUAL_INTERVAL).clamp(1, 60));
        tracing::info!(
            step = "D1",
            correlation_id = answer.correlation_id,
            "Entra waits for a code to be typed"
        );
        Ok(DeviceFlow {
            message: match device.message.map(|message| printable(&message, 500)) {
                Some(message) if !message.trim().is_empty() => message,
                _ => format!(
                    "To sign in, open the page {page} in a web browser and enter the code {user_code}."
                ),
            },
            user_code,
            verification_uri: device.verification_uri,
            expires_at: now + SignedDuration::from_secs(device.expires_in),
            first_poll: now + interval,
            interval,
            device_code: DeviceCode::new(device.device_code.expose_secret()),
            scopes,
            tenant,
        })
    }
}

/// A sign-in that waits for a code to be typed.
///
/// ```
/// use shared_auth::desktop::DeviceFlow;
///
/// fn show(flow: &DeviceFlow) -> String {
///     format!("Go to {} and type {} before {}.", flow.verification_uri(), flow.user_code(), flow.expires_at())
/// }
/// ```
#[derive(Clone)]
pub struct DeviceFlow {
    user_code: String,
    verification_uri: Url,
    message: String,
    expires_at: Timestamp,
    /// The first poll is not before this.
    first_poll: Timestamp,
    interval: SignedDuration,
    device_code: DeviceCode,
    scopes: Scopes,
    tenant: Option<String>,
}

impl DeviceFlow {
    /// One sentence for the person: the page, and the code to type there. Without control characters, so that it can
    /// be printed to a terminal.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The code to type.
    pub fn user_code(&self) -> &str {
        &self.user_code
    }

    /// Where to type it.
    pub fn verification_uri(&self) -> &Url {
        &self.verification_uri
    }

    /// Until when Entra waits.
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

/// The user code is for the person in front of it and not for logs; the device code is for nobody.
impl fmt::Debug for DeviceFlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceFlow")
            .field("scopes", &self.scopes)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// The wait for the person; `.await` it, or drop it to give up.
///
/// ```no_run
/// # async fn example(client: shared_auth::PublicClient) -> Result<(), shared_auth::Error> {
/// let flow = client.initiate_device_flow("User.Read").await?;
/// let waiting = client.acquire_token_by_device_flow(flow);
/// tokio::select! {
///     signed_in = waiting => println!("Hello, {}", signed_in?.account.username),
///     _ = tokio::signal::ctrl_c() => println!("given up; the code ends by itself"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing happens before `.await`"]
pub struct AcquireTokenByDeviceFlow {
    client: PublicClient,
    flow: DeviceFlow,
}

impl IntoFuture for AcquireTokenByDeviceFlow {
    type Output = Result<SignIn, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.acquire().boxed()
    }
}

impl AcquireTokenByDeviceFlow {
    async fn acquire(self) -> Result<SignIn, Error> {
        let outcome = poll(&self.client.inner, self.flow).await;
        self.client.signed_in(outcome).await
    }
}

async fn poll(client: &Inner, flow: DeviceFlow) -> Result<SignIn, Error> {
    let grant = Grant::DeviceCode(flow.device_code);
    let options = Options { tenant: flow.tenant.clone().map(Into::into), ..Options::default() };
    let expired = || Err(SignInError::CodeExpired(flow.user_code.clone()).into());
    let (mut interval, mut next) = (flow.interval, flow.first_poll);
    // Step D2, again and again.
    let tokens = loop {
        until(&client.clock, next.min(flow.expires_at)).await;
        if client.clock.now() >= flow.expires_at {
            return expired();
        }
        match redeem(client, &grant, &flow.scopes, &options).await {
            Ok(tokens) => break tokens,
            Err(Error::Throttled(throttled)) => {
                next = throttled.until;
                continue;
            }
            // RFC 8628 §3.5: no answer is no "no"; the pauses grow.
            Err(error) if error.is_retryable() => {
                tracing::warn!("asking for the tokens failed, and will be tried again: {error}");
                interval = (interval * 2).min(LONGEST_INTERVAL.max(interval));
            }
            Err(error) => match error.refusal().map(|refusal| refusal.error.as_str()) {
                Some("authorization_pending") => {}
                Some("slow_down") => interval += SLOW_DOWN,
                Some("expired_token" | "code_expired") => return expired(),
                Some(word @ ("authorization_declined" | "access_denied")) => {
                    let description = error.refusal().map(|refusal| refusal.description.clone());
                    let (error, description) = (word.to_owned(), description.unwrap_or_default());
                    return Err(SignInError::Denied { error, description }.into());
                }
                _ => return Err(error),
            },
        }
        next = client.clock.now() + interval;
    };
    tracing::info!(step = "D3", "somebody signed in with the code");
    // Step D4. No browser of ours carried a question, so the ID token answers none (no nonce).
    signed_in(client, &tokens, &flow.scopes, None, flow.tenant.as_deref()).await
}

async fn until(clock: &SharedClock, moment: Timestamp) {
    while let Ok(left) = Duration::try_from(moment.duration_since(clock.now()))
        && !left.is_zero()
    {
        tokio::time::sleep(left.min(LOOK)).await;
    }
}

/// Text from outside that goes to a terminal: no control characters, not too long.
fn printable(text: &str, length: usize) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(length).collect()
}
