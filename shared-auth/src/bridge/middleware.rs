//! A middleware for reqwest: tokens for one API on the requests that go there, and on no others; one claims challenge
//! answered (RFC 6750 §3 with Entra's `insufficient_claims`, continuous access evaluation).

use async_trait::async_trait;
use http::Extensions;
use reqwest::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Request, Response, StatusCode};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next};
use url::{Origin, Url};

use super::Tokens;
use crate::client::{Account, AuthenticationResult, ConfidentialClient};
use crate::env::ConfigError;
use crate::error::{Error, TransportError};
use crate::http::{is_loopback, without_query};
use crate::protocol::challenge::Challenge;
use crate::protocol::scope::Scopes;
use crate::secret::{App, TokenKind, User, UserAssertion};
use crate::telemetry::{correlate, inject};

/// Puts a bearer token on every request to the configured addresses.
///
/// Where an API answers 401 with a claims challenge, a token that satisfies it is acquired and the request is sent once
/// more. Requests to other addresses, and requests that carry an `Authorization` header already, pass untouched.
///
/// ```no_run
/// # async fn example(client: shared_auth::ConfidentialClient) -> Result<(), Box<dyn std::error::Error>> {
/// use shared_auth::middleware::BearerTokens;
///
/// let graph = BearerTokens::for_client(&client, "https://graph.microsoft.com/.default")
///     .at("https://graph.microsoft.com".parse()?)?
///     .into_client();
/// let users = graph.get("https://graph.microsoft.com/v1.0/users").send().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct BearerTokens<K: TokenKind> {
    tokens: Tokens<K>,
    scopes: Scopes,
    origins: Vec<Origin>,
    client: ConfidentialClient,
}

impl BearerTokens<App> {
    /// Tokens of the application itself.
    pub fn for_client(client: &ConfidentialClient, scopes: impl Into<Scopes>) -> Self {
        Self::new(client, Tokens::for_client(client), scopes.into())
    }
}

impl BearerTokens<User> {
    /// Tokens on behalf of the user who presented `assertion` to this API.
    pub fn on_behalf_of(
        client: &ConfidentialClient,
        assertion: &UserAssertion,
        scopes: impl Into<Scopes>,
    ) -> Self {
        Self::new(client, Tokens::on_behalf_of(client, assertion), scopes.into())
    }

    /// Tokens of a user who signed in.
    pub fn silent(client: &ConfidentialClient, account: &Account, scopes: impl Into<Scopes>) -> Self {
        Self::new(client, Tokens::silent(client, account), scopes.into())
    }
}

impl<K: TokenKind> BearerTokens<K> {
    fn new(client: &ConfidentialClient, tokens: Tokens<K>, scopes: Scopes) -> Self {
        Self { tokens, scopes, origins: Vec::new(), client: client.clone() }
    }

    /// Where the tokens go: scheme, host and port of this address. May be said several times; without it, nowhere.
    ///
    /// # Errors
    /// [`ConfigError`] for an address that is neither https nor on this machine: everybody on the way would see the token.
    pub fn at(mut self, api: Url) -> Result<Self, ConfigError> {
        let is_safe = api.scheme() == "https" || (api.scheme() == "http" && is_loopback(&api));
        if !is_safe {
            return Err(ConfigError::new(
                "the API's address",
                "must begin with https://; plain http is for this machine only, since a token would be seen by everyone on the way",
            ));
        }
        self.origins.push(api.origin());
        Ok(self)
    }

    /// A reqwest client with this middleware and what our own requests have: limits of time, the configured certificate
    /// authorities, and no redirects, so that nobody can send the token elsewhere.
    pub fn into_client(self) -> ClientWithMiddleware {
        let careful = self.client.inner.http.client().clone();
        ClientBuilder::new(careful).with(self).build()
    }

    async fn acquire(&self, claims: Option<String>) -> Result<AuthenticationResult<K>, Error> {
        (self.tokens.0)(self.scopes.clone(), claims).await
    }
}

#[async_trait]
impl<K: TokenKind> Middleware for BearerTokens<K> {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<Response> {
        let is_ours = self.origins.contains(&request.url().origin());
        if !is_ours || request.headers().contains_key(AUTHORIZATION) {
            return next.run(request, extensions).await;
        }
        let correlation_id = correlate(request.headers_mut());
        inject(request.headers_mut());
        let endpoint = without_query(request.url());
        let unusable = |happened: &str| TransportError {
            tried: "calling an API with a token".to_owned(),
            endpoint: endpoint.clone(),
            happened: happened.to_owned(),
            retryable: false,
            correlation_id: Some(correlation_id.clone()),
        };
        let again = request.try_clone();
        let token = self.acquire(None).await.map_err(reqwest_middleware::Error::middleware)?;
        request
            .headers_mut()
            .insert(AUTHORIZATION, bearer(&token).ok_or_else(|| stop(unusable(NOT_A_TOKEN)))?);
        let response = next.clone().run(request, extensions).await?;

        let Some(claims) = claims_of(&response) else { return Ok(response) };
        let Some(mut again) = again else {
            return Err(stop(unusable(
                "the API wants a token with other claims, and this request cannot be sent twice because its body is a \
                 stream; send it again, or with a body in memory",
            )));
        };
        tracing::info!(
            correlation_id,
            "the API wants other claims in the token; asking Entra for them, and the API once more"
        );
        let token = self.acquire(Some(claims)).await.map_err(reqwest_middleware::Error::middleware)?;
        again.headers_mut().insert(AUTHORIZATION, bearer(&token).ok_or_else(|| stop(unusable(NOT_A_TOKEN)))?);
        next.run(again, extensions).await
    }
}

const NOT_A_TOKEN: &str = "the token cannot stand in a header";

fn stop(error: TransportError) -> reqwest_middleware::Error {
    reqwest_middleware::Error::middleware(Error::from(error))
}

/// Marked as sensitive, so that no library prints it or keeps it in a table of headers.
fn bearer<K: TokenKind>(token: &AuthenticationResult<K>) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.access_token.expose_secret())).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// What the API wants to see, if that is what its 401 says.
fn claims_of(response: &Response) -> Option<String> {
    if response.status() != StatusCode::UNAUTHORIZED {
        return None;
    }
    let challenges = response.headers().get_all(WWW_AUTHENTICATE).iter();
    challenges
        .filter_map(|value| Challenge::parse(value.to_str().ok()?))
        .find_map(|challenge| challenge.claims())
}
