//! A token that an API did not take, got anew: once, and by the request that got the first one.

use std::fmt;
use std::future::IntoFuture;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use secrecy::SecretString;

use crate::client::AuthenticationResult;
use crate::error::Error;
use crate::flows::client_credentials::AcquireTokenForClient;
use crate::flows::on_behalf_of::AcquireTokenOnBehalfOf;
use crate::flows::silent::AcquireTokenSilent;
use crate::secret::TokenKind;

pub(super) type Renewed<'a> = BoxFuture<'a, Result<SecretString, Error>>;

/// How [`ApiRequest::renewing`](super::ApiRequest::renewing) gets another token: any of the requests for one.
///
/// ```
/// # fn example(client: &shared_auth::ConfidentialClient) {
/// let renewal = shared_auth::Renewal::from(client.acquire_token_for_client("https://graph.microsoft.com/.default"));
/// # }
/// ```
pub struct Renewal<'a>(Box<dyn FnOnce(Option<String>) -> Option<Renewed<'a>> + Send + Sync + 'a>);

impl<'a> Renewal<'a> {
    fn new<R, K>(again: impl FnOnce(Option<String>) -> Option<R> + Send + Sync + 'a) -> Self
    where
        R: IntoFuture<Output = Result<AuthenticationResult<K>, Error>>,
        R::IntoFuture: Send + 'a,
        K: TokenKind,
    {
        Self(Box::new(move |claims| {
            let request = again(claims)?.into_future();
            let token = async { Ok(request.await?.access_token.expose_secret().into()) };
            Some(token.boxed())
        }))
    }

    /// Another token; nothing where none would be any better.
    pub(super) fn begin(self, claims: Option<String>) -> Option<Renewed<'a>> {
        (self.0)(claims)
    }
}

impl fmt::Debug for Renewal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Renewal(…)")
    }
}

/// A service's own token costs nobody a sign-in: it is got anew whatever the API's reason was.
impl<'a> From<AcquireTokenForClient<'a>> for Renewal<'a> {
    fn from(request: AcquireTokenForClient<'a>) -> Self {
        Self::new(|claims| {
            Some(match claims {
                Some(claims) => request.claims(claims),
                None => request.force_refresh(),
            })
        })
    }
}

/// Without claims, Entra would only give the same token once more.
impl<'a> From<AcquireTokenOnBehalfOf<'a>> for Renewal<'a> {
    fn from(request: AcquireTokenOnBehalfOf<'a>) -> Self {
        Self::new(|claims| Some(request.claims(claims?)))
    }
}

/// Without claims, Entra would only give the same token once more.
impl<'a> From<AcquireTokenSilent<'a>> for Renewal<'a> {
    fn from(request: AcquireTokenSilent<'a>) -> Self {
        Self::new(|claims| Some(request.claims(claims?)))
    }
}
