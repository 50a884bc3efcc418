//! Authorization code with PKCE (RFC 6749 §4.1, RFC 7636, OpenID Connect Core §3.1): a user signs in.
//!
//! Steps 2 to 8 of the web app scenario. Between the two halves the browser is away at Entra; what must be remembered
//! meanwhile is one opaque [`AuthCodeFlow`], to be kept on the server and used once.

mod finish;
mod initiate;
mod response;

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use url::Url;

pub use self::finish::AcquireTokenByAuthorizationCode;
#[cfg(feature = "desktop")]
pub(crate) use self::finish::finish;
#[cfg(feature = "actix")]
pub(crate) use self::initiate::random_text;
pub use self::initiate::{InitiateAuthCodeFlow, ResponseMode};
pub use self::response::AuthorizationResponse;
use super::Options;
use crate::protocol::scope::Scopes;

/// What one sign-in must remember while the browser is at Entra. Opaque, single use, for the server side only.
///
/// ```
/// use shared_auth::{AuthCodeFlow, AuthorizationResponse};
///
/// /// Several tabs may sign in at once: `state` tells which of them is answered. An answered flow is taken out.
/// fn answered(open: &mut Vec<AuthCodeFlow>, response: &AuthorizationResponse) -> Option<AuthCodeFlow> {
///     let index = open.iter().position(|flow| flow.is_answered_by(response))?;
///     Some(open.swap_remove(index))
/// }
/// ```
#[derive(Clone, Serialize, Deserialize)]
pub struct AuthCodeFlow {
    state: String,
    nonce: String,
    verifier: String,
    redirect_uri: String,
    scopes: Scopes,
    started_at: Timestamp,
    authorization_url: Url,
    #[serde(default)]
    tenant: Option<String>,
    #[serde(default)]
    claims: Option<String>,
    #[serde(default)]
    correlation_id: Option<uuid::Uuid>,
}

impl AuthCodeFlow {
    /// Where to send the browser.
    ///
    /// ```
    /// fn location(flow: &shared_auth::AuthCodeFlow) -> String {
    ///     flow.authorization_url().to_string() // 302 Found, with this
    /// }
    /// ```
    pub fn authorization_url(&self) -> &Url {
        &self.authorization_url
    }

    /// With what the code is redeemed: as the sign-in began.
    pub(crate) fn options(&self) -> Options {
        let mut options = Options { tenant: self.tenant.clone().map(Cow::Owned), ..Options::default() };
        (options.rare.claims, options.rare.correlation_id) = (self.claims.clone(), self.correlation_id);
        options
    }

    /// When the sign-in began.
    ///
    /// ```
    /// fn oldest(open: &[shared_auth::AuthCodeFlow]) -> Option<&shared_auth::AuthCodeFlow> {
    ///     open.iter().min_by_key(|flow| flow.started_at())
    /// }
    /// ```
    pub fn started_at(&self) -> Timestamp {
        self.started_at
    }

    #[cfg(feature = "actix")]
    pub(crate) fn state(&self) -> &str {
        &self.state
    }

    /// True where `response` answers this flow.
    ///
    /// ```
    /// use shared_auth::{AuthCodeFlow, AuthorizationResponse};
    ///
    /// fn answered<'a>(open: &'a [AuthCodeFlow], answer: &AuthorizationResponse) -> Option<&'a AuthCodeFlow> {
    ///     open.iter().find(|flow| flow.is_answered_by(answer))
    /// }
    /// ```
    pub fn is_answered_by(&self, response: &AuthorizationResponse) -> bool {
        // In constant time: `state` is what keeps a foreign answer out.
        self.state.as_bytes().ct_eq(response.state.as_bytes()).into()
    }
}

impl fmt::Debug for AuthCodeFlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthCodeFlow")
            .field("scopes", &self.scopes)
            .field("started_at", &self.started_at)
            .finish_non_exhaustive()
    }
}
