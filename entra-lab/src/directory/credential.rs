//! How an application can prove itself: a secret with an end, or the word of a foreign issuer.

use jiff::Timestamp;
use jsonwebtoken::jwk::JwkSet;
use url::Url;

use super::Secret;

/// The audience of assertions from federated issuers unless the registration says otherwise.
pub const FEDERATED_AUDIENCE: &str = "api://AzureADTokenExchange";

/// Another spelling of the same audience: the client id behind it, as version 2 tokens carry it.
pub const FEDERATED_AUDIENCE_ID: &str = "fb60f99c-7a34-4190-8149-302f77469936";
/// Stands for the lab's own issuer in a seed, which cannot know the lab's address.
pub const OWN_ISSUER: &str = "{lab}";

/// A client secret.
#[derive(Debug, Clone)]
pub struct ClientSecret {
    /// As a registration tool calls it.
    pub name: Option<String>,
    pub value: Secret,
    pub expires: Option<Timestamp>,
}

/// A federated credential: tokens of another issuer count as proof.
#[derive(Debug, Clone)]
pub struct FederatedCredential {
    pub name: String,
    pub issuer: String,
    pub subject: String,
    pub audience: String,
    pub keys: ForeignKeys,
}

/// Where the keys of a foreign issuer are.
#[derive(Debug, Clone)]
pub enum ForeignKeys {
    /// In the seed.
    Inline(JwkSet),
    /// Found by the issuer's OpenID Connect discovery document, for every assertion.
    Discovered(Url),
    /// Fetched for every assertion; the lab keeps no copy, so a change counts at once.
    At(Url),
    /// The lab itself is the issuer, so its managed identities can stand in for a credential.
    Own,
}
