//! On-behalf-of (RFC 7523 §2.1 with Entra's `requested_token_use`): an API calls another API for its caller.
//!
//! Steps 4 to 6 of the web API scenario. The incoming token is both the key of the cache and the way to a new token, so
//! the refresh token that Entra may add is not kept.

use std::future::IntoFuture;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::{Options, acquisition_options, cached_or, redeem, to_cache};
use crate::cache::PartitionKey;
use crate::client::{AuthenticationResult, ConfidentialClient, Inner};
use crate::error::Error;
use crate::protocol::scope::Scopes;
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
    /// an API, so answer with a challenge. [`Error::Refused`] for a credential or assertion that Entra does not take.
    pub fn acquire_token_on_behalf_of(
        &self,
        assertion: &UserAssertion,
        scopes: impl Into<Scopes>,
    ) -> AcquireTokenOnBehalfOf {
        AcquireTokenOnBehalfOf {
            client: Arc::clone(&self.inner),
            assertion: assertion.clone(),
            scopes: scopes.into(),
            options: Options::default(),
        }
    }
}

/// A request for a token on behalf of a caller; `.await` it.
#[derive(Debug, Clone)]
#[must_use = "nothing happens before `.await`"]
pub struct AcquireTokenOnBehalfOf {
    client: Arc<Inner>,
    assertion: UserAssertion,
    scopes: Scopes,
    options: Options,
}

acquisition_options!(AcquireTokenOnBehalfOf);

impl IntoFuture for AcquireTokenOnBehalfOf {
    type Output = Result<AuthenticationResult<User>, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.acquire().boxed()
    }
}

impl AcquireTokenOnBehalfOf {
    async fn acquire(self) -> Result<AuthenticationResult<User>, Error> {
        let Self { client, assertion, scopes, options } = self;

        // Step 4. The user-token cache, by a hash of the incoming token: another token of the same user may carry
        // other claims, so it is another entry.
        let partition = PartitionKey::assertion(
            &client.authority.environment(),
            client.authority.tenant(),
            &client.client_id,
            &assertion,
        );
        let (asking, wanted, asked_with, entry) =
            (Arc::clone(&client), scopes.clone(), options.clone(), partition.clone());
        let request = async move {
            // Step 5. The incoming token goes to the token endpoint as the assertion.
            tracing::info!(step = 5, scopes = %wanted, "no token in the user-token cache; asking Entra on behalf of the caller");
            let tokens = redeem(&asking, &Grant::OnBehalfOf(assertion.clone()), &wanted, &asked_with).await?;
            // Step 6. Never served for longer than the incoming token lives.
            let (token, _) = to_cache::<User>(&asking, &tokens, &wanted);
            let token = token.ending_with(assertion.expires_at());
            asking.user_tokens.store(&entry, token.clone(), None);
            tracing::info!(step = 6, expires_at = %token.expires_at, "the token is in the user-token cache");
            Ok(token)
        };
        cached_or(&client.user_tokens, &client.user_flights, partition, &scopes, &options, request).await
    }
}
