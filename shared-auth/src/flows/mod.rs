//! The verbs, one file each. Every one is a builder that ends in `.await`.
//!
//! | flow | method | specification | scenario |
//! |---|---|---|---|
//! | an application for itself | [`acquire_token_for_client`](crate::ConfidentialClient::acquire_token_for_client) | RFC 6749 §4.4 | `docs/scenarios/daemon.md` |
//! | a user signs in | [`initiate_auth_code_flow`](crate::ConfidentialClient::initiate_auth_code_flow), [`acquire_token_by_authorization_code`](crate::ConfidentialClient::acquire_token_by_authorization_code) | RFC 6749 §4.1, RFC 7636, OIDC Core §3.1 | `docs/scenarios/web-app.md` |
//! | again for the same user | [`acquire_token_silent`](crate::ConfidentialClient::acquire_token_silent) | RFC 6749 §6 | `docs/scenarios/web-app.md` |
//! | an API for its caller | [`acquire_token_on_behalf_of`](crate::ConfidentialClient::acquire_token_on_behalf_of) | RFC 7523 §2.1 | `docs/scenarios/web-api-on-behalf-of.md` |

pub mod authorization_code;
pub mod client_credentials;
pub mod on_behalf_of;
mod refresh_token;
pub mod silent;

use std::future::Future;

use secrecy::ExposeSecret;

use crate::cache::{CachedToken, Flights, MemoryCache, PartitionKey};
use crate::client::{AuthenticationResult, Inner, TokenSource};
use crate::error::{Error, InteractionRequired, Refusal, TransportError};
use crate::http::without_query;
use crate::protocol::error_response::ErrorResponse;
use crate::protocol::scope::Scopes;
use crate::protocol::token_request::Grant;
use crate::protocol::token_response::TokenResponse;
use crate::secret::{AccessToken, RefreshToken, TokenKind};

/// What every acquisition can be told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    /// A claims challenge to be satisfied, as JSON text.
    pub claims: Option<String>,
    pub force_refresh: bool,
    pub correlation_id: Option<uuid::Uuid>,
}

/// The builder methods that every acquisition has.
macro_rules! acquisition_options {
    ($builder:ident) => {
        impl $builder {
            /// Asks for a token that satisfies a claims challenge (JSON text). The cache is bypassed.
            pub fn claims(mut self, claims: impl Into<String>) -> Self {
                self.options.claims = Some(claims.into());
                self
            }

            /// Asks Entra even if the cache holds a token.
            pub fn force_refresh(mut self) -> Self {
                self.options.force_refresh = true;
                self
            }

            /// The id under which Entra and we log the request; a new one by default.
            pub fn correlation_id(mut self, id: uuid::Uuid) -> Self {
                self.options.correlation_id = Some(id);
                self
            }
        }
    };
}
pub(crate) use acquisition_options;

/// A token from the cache, or one request for it however many callers ask.
pub(crate) async fn cached_or<K, F>(
    cache: &MemoryCache<K>,
    flights: &Flights<CachedToken<K>>,
    partition: PartitionKey,
    scopes: &Scopes,
    options: &Options,
    request: F,
) -> Result<AuthenticationResult<K>, Error>
where
    K: TokenKind,
    F: Future<Output = Result<CachedToken<K>, Error>> + Send + 'static,
{
    let bypass = options.force_refresh || options.claims.is_some();
    if !bypass && let Some(token) = cache.token(&partition, scopes) {
        return Ok(AuthenticationResult::new(token, TokenSource::Cache));
    }
    let mut key = partition.request(scopes);
    if bypass {
        // A challenge is answered for those who brought it, not for those who only wanted a token.
        key = format!("{key}|{}", options.claims.as_deref().unwrap_or("force"));
    }
    let (cache, wanted) = (cache.clone(), scopes.clone());
    let once = async move {
        // The request that ended while we were on our way here may have left what we want.
        match cache.token(&partition, &wanted).filter(|_| !bypass) {
            Some(token) => Ok(token),
            None => request.await,
        }
    };
    let (token, first) = flights.join(key, once).await?;
    let source = if first { TokenSource::IdentityProvider } else { TokenSource::Cache };
    Ok(AuthenticationResult::new(token, source))
}

/// Sends a grant to the token endpoint (RFC 6749 §3.2) and reads the answer.
pub(crate) async fn redeem(
    client: &Inner,
    grant: &Grant,
    scopes: &Scopes,
    options: &Options,
) -> Result<TokenResponse, Error> {
    let tried = format!("sending the {} request", grant.name());
    let token_endpoint = client.authority.metadata().await?.token_endpoint;
    let endpoint = without_query(&token_endpoint);

    let mut form = grant.form(scopes);
    form.push(("client_id", client.client_id.clone()));
    form.extend(client.credential.form());
    if let Some(claims) = &options.claims {
        form.push(("claims", claims.clone()));
    }
    let correlation_id = options.correlation_id.unwrap_or_else(uuid::Uuid::new_v4);
    let request = client
        .http
        .post_form(token_endpoint, &form)
        .header("client-request-id", correlation_id.to_string())
        .header("return-client-request-id", "true")
        .header("x-client-SKU", "shared-auth.rust")
        .header("x-client-Ver", env!("CARGO_PKG_VERSION"));

    let answer = client.http.send(&tried, request).await?;
    if answer.status == 200 {
        let tokens: TokenResponse = serde_json::from_slice(&answer.body).map_err(|_| TransportError {
            tried: tried.clone(),
            endpoint: endpoint.clone(),
            // serde's own message would quote a piece of the body, and the body holds tokens.
            happened: "the answer is not a token response".to_owned(),
            retryable: true,
        })?;
        if !tokens.token_type.eq_ignore_ascii_case("bearer")
            || !is_header_safe(tokens.access_token.expose_secret())
        {
            let happened =
                "the answer holds a token of a kind that cannot be sent as a bearer token".to_owned();
            return Err(TransportError { tried, endpoint, happened, retryable: false }.into());
        }
        return Ok(tokens);
    }
    // A body that is not an OAuth error, or a server in trouble: nobody's no.
    let Some(no) = ErrorResponse::parse(&answer.body).filter(|_| answer.status < 500 && answer.status != 429)
    else {
        return Err(answer.unusable(&tried, endpoint).into());
    };
    let needs_the_user = no.needs_the_user() && !matches!(grant, Grant::ClientCredentials);
    let mut refusal = Refusal::new(format!("the {} request", grant.name()), answer.status, scopes, no);
    refusal.correlation_id.get_or_insert_with(|| correlation_id.to_string());
    tracing::warn!(
        error = refusal.error,
        codes = ?refusal.codes,
        suberror = refusal.suberror,
        correlation_id = refusal.correlation_id,
        "Entra refused {}",
        refusal.request
    );
    if needs_the_user {
        return Err(InteractionRequired { scopes: scopes.clone(), refusal: Some(refusal) }.into());
    }
    Err(refusal.into())
}

/// What goes into the caches of a token response.
pub(crate) fn to_cache<K: TokenKind>(
    client: &Inner,
    tokens: &TokenResponse,
    asked: &Scopes,
) -> (CachedToken<K>, Option<RefreshToken>) {
    let now = client.clock.now();
    let expires_at = now + jiff::SignedDuration::from_secs(tokens.expires_in);
    // RFC 6749 §5.1: without `scope`, what was asked for was granted.
    let mut scopes =
        tokens.scope.as_deref().filter(|scope| !scope.trim().is_empty()).map_or(asked.clone(), Scopes::from);
    if asked.is_default_only() {
        scopes = scopes.with(asked); // `.default` is never among the granted names, yet it is what is asked for again.
    }
    let access_token = AccessToken::new(tokens.access_token.expose_secret());
    let refresh_token = tokens.refresh_token.as_ref().map(|token| RefreshToken::new(token.expose_secret()));
    (CachedToken::new(access_token, scopes, expires_at, now), refresh_token)
}

/// A token goes into a header: visible ASCII, and not larger than servers accept.
fn is_header_safe(token: &str) -> bool {
    (1..=32 * 1024).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic())
}
