//! Workload identity federation: the platform (Kubernetes, a CI system) writes a token of its own into a file, the
//! registration trusts its issuer and subject, and nobody keeps a secret.
//!
//! The file is read for each token request. That costs nothing beside the request, and no token is ever used after the
//! platform has replaced it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Deserialize;

use super::{ClientCredential, Proof, ProofContext};
use crate::env::ConfigError;
use crate::error::Error;
use crate::secret::ClientAssertion;

/// Far larger than a token; a wrong path must not fill the memory.
const FILE_LIMIT: u64 = 64 * 1024;

/// A file in which the platform keeps a token for this workload; see [`ClientCredential::federated_token_file`].
///
/// ```
/// use shared_auth::ClientCredential;
///
/// let credential = ClientCredential::federated_token_file("/var/run/secrets/azure/tokens/azure-identity-token");
/// assert!(matches!(credential, ClientCredential::Federated(_)));
/// ```
#[derive(Debug, Clone)]
pub struct FederatedTokenFile {
    /// The setting that errors name.
    name: &'static str,
    path: Arc<Path>,
}

impl ClientCredential {
    /// The token in a file as the assertion: `AZURE_FEDERATED_TOKEN_FILE` of workload identities.
    ///
    /// ```
    /// use shared_auth::ClientCredential;
    ///
    /// let credential =
    ///     ClientCredential::federated_token_file("/var/run/secrets/azure/tokens/azure-identity-token");
    /// ```
    pub fn federated_token_file(path: impl Into<PathBuf>) -> Self {
        Self::Federated(FederatedTokenFile::new("federated token file", path.into()))
    }
}

impl FederatedTokenFile {
    pub(crate) fn new(name: &'static str, path: PathBuf) -> Self {
        Self { name, path: path.into() }
    }

    pub(super) async fn prove(&self, context: &ProofContext<'_>) -> Result<Proof, Error> {
        let this = self.clone();
        let read = tokio::task::spawn_blocking(move || this.read_now()).await;
        let token = read.unwrap_or_else(|_| Err(self.problem("could not be read")))?;
        if let Some(end) = expiry(token.expose())
            && end <= context.now()
        {
            return Err(self
                .problem(&format!(
                    "holds a token that ended at {end} (it is {} here); has the platform stopped renewing it?",
                    context.now()
                ))
                .into());
        }
        let made_with = URL_SAFE_NO_PAD.encode(digest(&SHA256, token.expose().as_bytes()));
        Ok(Proof::Assertion { assertion: token, made_with })
    }

    /// The token in the file.
    pub(crate) fn read_now(&self) -> Result<ClientAssertion, ConfigError> {
        let unreadable = |error: std::io::Error| self.problem(&format!("cannot be read: {error}"));
        if std::fs::metadata(&self.path).map_err(unreadable)?.len() > FILE_LIMIT {
            return Err(self.problem("is too large for a token"));
        }
        let text = std::fs::read_to_string(&self.path).map_err(unreadable)?;
        match text.trim() {
            "" => Err(self.problem("is empty; the platform has not written the token yet")),
            token => Ok(ClientAssertion::new(token)),
        }
    }

    fn problem(&self, what: &str) -> ConfigError {
        ConfigError::new(self.name, format!("{} {what}", self.path.display()))
    }
}

/// The `exp` inside, where it can be seen; Entra has the last word.
fn expiry(token: &str) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Claims {
        exp: f64,
    }
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let Claims { exp } = serde_json::from_slice(&claims).ok()?;
    #[allow(clippy::cast_possible_truncation, reason = "a date that does not fit is none")]
    Timestamp::from_second(exp as i64).ok()
}
