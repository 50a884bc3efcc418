//! The discovery document (OpenID Connect Discovery §3), as far as a client needs it.

use serde::Deserialize;
use url::Url;

/// Where an authority's endpoints are, and who it says it is.
#[derive(Debug, Clone, Deserialize)]
pub struct Metadata {
    /// The `iss` of its ID tokens. Multi-tenant documents carry the literal `{tenantid}` in it.
    pub issuer: String,
    /// Where the browser goes to sign in.
    pub authorization_endpoint: Url,
    /// Where codes, refresh tokens and assertions are redeemed.
    pub token_endpoint: Url,
    /// The signing keys.
    pub jwks_uri: Url,
    /// Where the browser goes to sign out.
    pub end_session_endpoint: Option<Url>,
}
