//! Tokens in memory: bounded in bytes, typed by whom they speak for, aware of expiry.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use moka::Expiry;
use moka::ops::compute::Op;
use moka::sync::Cache;

use super::key::PartitionKey;
use crate::clock::SharedClock;
use crate::protocol::scope::Scopes;
use crate::secret::{AccessToken, RefreshToken, TokenKind};

/// A token counts as expired this long before it is: it must survive the call it is meant for, and clocks differ.
const EXPIRY_BUFFER: SignedDuration = SignedDuration::from_mins(5);
/// Longer than the longest token that Entra issues (28 hours, continuous access evaluation); what claims more is
/// corrupt, or the clock was moved.
const LONGEST_LIFETIME: SignedDuration = SignedDuration::from_hours(48);
/// How long a refresh token is kept unused; Entra forgets it then as well.
const REFRESH_TOKEN_LIFETIME: Duration = Duration::from_secs(90 * 24 * 3600);
/// All partitions together. About 10,000 signed-in users with two tokens each.
const MEMORY_LIMIT_BYTES: u64 = 64 * 1024 * 1024;
/// A partition holds one entry for each set of scopes; more than this is a caller that invents scopes.
const ENTRIES_PER_PARTITION: usize = 64;

/// A cache of tokens of one kind. Clones share the entries.
#[derive(Debug)]
pub(crate) struct MemoryCache<K: TokenKind> {
    partitions: Cache<PartitionKey, Arc<Partition<K>>>,
    clock: SharedClock,
}

impl<K: TokenKind> Clone for MemoryCache<K> {
    fn clone(&self) -> Self {
        Self { partitions: self.partitions.clone(), clock: self.clock.clone() }
    }
}

/// An access token with what decides whether it may be used.
#[derive(Debug)]
pub(crate) struct CachedToken<K: TokenKind> {
    pub access_token: AccessToken<K>,
    pub scopes: Scopes,
    pub expires_at: Timestamp,
    cached_at: Timestamp,
    /// Five minutes before the token ends, or when the assertion ends with which it was got.
    usable_until: Timestamp,
}

impl<K: TokenKind> CachedToken<K> {
    pub fn new(
        access_token: AccessToken<K>,
        scopes: Scopes,
        expires_at: Timestamp,
        cached_at: Timestamp,
    ) -> Self {
        let usable_until = expires_at.checked_sub(EXPIRY_BUFFER).unwrap_or(Timestamp::MIN);
        Self { access_token, scopes, expires_at, cached_at, usable_until }
    }

    /// The token must not be served after `end`. The five minutes do not apply here: the assertion is not sent again.
    #[must_use]
    pub fn ending_with(mut self, end: Timestamp) -> Self {
        self.usable_until = self.usable_until.min(end);
        self
    }

    fn is_usable(&self, now: Timestamp) -> bool {
        // A token from the future means that the clock was moved back: its expiry says nothing any more.
        now < self.usable_until
            && self.usable_until.duration_since(now) < LONGEST_LIFETIME
            && self.cached_at <= now
    }
}

impl<K: TokenKind> Clone for CachedToken<K> {
    fn clone(&self) -> Self {
        Self {
            access_token: self.access_token.clone(),
            scopes: self.scopes.clone(),
            expires_at: self.expires_at,
            cached_at: self.cached_at,
            usable_until: self.usable_until,
        }
    }
}

/// What belongs together: the tokens of one account, one application or one assertion.
#[derive(Debug)]
struct Partition<K: TokenKind> {
    tokens: Vec<CachedToken<K>>,
    refresh_token: Option<RefreshToken>,
    /// How long the partition is worth keeping.
    keep: Duration,
}

impl<K: TokenKind> MemoryCache<K> {
    pub fn new(clock: SharedClock) -> Self {
        let partitions = Cache::builder()
            .max_capacity(MEMORY_LIMIT_BYTES)
            .weigher(|key: &PartitionKey, partition: &Arc<Partition<K>>| weight(key, partition))
            .expire_after(KeptAsLongAsItIsWorth)
            .build();
        Self { partitions, clock }
    }

    /// A token that holds every scope wanted and lives for more than five minutes.
    pub fn token(&self, partition: &PartitionKey, scopes: &Scopes) -> Option<CachedToken<K>> {
        let now = self.clock.now();
        let partition = self.partitions.get(partition)?;
        partition
            .tokens
            .iter()
            .find(|token| token.scopes.contains_all(scopes) && token.is_usable(now))
            .cloned()
    }

    /// The refresh token of an account.
    pub fn refresh_token(&self, partition: &PartitionKey) -> Option<RefreshToken> {
        self.partitions.get(partition)?.refresh_token.clone()
    }

    /// Stores a token; it replaces those whose scopes it overlaps. `None` keeps the refresh token that is there.
    pub fn store(&self, key: &PartitionKey, token: CachedToken<K>, refresh_token: Option<RefreshToken>) {
        let now = self.clock.now();
        self.change(key, |old| {
            let mut tokens: Vec<_> = old
                .into_iter()
                .flat_map(|old| &old.tokens)
                .filter(|old| old.is_usable(now) && !old.scopes.intersects(&token.scopes))
                .cloned()
                .collect();
            if tokens.len() >= ENTRIES_PER_PARTITION {
                tokens.remove(0);
            }
            tokens.push(token);
            let refresh_token = refresh_token.or_else(|| old.and_then(|old| old.refresh_token.clone()));
            Some((tokens, refresh_token))
        });
    }

    /// Forgets the refresh token, if it is still the one that was refused.
    pub fn remove_refresh_token(&self, key: &PartitionKey, refused: &RefreshToken) {
        self.change(key, |old| {
            let old = old?;
            let kept = old.refresh_token.clone().filter(|kept| kept.expose() != refused.expose());
            Some((old.tokens.clone(), kept))
        });
    }

    /// Forgets the whole partition.
    pub fn remove(&self, key: &PartitionKey) {
        self.partitions.invalidate(key);
    }

    /// Changes a partition while nobody else does; `None` leaves it alone.
    #[allow(clippy::type_complexity, reason = "the two halves of a partition, said once")]
    fn change(
        &self,
        key: &PartitionKey,
        change: impl FnOnce(Option<&Partition<K>>) -> Option<(Vec<CachedToken<K>>, Option<RefreshToken>)>,
    ) {
        let now = self.clock.now();
        self.partitions.entry_by_ref(key).and_compute_with(|entry| {
            let old = entry.map(moka::Entry::into_value);
            match change(old.as_deref()) {
                Some((tokens, refresh_token)) => {
                    let keep = worth_keeping(&tokens, refresh_token.is_some(), now);
                    Op::Put(Arc::new(Partition { tokens, refresh_token, keep }))
                }
                None => Op::Nop,
            }
        });
    }
}

/// Gives each partition its own deadline, so that memory is free again without anybody looking.
#[derive(Debug)]
struct KeptAsLongAsItIsWorth;

impl<K: TokenKind> Expiry<PartitionKey, Arc<Partition<K>>> for KeptAsLongAsItIsWorth {
    fn expire_after_create(
        &self,
        _: &PartitionKey,
        value: &Arc<Partition<K>>,
        _: Instant,
    ) -> Option<Duration> {
        Some(value.keep)
    }

    fn expire_after_update(
        &self,
        _: &PartitionKey,
        value: &Arc<Partition<K>>,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(value.keep)
    }
}

fn worth_keeping<K: TokenKind>(
    tokens: &[CachedToken<K>],
    has_refresh_token: bool,
    now: Timestamp,
) -> Duration {
    if has_refresh_token {
        return REFRESH_TOKEN_LIFETIME;
    }
    let longest = tokens.iter().map(|token| token.usable_until.duration_since(now)).max().unwrap_or_default();
    Duration::try_from(longest.min(LONGEST_LIFETIME)).unwrap_or_default()
}

fn weight<K: TokenKind>(key: &PartitionKey, partition: &Partition<K>) -> u32 {
    let tokens: usize = partition
        .tokens
        .iter()
        .map(|token| token.access_token.expose_secret().len() + token.scopes.canonical().len() + 96)
        .sum();
    let refresh_token = partition.refresh_token.as_ref().map_or(0, |token| token.expose().len());
    u32::try_from(key.len() + tokens + refresh_token + 128).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock, ManualClock};
    use crate::secret::User;

    fn cache() -> (MemoryCache<User>, ManualClock, PartitionKey) {
        let clock = ManualClock::at(Timestamp::from_second(1_800_000_000).unwrap());
        (MemoryCache::new(Arc::new(clock.clone())), clock, PartitionKey::account("e", "t", "c", "u"))
    }

    fn token(
        cache: &MemoryCache<User>,
        text: &str,
        scopes: &str,
        lifetime: SignedDuration,
    ) -> CachedToken<User> {
        let now = cache.clock.now();
        CachedToken::new(AccessToken::new(text), scopes.into(), now + lifetime, now)
    }

    fn found(cache: &MemoryCache<User>, key: &PartitionKey, scopes: &str) -> Option<String> {
        cache.token(key, &scopes.into()).map(|token| token.access_token.expose_secret().to_owned())
    }

    #[test]
    fn a_token_serves_any_part_of_its_scopes_in_any_case() {
        let (cache, _, key) = cache();

        cache.store(&key, token(&cache, "both", "User.Read Mail.Read", SignedDuration::from_hours(1)), None);

        assert_eq!(found(&cache, &key, "mail.read openid").as_deref(), Some("both"));
        assert_eq!(found(&cache, &key, "Files.Read"), None);
    }

    #[test]
    fn a_token_counts_as_expired_five_minutes_early() {
        let (cache, clock, key) = cache();
        cache.store(&key, token(&cache, "t", "User.Read", SignedDuration::from_hours(1)), None);

        clock.advance(SignedDuration::from_mins(54));
        assert!(found(&cache, &key, "User.Read").is_some());

        clock.advance(SignedDuration::from_mins(1));
        assert!(found(&cache, &key, "User.Read").is_none());
    }

    #[test]
    fn a_token_ends_with_its_assertion() {
        let (cache, clock, key) = cache();
        let end = clock.now() + SignedDuration::from_mins(4);
        cache.store(&key, token(&cache, "t", "A", SignedDuration::from_hours(1)).ending_with(end), None);

        assert!(found(&cache, &key, "A").is_some());
        clock.advance(SignedDuration::from_mins(4));
        assert!(found(&cache, &key, "A").is_none());
    }

    #[test]
    fn absurd_lifetimes_and_entries_from_the_future_are_ignored() {
        let (cache, clock, key) = cache();
        cache.store(&key, token(&cache, "forever", "A", SignedDuration::from_hours(24 * 365)), None);
        cache.store(&key, token(&cache, "future", "B", SignedDuration::from_hours(1)), None);

        clock.advance(SignedDuration::from_mins(-10));

        assert_eq!((found(&cache, &key, "A"), found(&cache, &key, "B")), (None, None));
    }

    #[test]
    fn a_new_token_replaces_those_it_overlaps_and_leaves_the_rest() {
        let (cache, _, key) = cache();
        for (text, scopes) in [("old", "A B"), ("other", "C"), ("new", "B")] {
            cache.store(&key, token(&cache, text, scopes, SignedDuration::from_hours(1)), None);
        }

        assert_eq!(found(&cache, &key, "A"), None);
        assert_eq!(found(&cache, &key, "B").as_deref(), Some("new"));
        assert_eq!(found(&cache, &key, "C").as_deref(), Some("other"));
    }

    #[test]
    fn an_answer_without_a_refresh_token_keeps_the_old_one() {
        let (cache, _, key) = cache();
        let hour = SignedDuration::from_hours(1);
        cache.store(&key, token(&cache, "a", "A", hour), Some(RefreshToken::new("first")));

        cache.store(&key, token(&cache, "b", "B", hour), None);

        assert_eq!(
            cache.refresh_token(&key).map(|token| token.expose().to_owned()).as_deref(),
            Some("first")
        );
    }

    #[test]
    fn a_refused_refresh_token_is_forgotten_but_not_its_successor() {
        let (cache, _, key) = cache();
        let hour = SignedDuration::from_hours(1);
        cache.store(&key, token(&cache, "a", "A", hour), Some(RefreshToken::new("second")));

        cache.remove_refresh_token(&key, &RefreshToken::new("first"));
        assert!(cache.refresh_token(&key).is_some());

        cache.remove_refresh_token(&key, &RefreshToken::new("second"));
        assert!(cache.refresh_token(&key).is_none());
        assert!(found(&cache, &key, "A").is_some());
    }

    #[test]
    fn memory_is_bounded_however_many_assertions_come() {
        let (cache, ..) = cache();
        let large = "x".repeat(16 * 1024);

        for number in 0..10_000 {
            let key = PartitionKey::account("e", "t", "c", &number.to_string());
            cache.store(&key, token(&cache, &large, "A", SignedDuration::from_hours(1)), None);
        }
        cache.partitions.run_pending_tasks();

        assert!(cache.partitions.weighted_size() <= MEMORY_LIMIT_BYTES);
        assert!(cache.partitions.entry_count() > 1_000);
    }
}
