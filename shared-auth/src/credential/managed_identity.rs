//! Managed identities: the machine that Azure runs us on vouches for us, and nobody keeps a secret.
//!
//! On its own a managed identity gets tokens for resources; as a credential it gets the assertion by which a
//! registration is proven (a federated credential whose issuer is the tenant itself). Which endpoint is asked, and how
//! often, stands in `endpoint.rs`.

mod answer;
mod builder;
mod endpoint;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use url::Url;

pub use self::builder::ManagedIdentityBuilder;
use self::endpoint::Endpoint;
use super::{ClientCredential, Proof, ProofContext};
use crate::cache::{CachedToken, Owner, PartitionKey, PartitionRef, TokenStore, Wanted};
use crate::client::AuthenticationResult;
use crate::clock::SharedClock;
use crate::error::Error;
use crate::http::Http;
use crate::protocol::scope::Scopes;
use crate::secret::{App, ClientAssertion};

/// Which of the machine's identities is meant.
///
/// ```
/// use shared_auth::ManagedIdentityId;
///
/// let id = ManagedIdentityId::UserAssignedClientId("c0ffee00-0000-4000-8000-000000005000".to_owned());
/// assert_ne!(id, ManagedIdentityId::default()); // the machine's own
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ManagedIdentityId {
    /// The machine's own.
    #[default]
    SystemAssigned,
    /// A user-assigned one, by its client id.
    UserAssignedClientId(String),
    /// A user-assigned one, by the object id of its service principal.
    UserAssignedObjectId(String),
    /// A user-assigned one, by its Azure resource id (`/subscriptions/…`).
    UserAssignedResourceId(String),
}

/// A managed identity with its own token cache. Make one and keep it; clones share the cache.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use shared_auth::{ManagedIdentity, ManagedIdentityId};
///
/// let identity = ManagedIdentity::builder(ManagedIdentityId::SystemAssigned).build()?;
/// let token = identity.acquire_token("https://graph.microsoft.com").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ManagedIdentity {
    inner: Arc<Inner>,
}

struct Inner {
    id: ManagedIdentityId,
    endpoint: Endpoint,
    http: Http,
    clock: SharedClock,
    pause: Duration,
    owner: Arc<Owner>,
    tokens: TokenStore<App>,
}

impl ManagedIdentity {
    /// A token for a resource: `https://vault.azure.net`, with or without `/.default`.
    ///
    /// From the cache until five minutes before it ends; one request however many callers ask. A token of two hours or
    /// more is renewed in the background from the middle of its life on. A machine that has just been started, or had an
    /// identity added, may make this wait a minute.
    ///
    /// # Errors
    /// [`Error::Refused`] where the machine has no such identity, [`Error::Transport`] where there is no usable answer,
    /// which outside of Azure is always.
    pub async fn acquire_token(&self, resource: &str) -> Result<AuthenticationResult<App>, Error> {
        self.acquire(resource, false).await
    }

    async fn acquire(&self, resource: &str, force_refresh: bool) -> Result<AuthenticationResult<App>, Error> {
        let resource = resource.strip_suffix("/.default").unwrap_or(resource).to_owned();
        let scopes = Scopes::from(format!("{resource}/.default"));
        let partition = PartitionRef::app(&self.inner.owner, self.inner.endpoint.address());
        let wanted = Wanted { partition, scopes: scopes.as_str(), claims: None, force_refresh };
        let request = |partition: PartitionKey| {
            let (this, scopes) = (Arc::clone(&self.inner), scopes.clone());
            async move {
                let token =
                    this.endpoint.ask(&this.http, &this.id, &resource, this.pause, &this.clock).await?;
                let now = this.clock.now();
                let refresh_at = token.refresh_in.map(|refresh_in| now + refresh_in);
                let token = CachedToken::new(token.access_token, scopes, token.expires_at, now)
                    .refreshed_at(refresh_at);
                Ok(this.tokens.cache.store(&partition, token, None, None))
            }
        };
        self.inner.tokens.acquire(&wanted, request).await
    }

    /// The machine's token as the assertion of a registration that trusts it.
    pub(super) async fn prove(&self, context: &ProofContext<'_>, again: bool) -> Result<Proof, Error> {
        let audience = exchange_audience(&context.asked.token_endpoint);
        let token = self.acquire(audience, again).await?.access_token.clone();
        let made_with = URL_SAFE_NO_PAD.encode(digest(&SHA256, token.expose_secret().as_bytes()));
        Ok(Proof::Assertion { assertion: ClientAssertion::new(token.expose_secret()), made_with })
    }
}

/// What a token must be for to be exchanged; each cloud has its own.
fn exchange_audience(token_endpoint: &Url) -> &'static str {
    let host = token_endpoint.host_str().unwrap_or_default();
    match host.rsplit('.').next() {
        Some("us") => "api://AzureADTokenExchangeUSGov",
        Some("cn") => "api://AzureADTokenExchangeChina",
        _ => "api://AzureADTokenExchange",
    }
}

impl From<ManagedIdentity> for ClientCredential {
    fn from(identity: ManagedIdentity) -> Self {
        Self::ManagedIdentity(identity)
    }
}

impl ClientCredential {
    /// The machine's identity as a federated credential: it gets a token for `api://AzureADTokenExchange`, which the
    /// registration takes in place of a secret.
    ///
    /// ```
    /// use shared_auth::{ClientCredential, ManagedIdentity, ManagedIdentityId};
    ///
    /// let identity = ManagedIdentityId::UserAssignedClientId("c0ffee00-0000-4000-8000-00000000000f".to_owned());
    /// let credential = ClientCredential::managed_identity(ManagedIdentity::builder(identity).build()?);
    /// # Ok::<(), shared_auth::ConfigError>(())
    /// ```
    pub fn managed_identity(identity: ManagedIdentity) -> Self {
        identity.into()
    }
}

impl fmt::Debug for ManagedIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManagedIdentity")
            .field("id", &self.inner.id)
            .field("endpoint", &self.inner.endpoint)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cloud_has_its_own_audience_for_the_exchange() {
        for (host, audience) in [
            ("login.microsoftonline.com", "api://AzureADTokenExchange"),
            ("login.microsoftonline.us", "api://AzureADTokenExchangeUSGov"),
            ("login.partner.microsoftonline.cn", "api://AzureADTokenExchangeChina"),
        ] {
            assert_eq!(exchange_audience(&Url::parse(&format!("https://{host}/t")).unwrap()), audience);
        }
    }
}
