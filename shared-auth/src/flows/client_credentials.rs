//! Client credentials (RFC 6749 §4.4): an application speaks for itself.
//!
//! Steps 2 to 4 of the daemon scenario. The answer never holds a refresh token; when the token ends, the credential
//! is simply shown again.

use std::future::IntoFuture;
use std::sync::Arc;

use super::{Options, OptionsOf, acquisition_options, redeem, to_cache};
use crate::cache::{Acquisition, CachedToken, PartitionKey};
use crate::client::{AuthenticationResult, ConfidentialClient, Inner};
use crate::env::ConfigError;
use crate::error::Error;
use crate::protocol::scope::{AskedScopes, Scopes};
use crate::protocol::token_request::Grant;
use crate::secret::App;

impl ConfidentialClient {
    /// A token for this application itself, for one resource: `{resource}/.default`.
    ///
    /// What it may do was decided by an administrator (application permissions, app roles), not by the scopes.
    ///
    /// ```no_run
    /// # async fn example(client: shared_auth::ConfidentialClient) -> Result<(), shared_auth::Error> {
    /// let token = client.acquire_token_for_client("https://graph.microsoft.com/.default").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Config`] before any network for scopes that are not `{resource}/.default` and for a tenant that is no
    /// tenant (`common`, `organizations`, `consumers`); [`Error::Refused`] with Entra's codes; [`Error::Transport`].
    pub fn acquire_token_for_client<'a>(
        &'a self,
        scopes: impl Into<AskedScopes<'a>>,
    ) -> AcquireTokenForClient<'a> {
        AcquireTokenForClient { client: &self.inner, scopes: scopes.into(), options: OptionsOf::default() }
    }
}

/// A request for an application's own token; `.await` it.
///
/// ```no_run
/// # async fn example(client: shared_auth::ConfidentialClient) -> Result<(), shared_auth::Error> {
/// let token = client
///     .acquire_token_for_client("https://graph.microsoft.com/.default")
///     .tenant("fabrikam.com") // a customer's tenant, instead of the configured one
///     .force_refresh()        // the cache is not asked
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing happens before `.await`"]
pub struct AcquireTokenForClient<'a> {
    client: &'a Arc<Inner>,
    scopes: AskedScopes<'a>,
    options: OptionsOf<'a>,
}

acquisition_options!(AcquireTokenForClient);

impl IntoFuture for AcquireTokenForClient<'_> {
    type Output = Result<AuthenticationResult<App>, Error>;
    type IntoFuture = Acquisition<App>;

    fn into_future(self) -> Self::IntoFuture {
        // Step 2. The app-token cache, by authority, tenant and client.
        let Self { client, scopes, options } = self;
        let wanted = options.wanted(client.app_partition(options.tenant.as_deref()), &scopes);
        client.app_tokens.acquire(&wanted, |partition| {
            let (client, scopes, options) = (Arc::clone(client), scopes.to_scopes(), options.to_owned());
            async move { Box::pin(request(client, partition, scopes, options)).await }
        })
    }
}

async fn request(
    client: Arc<Inner>,
    partition: PartitionKey,
    scopes: Scopes,
    options: Options,
) -> Result<Arc<CachedToken<App>>, Error> {
    if !scopes.is_default_only() {
        return Err(ConfigError::new(
            "scopes",
            "an application asks for \"{resource}/.default\" (AADSTS1002012)",
        )
        .into());
    }
    if client.authority_for(options.tenant.as_deref())?.is_multi_tenant() {
        return Err(ConfigError::new(
            "AZURE_TENANT_ID",
            "must name one tenant: an application has no home in \"common\"; or choose one with .tenant(…)",
        )
        .into());
    }
    // Step 3. The credential goes to the token endpoint.
    tracing::info!(step = 3, %scopes, "no token in the app-token cache; asking Entra with client credentials");
    let tokens = redeem(&client, &Grant::ClientCredentials, &scopes, &options).await?;
    // Step 4. The answer is kept until five minutes before it ends.
    let (token, _) = to_cache::<App>(&client, &tokens, &scopes);
    let token = client.app_tokens.cache.store(&partition, token, None, None);
    tracing::info!(step = 4, expires_at = %token.expires_at, "the token is in the app-token cache");
    Ok(token)
}
