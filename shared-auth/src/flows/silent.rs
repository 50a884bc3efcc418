//! Silent: a token for an account that signed in before, without anybody noticing.
//!
//! Step 9 of the web app scenario: cache, then refresh token, then the answer that the user is needed.

use std::future::IntoFuture;
use std::sync::Arc;

use super::refresh_token::refresh;
use super::{OptionsOf, acquisition_options};
use crate::cache::Acquisition;
use crate::client::{Account, AuthenticationResult, ConfidentialClient, Inner};
use crate::error::Error;
use crate::protocol::scope::AskedScopes;
use crate::secret::User;

impl ConfidentialClient {
    /// A token for `account`, from the cache or by its refresh token.
    ///
    /// ```no_run
    /// # async fn example(client: shared_auth::ConfidentialClient, account: shared_auth::Account) -> Result<(), shared_auth::Error> {
    /// match client.acquire_token_silent(&account, "User.Read").await {
    ///     Ok(token) => println!("from {}", token.source),
    ///     Err(error) if error.is_interaction_required() => println!("send the user to sign in"),
    ///     Err(error) => return Err(error),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::InteractionRequired`] where the cache holds nothing for this account (it was restarted, or the user
    /// signed out) or Entra wants to see the user: consent, another factor, a session that ended.
    pub fn acquire_token_silent<'a>(
        &'a self,
        account: &'a Account,
        scopes: impl Into<AskedScopes<'a>>,
    ) -> AcquireTokenSilent<'a> {
        AcquireTokenSilent::new(&self.inner, account, scopes.into())
    }
}

/// A request for a token of a known account; `.await` it.
///
/// ```no_run
/// # async fn example(
/// #     client: shared_auth::ConfidentialClient,
/// #     account: shared_auth::Account,
/// # ) -> Result<(), shared_auth::Error> {
/// match client.acquire_token_silent(&account, "Mail.Read").await {
///     Ok(token) => println!("until {}", token.expires_at),
///     Err(error) if error.is_interaction_required() => println!("send the user to sign in again"),
///     Err(error) => return Err(error),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing happens before `.await`"]
pub struct AcquireTokenSilent<'a> {
    client: &'a Arc<Inner>,
    account: &'a Account,
    scopes: AskedScopes<'a>,
    options: OptionsOf<'a>,
}

acquisition_options!(AcquireTokenSilent);

impl<'a> AcquireTokenSilent<'a> {
    /// Takes no tokens but those of the user whose ID token said this.
    #[cfg(feature = "actix")]
    pub(crate) fn signed_in_as(mut self, issuer: &str, subject: &str) -> Self {
        self.options.rare.signed_in_as = Some((issuer.to_owned(), subject.to_owned()));
        self
    }

    pub(crate) fn new(client: &'a Arc<Inner>, account: &'a Account, scopes: AskedScopes<'a>) -> Self {
        Self { client, account, scopes, options: OptionsOf::default() }
    }
}

impl IntoFuture for AcquireTokenSilent<'_> {
    type Output = Result<AuthenticationResult<User>, Error>;
    type IntoFuture = Acquisition<User>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { client, account, scopes, mut options } = self;
        options.tenant = options.tenant.or_else(|| client.tenant_of(account));
        let wanted = options.wanted(client.account_partition(account, options.tenant.as_deref()), &scopes);
        client.user_tokens.acquire(&wanted, |partition| {
            let (client, scopes, options) = (Arc::clone(client), scopes.to_scopes(), options.to_owned());
            let (home_account_id, tenant_id) = (account.home_account_id.clone(), account.tenant_id.clone());
            let account = Account { home_account_id, tenant_id, username: String::new() };
            // What only the request itself needs is made by it, and its state is large: where the token is found without
            // it, nobody has paid for either.
            async move {
                let elsewhere = client.refresh_token_partitions(&account).into();
                let user = Some(account.home_account_id);
                Box::pin(refresh(client, partition, elsewhere, user, scopes, options)).await
            }
        })
    }
}
