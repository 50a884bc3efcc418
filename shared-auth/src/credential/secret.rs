//! The shared password (RFC 6749 §2.3.1): the simplest proof, and the one that is copied around. Prefer a certificate
//! or a federated identity outside of development.

use super::ClientCredential;
use crate::secret::ClientSecret;

impl ClientCredential {
    /// A secret.
    ///
    /// ```
    /// let credential = shared_auth::ClientCredential::secret("from the environment");
    /// assert!(!format!("{credential:?}").contains("environment"));
    /// ```
    pub fn secret(secret: impl Into<String>) -> Self {
        Self::Secret(ClientSecret::new(secret))
    }
}

impl From<ClientSecret> for ClientCredential {
    fn from(secret: ClientSecret) -> Self {
        Self::Secret(secret)
    }
}
