//! The second half: the answer is checked against the flow, and the code redeemed.

use std::future::IntoFuture;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::SignedDuration;
use tracing::Instrument;

use super::{AuthCodeFlow, AuthorizationResponse};
use crate::client::{ConfidentialClient, Inner, TokenSource};
use crate::error::{Error, SignInError};
use crate::flows::signed_in::{SignIn, signed_in};
use crate::flows::{Options, redeem};
use crate::protocol::token_request::Grant;
use crate::secret::PkceVerifier;

/// How long a user may take at Entra's pages. Longer than the code lives, for those who look for their phone first.
const FLOW_LIFETIME: SignedDuration = SignedDuration::from_mins(15);

impl ConfidentialClient {
    /// Ends a sign-in: checks the answer against the flow, redeems the code, checks the ID token, fills the cache.
    ///
    /// The flow is consumed: an answer can be used once.
    ///
    /// ```no_run
    /// # async fn example(client: shared_auth::ConfidentialClient, flow: shared_auth::AuthCodeFlow, query: &str) -> Result<(), Box<dyn std::error::Error>> {
    /// let response = shared_auth::AuthorizationResponse::parse(query)?; // what came to the redirect URI
    /// let sign_in = client.acquire_token_by_authorization_code(flow, response).await?;
    /// println!("{} signed in", sign_in.account.username);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::SignIn`] where the answer does not belong to this flow, is an error, or brings an ID token that fails a
    /// check; [`Error::Refused`] and [`Error::InteractionRequired`] with what the token endpoint said.
    pub fn acquire_token_by_authorization_code(
        &self,
        flow: AuthCodeFlow,
        response: AuthorizationResponse,
    ) -> AcquireTokenByAuthorizationCode {
        let options = flow.options();
        AcquireTokenByAuthorizationCode { client: Arc::clone(&self.inner), flow, response, options }
    }
}

/// The end of a sign-in; `.await` it. Tenant, claims and correlation id are those with which it began.
///
/// ```no_run
/// # async fn example(client: shared_auth::ConfidentialClient, flow: shared_auth::AuthCodeFlow, response: shared_auth::AuthorizationResponse) -> Result<(), shared_auth::Error> {
/// let finish = client.acquire_token_by_authorization_code(flow, response);
/// let sign_in = finish.correlation_id(uuid::Uuid::new_v4()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing happens before `.await`"]
pub struct AcquireTokenByAuthorizationCode {
    client: Arc<Inner>,
    flow: AuthCodeFlow,
    response: AuthorizationResponse,
    options: Options,
}

impl AcquireTokenByAuthorizationCode {
    /// The id under which Entra and we log the request; by default that of the beginning, or a new one.
    ///
    /// ```no_run
    /// # async fn example(client: shared_auth::ConfidentialClient, flow: shared_auth::AuthCodeFlow, response: shared_auth::AuthorizationResponse) -> Result<(), shared_auth::Error> {
    /// let finish = client.acquire_token_by_authorization_code(flow, response).correlation_id(uuid::Uuid::new_v4());
    /// let sign_in = finish.await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn correlation_id(mut self, id: uuid::Uuid) -> Self {
        self.options.rare.correlation_id = Some(id);
        self
    }

    /// Adds a parameter to the address of the token endpoint. Names of the protocol are refused.
    ///
    /// ```no_run
    /// # async fn example(client: shared_auth::ConfidentialClient, flow: shared_auth::AuthCodeFlow, response: shared_auth::AuthorizationResponse) -> Result<(), shared_auth::Error> {
    /// let finish = client.acquire_token_by_authorization_code(flow, response).extra_query_parameter("dc", "ESTS-PUB-WUS2");
    /// let sign_in = finish.await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn extra_query_parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.rare.extra_query.push((name.into(), value.into()));
        self
    }
}

impl IntoFuture for AcquireTokenByAuthorizationCode {
    type Output = Result<SignIn, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { client, flow, response, options } = self;
        async move {
            let span = tracing::debug_span!("finish_sign_in", scopes = %flow.scopes);
            let outcome = finish(&client, flow, response, options).instrument(span).await;
            client.counters.acquired(outcome.as_ref().map(|_| TokenSource::IdentityProvider));
            outcome
        }
        .boxed()
    }
}

pub(crate) async fn finish(
    client: &Inner,
    flow: AuthCodeFlow,
    response: AuthorizationResponse,
    options: Options,
) -> Result<SignIn, Error> {
    // Step 5. The answer must belong to this flow, be recent, and come from the authority that was asked.
    let age = client.clock.now().duration_since(flow.started_at);
    if !flow.is_answered_by(&response) || age > FLOW_LIFETIME || age.is_negative() {
        return Err(SignInError::UnknownFlow.into());
    }
    let authority = client.authority_for(flow.tenant.as_deref())?;
    // RFC 9207 §2.4: the issuer that it names is the one that was asked, and it names one where that one always does.
    let metadata = authority.metadata().await?;
    match &response.issuer {
        Some(issuer) if !authority.issuer_rule(&metadata.issuer).is_ok_and(|rule| rule.may_be(issuer)) => {
            return Err(SignInError::Malformed("it names another issuer").into());
        }
        None if metadata.authorization_response_iss_parameter_supported => {
            return Err(SignInError::Malformed("it does not name its issuer").into());
        }
        _ => {}
    }
    let code = response
        .outcome
        .map_err(|denial| SignInError::Denied { error: denial.error, description: denial.description })?;

    // Step 6. The code goes to the token endpoint, with the verifier and the credential. It is not sent twice:
    // a code is single use, and a second try would revoke what the first one bought.
    let scopes = flow.scopes.first_resource();
    let grant = Grant::AuthorizationCode {
        code,
        redirect_uri: flow.redirect_uri,
        code_verifier: PkceVerifier::new(flow.verifier),
    };
    let tokens = redeem(client, &grant, &scopes, &options).await?;
    tracing::info!(step = 6, "the code was redeemed");

    // Steps 7 and 8.
    signed_in(client, &tokens, &scopes, Some(&flow.nonce), flow.tenant.as_deref()).await
}
