//! What an acquisition returns: a token, and how it was got this time.
//!
//! The token is shared with everybody who got it ([`CachedToken`]); what stands here besides belongs to one call. Of the
//! request to Entra only those know who made it.

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use reqwest::header::HeaderValue;
use serde::{Deserialize, Serialize};
use url::Url;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::cache::{CachedToken, Held};
use crate::secret::TokenKind;

/// Where a token came from.
///
/// ```
/// assert_eq!(shared_auth::TokenSource::IdentityProvider.to_string(), "identity provider");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum TokenSource {
    /// Entra was asked.
    IdentityProvider,
    /// The cache had it, or another caller was asking Entra for it already.
    Cache,
}

impl fmt::Display for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TokenSource::IdentityProvider => "identity provider",
            TokenSource::Cache => "cache",
        })
    }
}

/// Why the cache did not simply answer.
///
/// ```no_run
/// # async fn example(client: shared_auth::ConfidentialClient) -> Result<(), shared_auth::Error> {
/// use shared_auth::CacheRefreshReason;
///
/// let token = client.acquire_token_for_client("api://orders/.default").await?;
/// match token.refresh_reason {
///     CacheRefreshReason::NotApplicable => println!("from the cache"),
///     reason => println!("Entra was asked: {reason:?}"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum CacheRefreshReason {
    /// It did.
    NotApplicable,
    /// The caller brought a claims challenge or wanted a new token.
    ForceRefreshOrClaims,
    /// There was no token for these scopes.
    NoCachedAccessToken,
    /// There was one, but not good for five more minutes.
    Expired,
    /// It did, and a successor is being fetched in the background.
    ProactivelyRefreshed,
}

/// Which level of the cache had the token.
///
/// ```no_run
/// # async fn example(client: shared_auth::ConfidentialClient) -> Result<(), shared_auth::Error> {
/// let token = client.acquire_token_for_client("api://orders/.default").await?;
/// println!("{:?}", token.cache_level);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum CacheLevel {
    /// None: it came from Entra, perhaps by the request of another caller.
    None,
    /// The memory of this process (MSAL.NET: L1).
    Memory,
    /// The level that replicas share (MSAL.NET: L2).
    Shared,
}

/// How long an acquisition took. A hit in memory is not timed, for looking at the clock would take as long: all zero
/// stands for a microsecond or so.
///
/// ```no_run
/// # async fn example(client: shared_auth::ConfidentialClient) -> Result<(), shared_auth::Error> {
/// let took = client.acquire_token_for_client("api://orders/.default").await?.durations;
/// println!("{:?}, of it {:?} with Entra and {:?} with Redis", took.total, took.in_http, took.in_cache);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Durations {
    /// From `.await` to the token.
    pub total: Duration,
    /// With the level of the cache that replicas share.
    pub in_cache: Duration,
    /// With the request to Entra, with a second try, and with what proves who is asking. Zero for who waited for
    /// another caller's request.
    pub in_http: Duration,
}

/// The request to Entra that brought a token.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    pub correlation_id: Uuid,
    pub token_endpoint: Url,
    pub took: Duration,
}

/// An access token with how it was got: the answer to one acquisition.
///
/// It shares the [`CachedToken`] with everybody else who got it, and reads like one: `result.access_token`,
/// `result.expires_at`, `result.scopes`.
///
/// ```no_run
/// # async fn example(client: shared_auth::ConfidentialClient) -> Result<(), shared_auth::Error> {
/// let result = client.acquire_token_for_client("https://graph.microsoft.com/.default").await?;
/// println!("{} until {}, in {:?}", result.source, result.expires_at, result.durations.total);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct AuthenticationResult<K: TokenKind> {
    token: Held<K>,
    /// Where it came from.
    pub source: TokenSource,
    /// Why the cache did not simply answer.
    pub refresh_reason: CacheRefreshReason,
    /// Which level of the cache had it.
    pub cache_level: CacheLevel,
    /// How long it took.
    pub durations: Durations,
}

impl<K: TokenKind> AuthenticationResult<K> {
    /// A hit in memory.
    pub(crate) fn hit(token: Held<K>, refresh_reason: CacheRefreshReason) -> Self {
        let (source, cache_level) = (TokenSource::Cache, CacheLevel::Memory);
        Self { token, source, refresh_reason, cache_level, durations: Durations::default() }
    }

    /// The token of a request that this caller made.
    pub(crate) fn of_exchange(token: impl Into<Held<K>>) -> Self {
        let token = token.into();
        let (source, cache_level) = (TokenSource::IdentityProvider, CacheLevel::None);
        let took = token.exchange.as_ref().map(|exchange| exchange.took).unwrap_or_default();
        let durations = Durations { total: took, in_http: took, ..Durations::default() };
        Self {
            token,
            source,
            refresh_reason: CacheRefreshReason::NoCachedAccessToken,
            cache_level,
            durations,
        }
    }

    pub(crate) fn because(self, refresh_reason: CacheRefreshReason) -> Self {
        Self { refresh_reason, ..self }
    }

    /// What another caller's request, or a level of the cache, answered.
    pub(crate) fn cached(self, cache_level: CacheLevel) -> Self {
        let durations = Durations { in_http: Duration::ZERO, ..self.durations };
        Self { source: TokenSource::Cache, cache_level, durations, ..self }
    }

    pub(crate) fn timed(mut self, total: Duration, in_cache: Duration) -> Self {
        (self.durations.total, self.durations.in_cache) = (total, in_cache);
        self
    }

    /// The kind of the token: always `Bearer` (RFC 6750). Others are not asked for, and refused.
    pub fn token_type(&self) -> &'static str {
        "Bearer"
    }

    /// The value of the `Authorization` header (RFC 6750 §2.1). It is marked as sensitive: `Debug` does not show it.
    ///
    /// ```no_run
    /// # async fn example(client: shared_auth::ConfidentialClient) -> Result<(), shared_auth::Error> {
    /// let result = client.acquire_token_for_client("https://graph.microsoft.com/.default").await?;
    /// assert_eq!(format!("{:?}", result.authorization_header()), "Sensitive");
    /// # Ok(())
    /// # }
    /// ```
    pub fn authorization_header(&self) -> HeaderValue {
        let value = Zeroizing::new(format!("{} {}", self.token_type(), self.access_token.expose_secret()));
        // Tokens were looked at when they came; one from elsewhere that is no header would be nobody's credential.
        let mut value = HeaderValue::from_str(&value).unwrap_or_else(|_| HeaderValue::from_static("Bearer"));
        value.set_sensitive(true);
        value
    }

    /// The id under which Entra and we logged the request. `None` where this call asked nobody.
    pub fn correlation_id(&self) -> Option<Uuid> {
        Some(self.exchange()?.correlation_id)
    }

    /// Where the token was asked for. `None` where this call asked nobody.
    pub fn token_endpoint(&self) -> Option<&Url> {
        Some(&self.exchange()?.token_endpoint)
    }

    fn exchange(&self) -> Option<&Exchange> {
        self.token.exchange.as_deref().filter(|_| self.source == TokenSource::IdentityProvider)
    }
}

impl<K: TokenKind> Clone for AuthenticationResult<K> {
    fn clone(&self) -> Self {
        Self { token: self.token.clone(), ..*self }
    }
}

impl<K: TokenKind> Deref for AuthenticationResult<K> {
    type Target = CachedToken<K>;

    fn deref(&self) -> &CachedToken<K> {
        &self.token
    }
}
