//! The tokens of one kind with all that stands around them: the cache, the requests under way, the times to wait.

use std::future::Future;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, ready};
use jiff::SignedDuration;

use super::flight::Flights;
use super::key::PartitionKey;
use super::memory::{CachedToken, MemoryCache};
use super::throttle::Throttle;
use crate::client::{AuthenticationResult, CacheRefreshReason, TokenSource};
use crate::clock::SharedClock;
use crate::error::Error;
use crate::protocol::scope::Scopes;
use crate::secret::TokenKind;

/// After a background refresh that failed, the next one waits this long.
const PAUSE_AFTER_FAILED_REFRESH: SignedDuration = SignedDuration::from_secs(60);

/// Cache, flights and throttle of one kind of token. Clones share them.
#[derive(Debug)]
pub(crate) struct TokenStore<K: TokenKind> {
    pub cache: MemoryCache<K>,
    flights: Flights<CachedToken<K>>,
    throttle: Arc<Throttle>,
    clock: SharedClock,
}

impl<K: TokenKind> Clone for TokenStore<K> {
    fn clone(&self) -> Self {
        Self {
            cache: self.cache.clone(),
            flights: self.flights.clone(),
            throttle: Arc::clone(&self.throttle),
            clock: self.clock.clone(),
        }
    }
}

/// What a caller wants from a store.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub partition: PartitionKey,
    pub scopes: Scopes,
    /// A claims challenge to be satisfied.
    pub claims: Option<String>,
    pub force_refresh: bool,
}

impl Wanted {
    /// A challenge or a forced refresh goes past the cache.
    fn bypasses_the_cache(&self) -> bool {
        self.force_refresh || self.claims.is_some()
    }

    /// One request for one key. A challenge is answered for those who brought it, not for all who want a token.
    fn key(&self) -> String {
        let key = self.partition.request(&self.scopes);
        match (&self.claims, self.force_refresh) {
            (Some(claims), _) => format!("{key}|claims {claims}"),
            (None, true) => format!("{key}|forced"),
            (None, false) => key,
        }
    }
}

impl<K: TokenKind> TokenStore<K> {
    pub fn new(clock: SharedClock) -> Self {
        Self {
            cache: MemoryCache::new(clock.clone()),
            flights: Flights::default(),
            throttle: Arc::default(),
            clock,
        }
    }

    /// A token from the cache, or by one `request` for it however many callers want it.
    pub fn acquire<R, F>(
        &self,
        wanted: Wanted,
        request: R,
    ) -> BoxFuture<'static, Result<AuthenticationResult<K>, Error>>
    where
        R: FnOnce() -> F + Send + 'static,
        F: Future<Output = Result<CachedToken<K>, Error>> + Send + 'static,
    {
        let now = self.clock.now();
        let bypass = wanted.bypasses_the_cache();
        // A hit is answered at once: no task, no state to carry around.
        if !bypass && let Some(token) = self.cache.token(&wanted.partition, &wanted.scopes) {
            let mut reason = CacheRefreshReason::NotApplicable;
            if token.wants_refresh(now) {
                reason = CacheRefreshReason::ProactivelyRefreshed;
                self.refresh_in_background(wanted, request);
            }
            return ready(Ok(AuthenticationResult::new(token, TokenSource::Cache, reason))).boxed();
        }
        let store = self.clone();
        let reason = match bypass {
            true => CacheRefreshReason::ForceRefreshOrClaims,
            false => CacheRefreshReason::NoCachedAccessToken,
        };
        async move {
            let key = wanted.key();
            let once = store.clone().requested(wanted, key.clone(), request);
            let (token, first) = store.flights.join(key, once).await?;
            let source = if first { TokenSource::IdentityProvider } else { TokenSource::Cache };
            Ok(AuthenticationResult::new(token, source, reason))
        }
        .boxed()
    }

    /// The request itself, made by whoever comes first.
    async fn requested<R, F>(self, wanted: Wanted, key: String, request: R) -> Result<CachedToken<K>, Error>
    where
        R: FnOnce() -> F + Send,
        F: Future<Output = Result<CachedToken<K>, Error>> + Send,
    {
        // The request that ended while we were on our way here may have left what we want.
        if !wanted.bypasses_the_cache()
            && let Some(token) = self.cache.token(&wanted.partition, &wanted.scopes)
        {
            return Ok(token);
        }
        self.throttle.check(&key, self.clock.now())?;
        let outcome = request().await;
        if let Err(error) = &outcome {
            self.throttle.remember(key, error);
        }
        outcome
    }

    /// Fetches a successor while the present token still serves. One at a time, and no caller waits for it; whoever
    /// started it may go away.
    fn refresh_in_background<R, F>(&self, wanted: Wanted, request: R)
    where
        R: FnOnce() -> F + Send + 'static,
        F: Future<Output = Result<CachedToken<K>, Error>> + Send + 'static,
    {
        let store = self.clone();
        let key = format!("{}|background", wanted.key());
        let _the_present_one_serves = self.flights.launch(key.clone(), async move {
            let checked = store.throttle.check(&key, store.clock.now());
            let outcome = match checked {
                Ok(()) => request().await,
                Err(throttled) => Err(throttled),
            };
            if let Err(error) = &outcome {
                tracing::warn!(
                    "a token could not be renewed ahead of time; the present one still serves: {error}"
                );
                store.throttle.remember(key, error);
                let next = store.clock.now() + PAUSE_AFTER_FAILED_REFRESH;
                store.cache.postpone_refresh(&wanted.partition, &wanted.scopes, next);
            }
            outcome
        });
    }
}
