//! The tokens of one kind with all that stands around them: the cache, the level that replicas share, the requests
//! under way, the times to wait.
//!
//! Memory answers at once. Only what it does not have goes further, once for all who want it: to the shared level (one
//! round trip), then, holding a lease so that other replicas wait, to Entra. A shared level that is away is skipped.

use std::fmt;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::SignedDuration;
use tokio::time::Instant;
use tracing::Instrument;
use tracing::field::Empty;

use super::flight::{Flights, broken_off};
use super::key::{PartitionKey, PartitionRef};
use super::loops::Loops;
use super::memory::MemoryCache;
use super::shared::{Found, LEASE, Lease, SharedLevel, Written};
use super::throttle::Throttle;
use super::token::{CachedToken, Held};
use crate::clock::SharedClock;
use crate::error::Error;
use crate::protocol::scope::Scopes;
use crate::result::{AuthenticationResult, CacheLevel, CacheRefreshReason};
use crate::secret::{RefreshToken, TokenKind};
use crate::telemetry::{Counters, ahead_of_time};

/// After a background refresh that failed, the next one waits this long.
const PAUSE_AFTER_FAILED_REFRESH: SignedDuration = SignedDuration::from_secs(60);
/// While another replica renews a token ahead of time, this one looks for the result no sooner than this.
const PAUSE_WHILE_ANOTHER_RENEWS: SignedDuration = SignedDuration::from_secs(2);
/// How often a replica looks whether the one that holds the lease is done.
const LOOK_AGAIN: Duration = Duration::from_millis(15);

/// Cache, flights and throttle of one kind of token. Clones share them.
#[derive(Debug)]
pub(crate) struct TokenStore<K: TokenKind> {
    pub cache: MemoryCache<K>,
    shared: Option<SharedLevel>,
    flights: Flights<Answer<K>>,
    throttle: Arc<Throttle>,
    loops: Arc<Loops>,
    clock: SharedClock,
    counters: Arc<Counters>,
}

impl<K: TokenKind> Clone for TokenStore<K> {
    fn clone(&self) -> Self {
        Self {
            cache: self.cache.clone(),
            shared: self.shared.clone(),
            flights: self.flights.clone(),
            throttle: Arc::clone(&self.throttle),
            loops: Arc::clone(&self.loops),
            clock: self.clock.clone(),
            counters: Arc::clone(&self.counters),
        }
    }
}

/// What an acquisition waits for. A hit is there at once: no task, nothing allocated.
pub struct Acquisition<K: TokenKind>(Waiting<K>);

enum Waiting<K: TokenKind> {
    Hit(Option<AuthenticationResult<K>>),
    Asking(BoxFuture<'static, Result<AuthenticationResult<K>, Error>>),
}

impl<K: TokenKind> Acquisition<K> {
    fn hit(result: AuthenticationResult<K>) -> Self {
        Self(Waiting::Hit(Some(result)))
    }

    fn asking(asking: impl Future<Output = Result<AuthenticationResult<K>, Error>> + Send + 'static) -> Self {
        Self(Waiting::Asking(asking.boxed()))
    }

    /// Without having looked anywhere.
    pub(crate) fn failed(error: Error) -> Self {
        Self::asking(ready(Err(error)))
    }
}

impl<K: TokenKind> Future for Acquisition<K> {
    type Output = Result<AuthenticationResult<K>, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.get_mut().0 {
            Waiting::Hit(hit) => hit.take().map_or(Poll::Pending, |hit| Poll::Ready(Ok(hit))),
            Waiting::Asking(asking) => asking.as_mut().poll(context),
        }
    }
}

impl<K: TokenKind> fmt::Debug for Acquisition<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquisition").finish_non_exhaustive()
    }
}

/// What a caller wants from a store.
pub(crate) struct Wanted<'a> {
    pub partition: PartitionRef<'a>,
    pub scopes: &'a str,
    /// A claims challenge to be satisfied.
    pub claims: Option<&'a str>,
    pub force_refresh: bool,
}

impl Wanted<'_> {
    /// A challenge or a forced refresh goes past the cache.
    fn bypasses_the_cache(&self) -> bool {
        self.force_refresh || self.claims.is_some()
    }
}

/// What is missing: how it is asked for.
#[derive(Debug)]
struct Missing {
    partition: PartitionKey,
    scopes: Scopes,
    bypasses_the_cache: bool,
    why: CacheRefreshReason,
    /// One request for one key. A challenge is answered for those who brought it, not for all who want a token.
    key: Arc<str>,
    /// Who is told to wait, waits however the next request comes about: forced, ahead of time, or because it must. So
    /// this much of the key is what times to wait are remembered by.
    throttled: usize,
}

impl Missing {
    fn throttle_key(&self) -> &str {
        &self.key[..self.throttled]
    }
}

/// A token with where it came from.
#[derive(Debug)]
struct Answer<K: TokenKind> {
    token: Held<K>,
    level: CacheLevel,
    /// How long the shared level took.
    in_cache: Duration,
}

impl<K: TokenKind> Answer<K> {
    fn of(token: Held<K>, level: CacheLevel, in_cache: Duration) -> Self {
        Self { token, level, in_cache }
    }
}

impl<K: TokenKind> Clone for Answer<K> {
    fn clone(&self) -> Self {
        Self { token: self.token.clone(), ..*self }
    }
}

/// Whether this replica may ask Entra now.
#[allow(clippy::large_enum_variant, reason = "taken apart where it is made, once for each request to Entra")]
enum Turn<K: TokenKind> {
    /// It need not: another one was faster.
    Found(Held<K>),
    /// It may, and the others wait.
    Ours(Lease, Found<K>),
    /// It may, beside whoever else does: the shared level went away, or the lease was held for too long.
    Anyway,
}

impl<K: TokenKind> TokenStore<K> {
    pub fn new(
        clock: SharedClock,
        limit_bytes: u64,
        shared: Option<SharedLevel>,
        counters: Arc<Counters>,
    ) -> Self {
        let cache = MemoryCache::new(clock.clone(), limit_bytes, shared.is_some());
        if let Some(shared) = &shared {
            shared.backend.tell(cache.listener());
        }
        Self {
            cache,
            shared,
            flights: Flights::default(),
            throttle: Arc::default(),
            loops: Arc::default(),
            clock,
            counters,
        }
    }

    /// A token from the cache, or by one `request` for it however many callers want it. The request is put together
    /// only where there is no token, and begins only where nobody else has begun it.
    pub fn acquire<F>(&self, wanted: &Wanted<'_>, request: impl FnOnce(PartitionKey) -> F) -> Acquisition<K>
    where
        F: Future<Output = Result<Arc<CachedToken<K>>, Error>> + Send + 'static,
    {
        if !wanted.bypasses_the_cache() {
            let now = self.clock.lately();
            if let Some(token) = self.cache.token(&wanted.partition, wanted.scopes, now) {
                self.counters.memory_hit();
                if token.wants_refresh(now) {
                    return self.renewing(token, wanted, request);
                }
                let reason = CacheRefreshReason::NotApplicable;
                return Acquisition::hit(AuthenticationResult::hit(token, reason));
            }
        }
        let (store, missing) = (self.clone(), self.missing(wanted));
        let request = request(missing.partition.clone());
        let scopes = &missing.scopes;
        let span = tracing::debug_span!("acquire_token", %scopes, source = Empty, otel.status_code = Empty);
        let within = span.clone();
        let asking = async move {
            let started = Instant::now();
            let (counters, why) = (Arc::clone(&store.counters), missing.why);
            let (flights, key) = (store.flights.clone(), Arc::clone(&missing.key));
            // It goes on in the trace of whoever came first.
            let once = store.requested(missing, request).in_current_span();
            let outcome = flights.join(key, once).await;
            let result = outcome.map(|(Answer { token, level, in_cache }, first)| {
                let result = AuthenticationResult::of_exchange(token).because(why);
                let result = match level {
                    CacheLevel::None if first => result,
                    CacheLevel::None => result.cached(level), // Another caller asked.
                    _ if first => result.cached(level).because(CacheRefreshReason::NotApplicable),
                    _ => result.cached(level),
                };
                result.timed(started.elapsed(), in_cache)
            });
            counters.acquired(result.as_ref().map(|result| result.source));
            match &result {
                Ok(result) => {
                    tracing::trace!(?result, "a token");
                    span.record("source", tracing::field::display(result.source))
                }
                Err(error) => {
                    tracing::trace!(?error, "no token: {error}");
                    span.record("otel.status_code", "ERROR")
                }
            };
            result
        };
        Acquisition::asking(asking.instrument(within))
    }

    /// What has to be asked for now.
    fn missing(&self, wanted: &Wanted<'_>) -> Missing {
        let (partition, scopes) = (wanted.partition.to_key(), Scopes::from(wanted.scopes));
        let mut key = partition.request(&scopes);
        if let Some(claims) = wanted.claims {
            key.push_str("|claims ");
            key.push_str(claims);
        }
        let throttled = key.len();
        if wanted.claims.is_none() && wanted.force_refresh {
            key.push_str("|forced");
        }
        let bypasses_the_cache = wanted.bypasses_the_cache();
        let why = match bypasses_the_cache {
            true => CacheRefreshReason::ForceRefreshOrClaims,
            false if self.cache.has_ended(&partition, &scopes, self.clock.now()) => {
                CacheRefreshReason::Expired
            }
            false => CacheRefreshReason::NoCachedAccessToken,
        };
        Missing { partition, scopes, bypasses_the_cache, why, key: key.into(), throttled }
    }

    /// A hit that begins the request for its successor.
    fn renewing<F>(
        &self,
        token: Held<K>,
        wanted: &Wanted<'_>,
        request: impl FnOnce(PartitionKey) -> F,
    ) -> Acquisition<K>
    where
        F: Future<Output = Result<Arc<CachedToken<K>>, Error>> + Send + 'static,
    {
        let (store, missing) = (self.clone(), self.missing(wanted));
        let request = request(missing.partition.clone());
        // Begun by the first poll: only then there surely is a runtime.
        Acquisition::asking(async move {
            store.refresh_in_background(missing, request);
            let reason = CacheRefreshReason::ProactivelyRefreshed;
            Ok(AuthenticationResult::hit(token, reason))
        })
    }

    /// Lets other replicas have a token that did not come through [`acquire`](Self::acquire), such as that of a sign-in.
    pub async fn share(&self, partition: &PartitionKey, token: &CachedToken<K>) {
        if let Some(shared) = &self.shared {
            self.publish(shared, partition, token, None, None).await;
        }
    }

    /// A user signed in: requests of the past say nothing about the next ones.
    pub fn begins_anew(&self, partition: &PartitionKey) {
        self.loops.begins_anew(partition);
    }

    /// Takes over what another program had cached. Replicas get it in the background, unless they have something later.
    pub fn take_over(
        &self,
        partition: PartitionKey,
        tokens: Vec<Arc<CachedToken<K>>>,
        refresh_token: Option<(RefreshToken, u64)>,
        user: Option<&Arc<str>>,
    ) {
        self.cache.take_over(&partition, &tokens, refresh_token.as_ref(), user);
        let Some(shared) = self.shared.clone() else { return };
        let store = self.clone();
        let backend = Arc::clone(&shared.backend);
        backend.spawn(Box::pin(async move {
            let Some(found) = store.look(&shared, &partition).await else { return };
            for token in tokens {
                let here = store.cache.token_at_hand(&partition, &token.scopes, store.clock.now());
                if here.is_some_and(|here| here.cached_at() == token.cached_at()) {
                    store.publish(&shared, &partition, &token, Some(&found), None).await;
                }
            }
        }));
    }

    /// Brings partitions from the shared level that memory does not have.
    pub async fn fetch(&self, partitions: &[PartitionKey]) {
        let Some(shared) = &self.shared else { return };
        for partition in partitions.iter().filter(|partition| self.cache.refresh_token(partition).is_none()) {
            self.look(shared, partition).await;
        }
    }

    /// Forgets a partition, here and in other replicas. True where it was here.
    pub fn remove(&self, partition: &PartitionKey) -> bool {
        if let Some(shared) = &self.shared {
            shared.remove(vec![partition.id()]);
        }
        self.cache.remove(partition)
    }

    /// Forgets every partition of a user, here and in other replicas.
    pub fn remove_user(&self, user: &str) {
        if let Some(shared) = &self.shared {
            shared.remove_user(user);
        }
        self.cache.remove_user(user);
    }

    /// Returns when what was forgotten here is forgotten in the shared level too; for programs that end soon.
    #[cfg(any(test, feature = "desktop"))]
    pub async fn settled(&self) {
        if let Some(shared) = &self.shared {
            shared.settled().await;
        }
    }

    /// Forgets a refresh token that Entra refused, here and in other replicas, but not its successor.
    pub fn remove_refresh_token(&self, partition: &PartitionKey, refused: &RefreshToken) {
        if let Some(shared) = &self.shared {
            shared.remove_refresh_token(partition, refused);
        }
        self.cache.remove_refresh_token(partition, refused);
    }

    /// The request itself, made by whoever comes first, and carried on by whoever waits.
    async fn requested<F>(self, missing: Missing, request: F) -> Result<Answer<K>, Error>
    where
        F: Future<Output = Result<Arc<CachedToken<K>>, Error>> + Send + 'static,
    {
        let started = Instant::now();
        let Missing { partition, scopes, bypasses_the_cache: bypass, .. } = &missing;
        // The request that ended while we were on our way here may have left what we want.
        if !bypass && let Some(token) = self.cache.token(partition, scopes.as_str(), self.clock.now()) {
            self.counters.late_memory_hit();
            return Ok(Answer::of(token, CacheLevel::Memory, Duration::ZERO));
        }
        let mut found = None;
        if let Some(shared) = &self.shared {
            // One round trip. For a request that goes past the cache too: the latest refresh token may be there.
            found = self.look(shared, partition).await;
            if !bypass && let Some(token) = self.token_of(partition, scopes, found.as_ref()) {
                self.counters.shared_hit();
                return Ok(Answer::of(token, CacheLevel::Shared, started.elapsed()));
            }
        }
        // In a task of its own from here on: what Entra answers must not be lost where nobody waits for it any more.
        let asking = self.asks(missing, found, started, request).in_current_span();
        tokio::spawn(asking).await.unwrap_or_else(|_| Err(broken_off()))
    }

    /// What no level had, by Entra, or by another replica that is asking for it already. `found` is what the shared level
    /// held.
    async fn asks<F>(
        self,
        missing: Missing,
        mut found: Option<Found<K>>,
        started: Instant,
        request: F,
    ) -> Result<Answer<K>, Error>
    where
        F: Future<Output = Result<Arc<CachedToken<K>>, Error>> + Send,
    {
        let Missing { partition, scopes, bypasses_the_cache: bypass, key, .. } = &missing;
        let throttle_key = missing.throttle_key();
        let Some(shared) = &self.shared else {
            self.missed(*bypass);
            return self.asked(throttle_key, scopes, request).await;
        };
        self.may_ask(throttle_key)?;
        let mut lease = None;
        if !bypass && found.is_some() {
            match self.turn(shared, partition, scopes, key).await {
                Turn::Found(token) => {
                    self.counters.shared_hit();
                    return Ok(Answer::of(token, CacheLevel::Shared, started.elapsed()));
                }
                Turn::Ours(ours, fresh) => (lease, found) = (Some(ours), Some(fresh)),
                Turn::Anyway => {}
            }
        }
        self.missed(*bypass);
        let looked = started.elapsed();
        match self.asked(throttle_key, scopes, request).await {
            Ok(mut answer) => {
                let asked = started.elapsed();
                // Without having read what is there, nobody knows whether it was removed in the meantime.
                if found.is_some() {
                    self.publish(shared, partition, &answer.token, found.as_ref(), lease).await;
                }
                answer.in_cache = looked + (started.elapsed() - asked);
                Ok(answer)
            }
            Err(error) => {
                if let Some(lease) = lease {
                    shared.release(lease);
                }
                Err(error)
            }
        }
    }

    async fn asked<F>(&self, throttle_key: &str, scopes: &Scopes, request: F) -> Result<Answer<K>, Error>
    where
        F: Future<Output = Result<Arc<CachedToken<K>>, Error>> + Send,
    {
        self.may_ask(throttle_key)?;
        self.loops.check(throttle_key, scopes, self.clock.now())?;
        let outcome = request.await;
        self.loops.answered(throttle_key, outcome.as_ref().map(|_| ()), self.clock.now());
        match outcome {
            Ok(token) => Ok(Answer::of(token.into(), CacheLevel::None, Duration::ZERO)),
            Err(error) => {
                if matches!(error, Error::Throttled(_)) {
                    self.counters.told_to_wait();
                }
                self.throttle.remember(throttle_key.to_owned(), &error);
                Err(error)
            }
        }
    }

    /// Whoever was told to wait does not ask.
    fn may_ask(&self, throttle_key: &str) -> Result<(), Error> {
        self.throttle.check(throttle_key, self.clock.now()).inspect_err(|_| self.counters.kept_back())
    }

    /// No level had it; who goes past the cache did not look.
    fn missed(&self, bypass: bool) {
        if !bypass {
            self.counters.miss();
        }
    }

    /// Reads the shared level into memory. `None` where it is away.
    async fn look(&self, shared: &SharedLevel, partition: &PartitionKey) -> Option<Found<K>> {
        let removals = self.cache.removals();
        let found = shared.load(partition).await?;
        if self.cache.merge(partition, &found, removals) {
            return Some(found);
        }
        // Something was removed in this moment. What is there now was not.
        let removals = self.cache.removals();
        let found = shared.load(partition).await?;
        self.cache.merge(partition, &found, removals);
        Some(found)
    }

    /// From memory, or from what was just read where memory had no room for it.
    fn token_of(
        &self,
        partition: &PartitionKey,
        scopes: &Scopes,
        found: Option<&Found<K>>,
    ) -> Option<Held<K>> {
        let now = self.clock.now();
        let at_hand = self.cache.token_at_hand(partition, scopes, now);
        at_hand.or_else(|| Some(found?.token(scopes, now)?.into()))
    }

    /// Waits until this replica may ask Entra, or another one has done so.
    async fn turn(
        &self,
        shared: &SharedLevel,
        partition: &PartitionKey,
        scopes: &Scopes,
        key: &str,
    ) -> Turn<K> {
        let (lease, give_up) = (shared.lease(partition, key), Instant::now() + LEASE);
        loop {
            let removals = self.cache.removals();
            let Some((ours, found)) = shared.lease_and_load(partition, &lease).await else {
                return Turn::Anyway;
            };
            let merged = self.cache.merge(partition, &found, removals);
            if let Some(token) = self.token_of(partition, scopes, Some(&found).filter(|_| merged)) {
                if ours {
                    shared.release(lease);
                }
                return Turn::Found(token);
            }
            if ours {
                return Turn::Ours(lease, found);
            }
            // However often the lease changed hands meanwhile: nobody waits for longer than one of them.
            if Instant::now() + LOOK_AGAIN > give_up {
                return Turn::Anyway;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    async fn publish(
        &self,
        shared: &SharedLevel,
        partition: &PartitionKey,
        token: &CachedToken<K>,
        found: Option<&Found<K>>,
        lease: Option<Lease>,
    ) {
        if token.withheld {
            lease.into_iter().for_each(|lease| shared.release(lease));
            return;
        }
        let refresh_token = self.cache.dated_refresh_token(partition);
        let user = self.cache.user(partition);
        let written =
            shared.publish(partition, token, refresh_token.as_ref(), user.as_deref(), found, lease).await;
        match written {
            Some(Written::Kept(removed_at)) => self.cache.is_shared(partition, removed_at),
            // Signed out while the request was under way. Whoever asked has the token; nobody else gets it.
            Some(Written::RemovedMeanwhile) => {
                self.cache.remove(partition);
            }
            Some(Written::Full) | None => {}
        }
    }

    /// Fetches a successor while the present token still serves. One at a time, and no caller waits for it; whoever
    /// started it may go away.
    fn refresh_in_background<F>(&self, mut missing: Missing, request: F)
    where
        F: Future<Output = Result<Arc<CachedToken<K>>, Error>> + Send + 'static,
    {
        let store = self.clone();
        missing.key = format!("{}|background", missing.key).into();
        let (key, span) =
            (Arc::clone(&missing.key), tracing::debug_span!("renew_token", scopes = %missing.scopes));
        let renewal = async move {
            let outcome = store.renewed(&missing, request).await;
            if let Err(error) = &outcome {
                tracing::warn!(
                    "a token could not be renewed ahead of time; the present one still serves: {error}"
                );
                let next = store.clock.now() + PAUSE_AFTER_FAILED_REFRESH;
                store.cache.postpone_refresh(&missing.partition, &missing.scopes, next);
            }
            outcome
        };
        // Nobody waits for it: the present one serves.
        let (flight, first) = self.flights.launch(key, renewal.instrument(span));
        if first {
            tokio::spawn(flight);
        }
    }

    /// A successor by another replica if there is one or will be in a moment, by Entra otherwise.
    async fn renewed<F>(&self, missing: &Missing, request: F) -> Result<Answer<K>, Error>
    where
        F: Future<Output = Result<Arc<CachedToken<K>>, Error>> + Send,
    {
        let Missing { partition, scopes, key, .. } = missing;
        let throttle_key = missing.throttle_key();
        let request = ahead_of_time(request);
        let Some(shared) = &self.shared else { return self.asked(throttle_key, scopes, request).await };
        let lease = shared.lease(partition, key);
        let removals = self.cache.removals();
        let looked = shared.lease_and_load(partition, &lease).await;
        if let Some((ours, found)) = &looked {
            self.cache.merge(partition, found, removals);
            let now = self.clock.now();
            if let Some(token) = self.cache.token(partition, scopes.as_str(), now) {
                let successor = !token.wants_refresh(now);
                if !successor && !ours {
                    self.cache.postpone_refresh(partition, scopes, now + PAUSE_WHILE_ANOTHER_RENEWS);
                }
                if successor && *ours {
                    shared.release(lease.clone());
                }
                if successor || !ours {
                    return Ok(Answer::of(token, CacheLevel::Shared, Duration::ZERO));
                }
            }
        }
        let outcome = self.asked(throttle_key, scopes, request).await;
        let (ours, found) = looked.map_or((false, None), |(ours, found)| (ours, Some(found)));
        let lease = ours.then_some(lease);
        match &outcome {
            Ok(answer) if found.is_some() => {
                self.publish(shared, partition, &answer.token, found.as_ref(), lease).await;
            }
            _ => lease.into_iter().for_each(|lease| shared.release(lease)),
        }
        outcome
    }
}
