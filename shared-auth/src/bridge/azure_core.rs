//! A credential for the clients of the Azure SDK (`azure_core::credentials::TokenCredential`): Key Vault, Storage and the
//! others get their tokens from our flows and caches.

use ::azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use ::azure_core::error::ErrorKind;
use ::azure_core::time::OffsetDateTime;
use async_trait::async_trait;

use super::Tokens;
use crate::client::{Account, ConfidentialClient};
use crate::protocol::scope::Scopes;
use crate::secret::{App, TokenKind, User, UserAssertion};

/// Who an Azure client acts for: [`EntraCredential<App>`](EntraCredential::for_client) for the application itself,
/// [`EntraCredential<User>`](EntraCredential::on_behalf_of) for one user.
///
/// ```no_run
/// # fn example(client: shared_auth::ConfidentialClient) {
/// use std::sync::Arc;
///
/// use azure_core::credentials::TokenCredential;
/// use shared_auth::azure::EntraCredential;
///
/// let credential: Arc<dyn TokenCredential> = Arc::new(EntraCredential::for_client(&client));
/// // SecretClient::new("https://my-vault.vault.azure.net", credential, None)
/// # }
/// ```
///
/// An application's credential never stands where a user's is wanted:
///
/// ```compile_fail,E0308
/// # fn example(client: shared_auth::ConfidentialClient) {
/// use shared_auth::User;
/// use shared_auth::azure::EntraCredential;
///
/// let for_a_user: EntraCredential<User> = EntraCredential::for_client(&client);
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct EntraCredential<K: TokenKind>(Tokens<K>);

impl EntraCredential<App> {
    /// The application for itself; its permissions are those that an administrator gave it.
    pub fn for_client(client: &ConfidentialClient) -> Self {
        Self(Tokens::for_client(client))
    }
}

impl EntraCredential<User> {
    /// An API for the user who presented `assertion` to it. Make one for each caller: an Azure client keeps the tokens that it
    /// got.
    pub fn on_behalf_of(client: &ConfidentialClient, assertion: &UserAssertion) -> Self {
        Self(Tokens::on_behalf_of(client, assertion))
    }

    /// A web app for a user who signed in. Make one for each user: an Azure client keeps the tokens that it got.
    pub fn silent(client: &ConfidentialClient, account: &Account) -> Self {
        Self(Tokens::silent(client, account))
    }
}

#[async_trait]
impl<K: TokenKind> TokenCredential for EntraCredential<K> {
    /// The error holds ours as its source: `error.downcast_ref::<shared_auth::Error>()`.
    async fn get_token(
        &self,
        scopes: &[&str],
        _options: Option<TokenRequestOptions<'_>>,
    ) -> ::azure_core::Result<AccessToken> {
        let unusable = |error| ::azure_core::Error::new(ErrorKind::Credential, error);
        let result = (self.0.0)(Scopes::from(scopes.join(" ")), None).await.map_err(unusable)?;
        let expires_on = OffsetDateTime::from_unix_timestamp(result.expires_at.as_second())
            .map_err(|error| ::azure_core::Error::new(ErrorKind::Credential, error))?;
        Ok(AccessToken::new(result.access_token.expose_secret().to_owned(), expires_on))
    }
}
