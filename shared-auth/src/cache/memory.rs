//! Tokens in memory: bounded in bytes, typed by whom they speak for, aware of expiry.
//!
//! A hit takes one shared lock of one shard, allocates nothing and copies no token text. Changes of one partition wait
//! for each other, so that none of them is lost.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Lifecycle, Weighter};

use super::key::PartitionKey;
use super::users::UserIndex;
use crate::clock::SharedClock;
use crate::protocol::scope::Scopes;
use crate::secret::{AccessToken, RefreshToken, TokenKind};

/// A token counts as expired this long before it is: it must survive the call it is meant for, and clocks differ.
const EXPIRY_BUFFER: SignedDuration = SignedDuration::from_mins(5);
/// Longer than the longest token that Entra issues (28 hours, continuous access evaluation); what claims more is
/// corrupt, or the clock was moved.
const LONGEST_LIFETIME: SignedDuration = SignedDuration::from_hours(48);
/// All partitions together. About 10,000 signed-in users with two tokens each; the least used give way.
const MEMORY_LIMIT_BYTES: u64 = 64 * 1024 * 1024;
const USUAL_PARTITIONS: usize = 10_000;
/// A partition holds one entry for each set of scopes; more than this is a caller that invents scopes.
const ENTRIES_PER_PARTITION: usize = 64;
/// Writers of different partitions meet by chance only.
const WRITERS: usize = 64;

/// A cache of tokens of one kind. Clones share the entries.
#[derive(Debug)]
pub(crate) struct MemoryCache<K: TokenKind> {
    shared: Arc<Shared<K>>,
}

#[derive(Debug)]
struct Shared<K: TokenKind> {
    partitions: Cache<PartitionKey, Arc<Partition<K>>, Bytes, DefaultHashBuilder, Evicted>,
    users: UserIndex,
    writers: [Mutex<()>; WRITERS],
    hasher: RandomState,
    clock: SharedClock,
}

impl<K: TokenKind> Clone for MemoryCache<K> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

/// An access token with what decides whether it may be used.
#[derive(Debug)]
pub(crate) struct CachedToken<K: TokenKind> {
    pub access_token: AccessToken<K>,
    pub scopes: Scopes,
    /// What was asked for with it and not granted.
    pub declined: Scopes,
    pub expires_at: Timestamp,
    cached_at: Timestamp,
    /// Five minutes before the token ends, or when the assertion ends with which it was got.
    usable_until: Timestamp,
    /// From then on a successor should be fetched in the background.
    refresh_at: Option<Timestamp>,
}

impl<K: TokenKind> CachedToken<K> {
    pub fn new(
        access_token: AccessToken<K>,
        scopes: Scopes,
        expires_at: Timestamp,
        cached_at: Timestamp,
    ) -> Self {
        let usable_until = expires_at.checked_sub(EXPIRY_BUFFER).unwrap_or(Timestamp::MIN);
        let declined = Scopes::default();
        Self { access_token, scopes, declined, expires_at, cached_at, usable_until, refresh_at: None }
    }

    /// What was asked for. The token then serves the same request again even where less was granted: asking Entra once
    /// more would bring the same answer.
    #[must_use]
    pub fn asked_for(mut self, asked: &Scopes) -> Self {
        self.declined = asked.without(&self.scopes);
        self
    }

    fn serves(&self, wanted: &Scopes) -> bool {
        self.scopes.contains_all(wanted)
            || (!self.declined.is_empty() && self.scopes.with(&self.declined).contains_all(wanted))
    }

    /// The token must not be served after `end`. The five minutes do not apply here: the assertion is not sent again.
    #[must_use]
    pub fn ending_with(mut self, end: Timestamp) -> Self {
        self.usable_until = self.usable_until.min(end);
        self
    }

    /// A successor should be fetched from `at` on.
    #[must_use]
    pub fn refreshed_at(mut self, at: Option<Timestamp>) -> Self {
        self.refresh_at = at;
        self
    }

    /// True where the token is good and old enough for a successor.
    pub fn wants_refresh(&self, now: Timestamp) -> bool {
        self.refresh_at.is_some_and(|at| at <= now)
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
        let (access_token, scopes, declined) =
            (self.access_token.clone(), self.scopes.clone(), self.declined.clone());
        Self { access_token, scopes, declined, ..*self }
    }
}

/// What belongs together: the tokens of one account, one application or one assertion.
#[derive(Debug)]
struct Partition<K: TokenKind> {
    tokens: Vec<CachedToken<K>>,
    refresh_token: Option<RefreshToken>,
    /// The home account id, where the tokens are a user's.
    user: Option<Arc<str>>,
}

impl<K: TokenKind> MemoryCache<K> {
    pub fn new(clock: SharedClock) -> Self {
        let users = UserIndex::default();
        let hasher = DefaultHashBuilder::default();
        let partitions = Cache::with(
            USUAL_PARTITIONS,
            MEMORY_LIMIT_BYTES,
            Bytes,
            hasher,
            Evicted { users: users.clone() },
        );
        let writers = std::array::from_fn(|_| Mutex::new(()));
        Self { shared: Arc::new(Shared { partitions, users, writers, hasher: RandomState::new(), clock }) }
    }

    /// A token that holds every scope wanted and is good for more than five minutes.
    pub fn token(&self, partition: &PartitionKey, scopes: &Scopes) -> Option<CachedToken<K>> {
        let partition = self.shared.partitions.get(partition)?;
        let now = self.shared.clock.now();
        partition.tokens.iter().find(|token| token.is_usable(now) && token.serves(scopes)).cloned()
    }

    /// The refresh token of an account.
    pub fn refresh_token(&self, partition: &PartitionKey) -> Option<RefreshToken> {
        self.shared.partitions.get(partition)?.refresh_token.clone()
    }

    /// Stores a token; it replaces those whose scopes it overlaps. `None` keeps the refresh token, and the user, that
    /// are there.
    pub fn store(
        &self,
        key: &PartitionKey,
        token: CachedToken<K>,
        refresh_token: Option<RefreshToken>,
        user: Option<&str>,
    ) {
        let now = self.shared.clock.now();
        self.change(key, |old| {
            let mut tokens: Vec<_> = old
                .iter()
                .flat_map(|old| &old.tokens)
                .filter(|old| old.is_usable(now) && !old.scopes.intersects(&token.scopes))
                .cloned()
                .collect();
            if tokens.len() >= ENTRIES_PER_PARTITION {
                tokens.remove(0);
            }
            tokens.push(token);
            let refresh_token = refresh_token.or_else(|| old?.refresh_token.clone());
            let user = user.map(Arc::from).or_else(|| old?.user.clone());
            Some(Partition { tokens, refresh_token, user })
        });
    }

    /// Puts the next background refresh of a token off: the last one failed.
    pub fn postpone_refresh(&self, key: &PartitionKey, scopes: &Scopes, until: Timestamp) {
        self.change(key, |old| {
            let old = old?;
            let mut tokens = old.tokens.clone();
            for token in tokens.iter_mut().filter(|token| token.serves(scopes)) {
                token.refresh_at = Some(until);
            }
            Some(Partition { tokens, refresh_token: old.refresh_token.clone(), user: old.user.clone() })
        });
    }

    /// Forgets the refresh token, if it is still the one that was refused.
    pub fn remove_refresh_token(&self, key: &PartitionKey, refused: &RefreshToken) {
        self.change(key, |old| {
            let old = old?;
            let refresh_token = old.refresh_token.clone().filter(|kept| kept.expose() != refused.expose());
            Some(Partition { tokens: old.tokens.clone(), refresh_token, user: old.user.clone() })
        });
    }

    /// Forgets the whole partition. True where there was one.
    pub fn remove(&self, key: &PartitionKey) -> bool {
        let removed = {
            let _alone = self.writer(key);
            self.shared.partitions.remove(key)
        };
        if let Some(user) = removed.as_ref().and_then(|(_, partition)| partition.user.as_deref()) {
            self.shared.users.forget(user, key);
        }
        removed.is_some()
    }

    /// Forgets every partition of a user, whatever it is filed under.
    pub fn remove_user(&self, user: &str) {
        for partition in self.shared.users.take(user) {
            self.remove(&partition);
        }
    }

    /// Changes a partition while nobody else does; `None` leaves it alone.
    fn change(&self, key: &PartitionKey, change: impl FnOnce(Option<&Partition<K>>) -> Option<Partition<K>>) {
        let _alone = self.writer(key);
        let old = self.shared.partitions.get(key);
        if let Some(new) = change(old.as_deref()) {
            let user = new.user.clone();
            self.shared.partitions.insert(key.clone(), Arc::new(new));
            if let Some(user) = user {
                self.shared.users.add(&user, key);
            }
        }
    }

    fn writer(&self, key: &PartitionKey) -> std::sync::MutexGuard<'_, ()> {
        let at = usize::try_from(self.shared.hasher.hash_one(key) % WRITERS as u64).unwrap_or_default();
        self.shared.writers[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the index of users in step with what memory pressure takes away.
#[derive(Debug, Clone)]
struct Evicted {
    users: UserIndex,
}

impl<K: TokenKind> Lifecycle<PartitionKey, Arc<Partition<K>>> for Evicted {
    type RequestState = ();

    fn on_evict(&self, (): &mut (), key: PartitionKey, partition: Arc<Partition<K>>) {
        if let Some(user) = &partition.user {
            self.users.forget(user, &key);
        }
    }
}

/// Weighs partitions by the memory that they take.
#[derive(Debug, Clone)]
struct Bytes;

impl<K: TokenKind> Weighter<PartitionKey, Arc<Partition<K>>> for Bytes {
    fn weight(&self, key: &PartitionKey, partition: &Arc<Partition<K>>) -> u64 {
        const PER_PARTITION: usize = 360; // with its line in the index of users
        const PER_TOKEN: usize = 160;
        let tokens = partition.tokens.iter().map(|token| {
            let scopes: usize = token.scopes.iter().map(|scope| scope.len() + 16).sum();
            token.access_token.expose_secret().len() + scopes + PER_TOKEN
        });
        let refresh_token = partition.refresh_token.as_ref().map_or(0, |token| token.expose().len());
        (key.len() + refresh_token + PER_PARTITION + tokens.sum::<usize>()) as u64
    }
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
        let now = cache.shared.clock.now();
        CachedToken::new(AccessToken::new(text), scopes.into(), now + lifetime, now)
    }

    fn found(cache: &MemoryCache<User>, key: &PartitionKey, scopes: &str) -> Option<String> {
        cache.token(key, &scopes.into()).map(|token| token.access_token.expose_secret().to_owned())
    }

    #[test]
    fn a_token_serves_any_part_of_its_scopes_in_any_case() {
        let (cache, _, key) = cache();

        cache.store(
            &key,
            token(&cache, "both", "User.Read Mail.Read", SignedDuration::from_hours(1)),
            None,
            None,
        );

        assert_eq!(found(&cache, &key, "mail.read openid").as_deref(), Some("both"));
        assert_eq!(found(&cache, &key, "Files.Read"), None);
    }

    #[test]
    fn a_token_counts_as_expired_five_minutes_early() {
        let (cache, clock, key) = cache();
        cache.store(&key, token(&cache, "t", "User.Read", SignedDuration::from_hours(1)), None, None);

        clock.advance(SignedDuration::from_mins(54));
        assert!(found(&cache, &key, "User.Read").is_some());

        clock.advance(SignedDuration::from_mins(1));
        assert!(found(&cache, &key, "User.Read").is_none());
    }

    #[test]
    fn a_token_ends_with_its_assertion() {
        let (cache, clock, key) = cache();
        let end = clock.now() + SignedDuration::from_mins(4);
        cache.store(
            &key,
            token(&cache, "t", "A", SignedDuration::from_hours(1)).ending_with(end),
            None,
            None,
        );

        assert!(found(&cache, &key, "A").is_some());
        clock.advance(SignedDuration::from_mins(4));
        assert!(found(&cache, &key, "A").is_none());
    }

    #[test]
    fn absurd_lifetimes_and_entries_from_the_future_are_ignored() {
        let (cache, clock, key) = cache();
        cache.store(&key, token(&cache, "forever", "A", SignedDuration::from_hours(24 * 365)), None, None);
        cache.store(&key, token(&cache, "future", "B", SignedDuration::from_hours(1)), None, None);

        clock.advance(SignedDuration::from_mins(-10));

        assert_eq!((found(&cache, &key, "A"), found(&cache, &key, "B")), (None, None));
    }

    #[test]
    fn a_new_token_replaces_those_it_overlaps_and_leaves_the_rest() {
        let (cache, _, key) = cache();
        for (text, scopes) in [("old", "A B"), ("other", "C"), ("new", "B")] {
            cache.store(&key, token(&cache, text, scopes, SignedDuration::from_hours(1)), None, None);
        }

        assert_eq!(found(&cache, &key, "A"), None);
        assert_eq!(found(&cache, &key, "B").as_deref(), Some("new"));
        assert_eq!(found(&cache, &key, "C").as_deref(), Some("other"));
    }

    #[test]
    fn an_answer_without_a_refresh_token_keeps_the_old_one() {
        let (cache, _, key) = cache();
        let hour = SignedDuration::from_hours(1);
        cache.store(&key, token(&cache, "a", "A", hour), Some(RefreshToken::new("first")), None);

        cache.store(&key, token(&cache, "b", "B", hour), None, None);

        assert_eq!(
            cache.refresh_token(&key).map(|token| token.expose().to_owned()).as_deref(),
            Some("first")
        );
    }

    #[test]
    fn a_refused_refresh_token_is_forgotten_but_not_its_successor() {
        let (cache, _, key) = cache();
        let hour = SignedDuration::from_hours(1);
        cache.store(&key, token(&cache, "a", "A", hour), Some(RefreshToken::new("second")), None);

        cache.remove_refresh_token(&key, &RefreshToken::new("first"));
        assert!(cache.refresh_token(&key).is_some());

        cache.remove_refresh_token(&key, &RefreshToken::new("second"));
        assert!(cache.refresh_token(&key).is_none());
        assert!(found(&cache, &key, "A").is_some());
    }

    #[test]
    fn signing_out_removes_every_partition_of_the_user_and_nobody_elses() {
        let (cache, _, of_alice) = cache();
        let (also_of_alice, of_bob) = (PartitionKey::app("x", "y", "1"), PartitionKey::app("x", "y", "2"));
        let hour = SignedDuration::from_hours(1);
        for (key, user) in [(&of_alice, "alice"), (&also_of_alice, "alice"), (&of_bob, "bob")] {
            cache.store(key, token(&cache, user, "A", hour), Some(RefreshToken::new(user)), Some(user));
        }

        cache.remove_user("alice");

        assert_eq!((found(&cache, &of_alice, "A"), found(&cache, &also_of_alice, "A")), (None, None));
        assert!(cache.refresh_token(&also_of_alice).is_none());
        assert_eq!(found(&cache, &of_bob, "A").as_deref(), Some("bob"));
        cache.remove(&of_bob);
        assert_eq!(cache.shared.users.users(), 0);
    }

    #[test]
    fn memory_is_bounded_however_many_assertions_come() {
        let (cache, ..) = cache();
        let large = "x".repeat(16 * 1024);

        for number in 0..10_000 {
            let key = PartitionKey::account("e", "t", "c", &number.to_string());
            let user = number.to_string();
            cache.store(&key, token(&cache, &large, "A", SignedDuration::from_hours(1)), None, Some(&user));
        }

        assert!(cache.shared.partitions.weight() <= MEMORY_LIMIT_BYTES);
        assert!(cache.shared.partitions.len() > 1_000);
        assert_eq!(
            cache.shared.users.users(),
            cache.shared.partitions.len(),
            "the index keeps nobody who is gone"
        );
    }
}
