//! How a confidential client proves who it is at the token endpoint.

use crate::secret::ClientSecret;

/// The proof that a confidential client sends with each token request (RFC 6749 §2.3).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ClientCredential {
    /// A shared password, sent in the body as every MSAL does.
    Secret(ClientSecret),
}

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

    /// The form fields of the proof.
    pub(crate) fn form(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Secret(secret) => vec![("client_secret", secret.expose().to_owned())],
        }
    }
}
