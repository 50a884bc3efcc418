//! Key Vault as a certificate source: its REST interface returns certificate and key together as a secret
//! (`GET {vault}/secrets/{name}`), as PFX without a password or as PEM.
//!
//! Whoever may read the secret can sign, so the vault is asked with a token of some other credential, best a managed
//! identity. The vault renews certificates by itself; it is asked again every hour, and more often near the end.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::SignedDuration;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;
use zeroize::Zeroizing;

use super::ProofContext;
use super::certificate::SigningCertificate;
use super::managed_identity::ManagedIdentity;
use crate::authority::extend;
use crate::client::ConfidentialClient;
use crate::env::ConfigError;
use crate::error::{Error, TransportError};
use crate::http::{is_loopback, without_query};
use crate::secret::{AccessToken, App};

const TRIED: &str = "reading the client certificate from Key Vault";
const API_VERSION: &str = "7.4";
const LOOK_AGAIN: SignedDuration = SignedDuration::from_hours(1);
const LOOK_AGAIN_NEAR_THE_END: SignedDuration = SignedDuration::from_mins(5);
const LOOK_AGAIN_AFTER_A_FAILURE: SignedDuration = SignedDuration::from_mins(1);

type Tokens = dyn Fn(String) -> BoxFuture<'static, Result<AccessToken<App>, Error>> + Send + Sync;

/// Where the token for the vault comes from: a [`ManagedIdentity`], another [`ConfidentialClient`], or a closure.
///
/// ```no_run
/// use shared_auth::{ClientCertificate, ManagedIdentity, ManagedIdentityId};
///
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let identity = ManagedIdentity::builder(ManagedIdentityId::SystemAssigned).build()?;
/// let vault = "https://contoso.vault.azure.net".parse()?;
/// let certificate = ClientCertificate::from_key_vault(vault, "daemon-app", identity)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct KeyVaultAccess(Arc<Tokens>);

impl KeyVaultAccess {
    /// `tokens` is asked with the scope, `https://vault.azure.net/.default` in the public cloud.
    ///
    /// ```
    /// use shared_auth::{AccessToken, App, Error, KeyVaultAccess};
    ///
    /// let access = KeyVaultAccess::new(|scope| async move {
    ///     assert_eq!(scope, "https://vault.azure.net/.default");
    ///     Ok::<AccessToken<App>, Error>(AccessToken::new("from wherever you get it"))
    /// });
    /// ```
    pub fn new<F, T>(tokens: F) -> Self
    where
        F: Fn(String) -> T + Send + Sync + 'static,
        T: Future<Output = Result<AccessToken<App>, Error>> + Send + 'static,
    {
        Self(Arc::new(move |scope| tokens(scope).boxed()))
    }
}

impl From<ManagedIdentity> for KeyVaultAccess {
    fn from(identity: ManagedIdentity) -> Self {
        Self::new(move |scope| {
            let identity = identity.clone();
            async move { identity.acquire_token(&scope).await.map(|token| token.access_token.clone()) }
        })
    }
}

impl From<ConfidentialClient> for KeyVaultAccess {
    fn from(client: ConfidentialClient) -> Self {
        Self::new(move |scope| {
            let client = client.clone();
            async move { client.acquire_token_for_client(scope).await.map(|token| token.access_token.clone()) }
        })
    }
}

/// A secret of a vault that holds a certificate with its key.
pub(super) struct VaultSecret {
    vault: Url,
    name: String,
    access: KeyVaultAccess,
}

#[derive(Deserialize)]
struct Body {
    value: SecretString,
    #[serde(rename = "contentType", default)]
    content_type: String,
}

impl VaultSecret {
    pub fn new(vault: Url, name: String, access: KeyVaultAccess) -> Result<Self, ConfigError> {
        if vault.scheme() != "https" && !is_loopback(&vault) {
            return Err(ConfigError::new("key vault", "must be reached by https"));
        }
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
            return Err(ConfigError::new("key vault", "names a certificate by letters, digits and hyphens"));
        }
        Ok(Self { vault, name, access })
    }

    /// How long to leave the vault alone after an answer.
    pub fn pause(near_the_end: bool) -> SignedDuration {
        if near_the_end { LOOK_AGAIN_NEAR_THE_END } else { LOOK_AGAIN }
    }

    /// How long to leave the vault alone after none, and how soon Entra's refusal may make us ask again.
    pub fn short_pause() -> SignedDuration {
        LOOK_AGAIN_AFTER_A_FAILURE
    }

    pub async fn fetch(
        &self,
        name: &'static str,
        context: &ProofContext<'_>,
    ) -> Result<SigningCertificate, Error> {
        let token = (self.access.0)(self.scope()).await?;
        let mut url = extend(&self.vault, &["secrets", &self.name]);
        let endpoint = without_query(&url);
        url.query_pairs_mut().append_pair("api-version", API_VERSION);
        let request = context.http.get(url).bearer_auth(token.expose_secret());
        let answer = context.http.send(TRIED, request).await?;
        let failed = |happened: String| TransportError {
            tried: TRIED.to_owned(),
            endpoint: endpoint.clone(),
            happened,
            retryable: false,
            correlation_id: Some(answer.correlation_id.clone()),
        };
        match answer.status {
            200 => {}
            status @ (401 | 403) => {
                return Err(failed(format!(
                    "the answer was HTTP {status}; the identity that asks needs the permission to get secrets of this vault"
                ))
                .into());
            }
            404 => return Err(failed("the vault has no certificate of this name".to_owned()).into()),
            _ => return Err(answer.unusable(TRIED, endpoint).into()),
        }
        // serde's own message would quote a piece of the body, and the body holds the key.
        let body: Body = serde_json::from_slice(&answer.body)
            .map_err(|_| failed("the answer is not a secret of Key Vault".to_owned()))?;
        let _wiped = Zeroizing::new(answer.body);
        let value = body.value.expose_secret();
        let read = if body.content_type == "application/x-pem-file" || value.contains("-----BEGIN ") {
            SigningCertificate::from_pem(&[value.as_bytes()])
        } else {
            match STANDARD.decode(value.trim()).map(Zeroizing::new) {
                Ok(pfx) => SigningCertificate::from_pfx(&pfx, ""),
                Err(_) => Err("is neither PEM nor base64 of a PFX file".to_owned()),
            }
        };
        read.map_err(|reason| ConfigError::new(name, format!("{endpoint} {reason}")).into())
    }

    /// The vault's resource is its host without its own name, in each cloud.
    fn scope(&self) -> String {
        let host = self.vault.host_str().unwrap_or_default();
        match host.split_once('.') {
            Some((_, rest)) if rest.starts_with("vault.") => format!("https://{rest}/.default"),
            _ => "https://vault.azure.net/.default".to_owned(),
        }
    }
}

impl fmt::Debug for KeyVaultAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyVaultAccess(…)")
    }
}

impl fmt::Debug for VaultSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}secrets/{}", self.vault, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_clouds_vaults_have_their_own_resource() {
        for (vault, scope) in [
            ("https://contoso.vault.azure.net", "https://vault.azure.net/.default"),
            ("https://contoso.vault.usgovcloudapi.net", "https://vault.usgovcloudapi.net/.default"),
            ("http://127.0.0.1:1", "https://vault.azure.net/.default"),
        ] {
            let access = KeyVaultAccess::new(|_| async { Ok(AccessToken::new("t")) });
            let secret = VaultSecret::new(Url::parse(vault).unwrap(), "app".to_owned(), access).unwrap();
            assert_eq!(secret.scope(), scope);
        }
    }
}
