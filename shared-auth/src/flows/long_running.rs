//! Long-running on-behalf-of: a worker goes on for a user whose request, and whose token, are gone.
//!
//! The exchange at the beginning is the usual one (RFC 7523 §2.1), but its refresh token is kept, under a key that only
//! the process knows. From then on that key is all that is needed (RFC 6749 §6), until the process is stopped, the user
//! signs out, or Entra wants to see the user.

use std::borrow::Cow;
use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;

use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::refresh_token::refresh;
use super::{OptionsOf, acquisition_options, home_account_id, redeem, to_cache};
use crate::cache::Acquisition;
use crate::client::{AuthenticationResult, ConfidentialClient, Inner, TokenSource};
use crate::env::ConfigError;
use crate::error::Error;
use crate::jwt::tenant_of;
use crate::protocol::scope::{AskedScopes, Scopes};
use crate::protocol::token_request::Grant;
use crate::secret::{TokenDigest, User, UserAssertion};

impl ConfidentialClient {
    /// Starts a long-running process for the user who presented `assertion`: a first token, and the key to the next.
    ///
    /// ```no_run
    /// # async fn example(client: shared_auth::ConfidentialClient, caller: shared_auth::UserClaims) -> Result<(), shared_auth::Error> {
    /// let (_, key) = client.initiate_long_running_on_behalf_of(caller.assertion(), "Mail.Read").await?;
    /// // Hours later, in a worker, with nothing but the key:
    /// let token = client.acquire_token_in_long_running_process(&key, "Mail.Read").await?;
    /// client.stop_long_running_process(&key);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`acquire_token_on_behalf_of`](Self::acquire_token_on_behalf_of).
    pub fn initiate_long_running_on_behalf_of(
        &self,
        assertion: &UserAssertion,
        scopes: impl Into<Scopes>,
    ) -> InitiateLongRunningOnBehalfOf<'_> {
        InitiateLongRunningOnBehalfOf {
            client: &self.inner,
            assertion: assertion.clone(),
            scopes: scopes.into(),
            options: OptionsOf::default(),
        }
    }

    /// A token for a process that was started before: from the cache, or by its refresh token.
    ///
    /// ```no_run
    /// # async fn example(client: shared_auth::ConfidentialClient, key: shared_auth::LongRunningKey) -> Result<(), shared_auth::Error> {
    /// let token = client.acquire_token_in_long_running_process(&key, "Mail.Read").await?;
    /// println!("still at work, until {}", token.expires_at);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::InteractionRequired`] where the process is unknown or was stopped, the user signed out, or Entra wants to
    /// see the user again.
    pub fn acquire_token_in_long_running_process<'a>(
        &'a self,
        key: &'a LongRunningKey,
        scopes: impl Into<AskedScopes<'a>>,
    ) -> AcquireTokenInLongRunningProcess<'a> {
        AcquireTokenInLongRunningProcess {
            client: &self.inner,
            key,
            scopes: scopes.into(),
            options: OptionsOf::default(),
        }
    }

    /// Ends a process: its tokens are forgotten. True where there was one.
    ///
    /// ```
    /// fn done(client: &shared_auth::ConfidentialClient, key: &shared_auth::LongRunningKey) {
    ///     assert!(client.stop_long_running_process(key), "it was stopped before");
    /// }
    /// ```
    pub fn stop_long_running_process(&self, key: &LongRunningKey) -> bool {
        self.inner.user_tokens.remove(&self.inner.long_running_partition(&key.digest()).to_key())
    }
}

/// Names a long-running process. Keep it as you keep a session id: whoever holds it acts for the user, within this
/// application.
///
/// ```
/// use shared_auth::LongRunningKey;
///
/// // It goes with the job, into the job's own store; nothing prints it.
/// fn kept(key: &LongRunningKey) -> serde_json::Result<String> {
///     serde_json::to_string(key)
/// }
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LongRunningKey(String);

impl fmt::Debug for LongRunningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LongRunningKey(…)")
    }
}

impl LongRunningKey {
    /// With the tenant in which the process goes on, where it is not the configured one.
    fn random(tenant: Option<&str>) -> Result<Self, Error> {
        let mut bytes = [0; 32];
        rand::fill(&mut bytes)
            .map_err(|_| ConfigError::new("randomness", "the system's random generator does not answer"))?;
        let random = URL_SAFE_NO_PAD.encode(bytes);
        Ok(Self(tenant.map_or(random.clone(), |tenant| format!("{random}@{}", tenant.to_ascii_lowercase()))))
    }

    /// What the process is filed under.
    fn digest(&self) -> TokenDigest {
        TokenDigest::of(&self.0)
    }

    fn tenant(&self) -> Option<&str> {
        self.0.split_once('@').map(|(_, tenant)| tenant)
    }
}

/// The start of a long-running process; `.await` it.
///
/// ```no_run
/// # async fn example(
/// #     client: shared_auth::ConfidentialClient,
/// #     user: shared_auth::UserClaims,
/// # ) -> Result<(), shared_auth::Error> {
/// let (token, key) = client.initiate_long_running_on_behalf_of(user.assertion(), "Mail.Read").await?;
/// println!("the first token ends at {}", token.expires_at);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing happens before `.await`"]
pub struct InitiateLongRunningOnBehalfOf<'a> {
    client: &'a Arc<Inner>,
    assertion: UserAssertion,
    scopes: Scopes,
    options: OptionsOf<'a>,
}

acquisition_options!(InitiateLongRunningOnBehalfOf);

impl IntoFuture for InitiateLongRunningOnBehalfOf<'_> {
    type Output = Result<(AuthenticationResult<User>, LongRunningKey), Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { client, assertion, scopes, options } = self;
        let (client, mut options) = (Arc::clone(client), options.to_owned());
        async move {
            if options.tenant.is_none() && client.authority.is_multi_tenant() {
                options.tenant = tenant_of(&assertion).map(Cow::Owned);
            }
            let tenant = options.tenant.clone();
            let removals = client.user_tokens.cache.removals();
            let tokens = redeem(&client, &Grant::OnBehalfOf(assertion), &scopes, &options).await;
            client.counters.acquired(tokens.as_ref().map(|_| TokenSource::IdentityProvider));
            let tokens = tokens?;
            let key = LongRunningKey::random(tenant.as_deref())?;
            let (token, refresh_token) = to_cache::<User>(&client, &tokens, &scopes);
            let partition = client.long_running_partition(&key.digest()).to_key();
            let user = home_account_id(&tokens);
            let cache = &client.user_tokens.cache;
            let token = cache.store_as_of(removals, &partition, token, refresh_token, user.as_deref());
            client.user_tokens.share(&partition, &token).await;
            Ok((AuthenticationResult::of_exchange(token), key))
        }
        .boxed()
    }
}

/// A request for a token of a long-running process; `.await` it.
///
/// ```no_run
/// # async fn example(
/// #     client: shared_auth::ConfidentialClient,
/// #     key: shared_auth::LongRunningKey,
/// # ) -> Result<(), shared_auth::Error> {
/// // Hours later, in a worker that shares the cache.
/// let token = client.acquire_token_in_long_running_process(&key, "Mail.Read").await?;
/// println!("until {}", token.expires_at);
/// client.stop_long_running_process(&key); // the job is done
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing happens before `.await`"]
pub struct AcquireTokenInLongRunningProcess<'a> {
    client: &'a Arc<Inner>,
    key: &'a LongRunningKey,
    scopes: AskedScopes<'a>,
    options: OptionsOf<'a>,
}

acquisition_options!(AcquireTokenInLongRunningProcess);

impl IntoFuture for AcquireTokenInLongRunningProcess<'_> {
    type Output = Result<AuthenticationResult<User>, Error>;
    type IntoFuture = Acquisition<User>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { client, key, scopes, mut options } = self;
        // Where the process began, it goes on.
        let own = key.tenant().unwrap_or(client.authority.tenant());
        if options.tenant.as_deref().is_some_and(|tenant| !tenant.eq_ignore_ascii_case(own)) {
            let problem =
                ConfigError::new("tenant", "cannot be another one than that in which the process began");
            return Acquisition::failed(problem.into());
        }
        options.tenant = key.tenant().map(Cow::Borrowed);
        let digest = key.digest();
        let wanted = options.wanted(client.long_running_partition(&digest), &scopes);
        client.user_tokens.acquire(&wanted, |partition| {
            let (client, scopes, options) = (Arc::clone(client), scopes.to_scopes(), options.to_owned());
            async move { Box::pin(refresh(client, partition, Vec::new(), None, scopes, options)).await }
        })
    }
}
