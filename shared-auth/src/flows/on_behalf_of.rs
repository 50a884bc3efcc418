//! On-behalf-of (RFC 7523 §2.1 with Entra's `requested_token_use`): an API calls another API for its caller.
//!
//! Steps 4 to 6 of the web API scenario. The incoming token is both the key of the cache and the way to a new token, so
//! the refresh token that Entra may add is not kept.

use std::future::IntoFuture;
use std::sync::Arc;

use super::{Options, OptionsOf, acquisition_options, home_account_id, redeem, to_cache};
use crate::cache::{Acquisition, CachedToken, PartitionKey};
use crate::client::{AuthenticationResult, ConfidentialClient, Inner};
use crate::error::Error;
use crate::protocol::scope::{AskedScopes, Scopes};
use crate::protocol::token_request::Grant;
use crate::secret::{User, UserAssertion};

impl ConfidentialClient {
    /// A token for a downstream API, for the user who presented `assertion` to this one.
    ///
    /// The assertion comes from a caller that passed this API's own checks, so it is a user's token and meant for this
    /// API; Entra checks the same again.
    ///
    /// ```no_run
    /// # async fn example(client: shared_auth::ConfidentialClient, caller: shared_auth::UserClaims) -> Result<(), shared_auth::Error> {
    /// let graph = client.acquire_token_on_behalf_of(caller.assertion(), "User.Read").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::InteractionRequired`] where the user has to consent or to sign in again: there is no user in front of
    /// an API, so answer with a challenge. [`Error::InvalidToken`] before any network for an assertion that has expired,
    /// has no user, or was made for another API or by another tenant: answer 401. [`Error::Refused`] for a credential or
    /// assertion that Entra does not take.
    pub fn acquire_token_on_behalf_of<'a>(
        &'a self,
        assertion: &'a UserAssertion,
        scopes: impl Into<AskedScopes<'a>>,
    ) -> AcquireTokenOnBehalfOf<'a> {
        AcquireTokenOnBehalfOf {
            client: &self.inner,
            assertion,
            scopes: scopes.into(),
            options: OptionsOf::default(),
        }
    }
}

/// A request for a token on behalf of a caller; `.await` it.
///
/// ```no_run
/// # async fn example(
/// #     client: shared_auth::ConfidentialClient,
/// #     user: shared_auth::UserClaims,
/// #     id: uuid::Uuid,
/// # ) -> Result<(), shared_auth::Error> {
/// let token = client
///     .acquire_token_on_behalf_of(user.assertion(), "User.Read")
///     .correlation_id(id) // the caller's own, so that the logs of both can be laid side by side
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing happens before `.await`"]
pub struct AcquireTokenOnBehalfOf<'a> {
    client: &'a Arc<Inner>,
    assertion: &'a UserAssertion,
    scopes: AskedScopes<'a>,
    options: OptionsOf<'a>,
}

acquisition_options!(AcquireTokenOnBehalfOf);

impl IntoFuture for AcquireTokenOnBehalfOf<'_> {
    type Output = Result<AuthenticationResult<User>, Error>;
    type IntoFuture = Acquisition<User>;

    fn into_future(self) -> Self::IntoFuture {
        // Step 4. The user-token cache, by a hash of the incoming token: another token of the same user may carry
        // other claims, so it is another entry.
        let Self { client, assertion, scopes, options } = self;
        let wanted =
            options.wanted(client.assertion_partition(assertion, options.tenant.as_deref()), &scopes);
        client.user_tokens.acquire(&wanted, |partition| {
            // Whose token it is becomes known with the answer; a sign-out from here on wins.
            let removals = client.user_tokens.cache.removals();
            let (client, assertion) = (Arc::clone(client), assertion.clone());
            let (scopes, options) = (scopes.to_scopes(), options.to_owned());
            async move { Box::pin(request(client, partition, removals, assertion, scopes, options)).await }
        })
    }
}

async fn request(
    client: Arc<Inner>,
    partition: PartitionKey,
    removals: u64,
    assertion: UserAssertion,
    scopes: Scopes,
    options: Options,
) -> Result<Arc<CachedToken<User>>, Error> {
    // Step 5. The incoming token goes to the token endpoint as the assertion.
    tracing::info!(step = 5, %scopes, "no token in the user-token cache; asking Entra on behalf of the caller");
    let tokens = redeem(&client, &Grant::OnBehalfOf(assertion.clone()), &scopes, &options).await?;
    // Step 6. Never served for longer than the incoming token lives.
    let (token, _) = to_cache::<User>(&client, &tokens, &scopes);
    let token = token.ending_with(assertion.expires_at());
    let user = home_account_id(&tokens);
    let token = client.user_tokens.cache.store_as_of(removals, &partition, token, None, user.as_deref());
    tracing::info!(step = 6, expires_at = %token.expires_at, "the token is in the user-token cache");
    Ok(token)
}
