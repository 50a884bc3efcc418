//! Tokens in memory: bounded in bytes, typed by whom they speak for, aware of expiry.
//!
//! A hit takes one shared lock of one shard, allocates nothing and copies no token text. Changes of one partition wait
//! for each other, so that none of them is lost.

use std::collections::VecDeque;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use jiff::Timestamp;
use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Equivalent, Lifecycle, Weighter};
use smallvec::SmallVec;

use super::key::{Id, PartitionKey};
use super::names::Names;
use super::shared::{Found, Listener, milliseconds};
use super::token::CachedToken;
use super::users::UserIndex;
use crate::clock::SharedClock;
use crate::protocol::scope::Scopes;
use crate::secret::{RefreshToken, TokenKind};

/// All partitions together, by default. About 10,000 signed-in users with two tokens each; the least used give way.
pub(crate) const MEMORY_LIMIT_BYTES: u64 = 64 * 1024 * 1024;
const USUAL_PARTITIONS: usize = 10_000;
/// A partition holds one entry for each set of scopes; more than this is a caller that invents scopes.
const ENTRIES_PER_PARTITION: usize = 64;
/// An application asks for a few sets of scopes; looking through more than these costs more than it saves.
const KNOWN_SCOPES: usize = 16;
/// Writers of different partitions meet by chance only.
const WRITERS: usize = 64;
/// Removals are remembered for this many groups of partitions and users, however many of them there are. Who shares a
/// group with somebody that signs out in the same moment has one token not cached, and nothing else.
const REMOVAL_GROUPS: usize = 1024;

/// A cache of tokens of one kind. Clones share the entries.
#[derive(Debug)]
pub(crate) struct MemoryCache<K: TokenKind> {
    shared: Arc<Shared<K>>,
}

#[derive(Debug)]
struct Shared<K: TokenKind> {
    partitions: Cache<PartitionKey, Arc<Partition<K>>, Bytes, DefaultHashBuilder, Evicted>,
    users: UserIndex,
    names: Option<Names>,
    /// Those of the last tokens.
    scopes: Mutex<VecDeque<Scopes>>,
    /// Counts what was removed, so that what was read before a removal is not taken over after it.
    removals: AtomicU64,
    /// The last removal of each group.
    removed: Box<[AtomicU64]>,
    writers: [Mutex<()>; WRITERS],
    hasher: RandomState,
    clock: SharedClock,
}

impl<K: TokenKind> Clone for MemoryCache<K> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

/// What belongs together: the tokens of one account, one application or one assertion.
#[derive(Debug)]
struct Partition<K: TokenKind> {
    /// One of them mostly: it is found without another step.
    tokens: SmallVec<[Arc<CachedToken<K>>; 1]>,
    /// With the time at which it was got, in milliseconds: a later one is never replaced by an earlier one.
    refresh_token: Option<(RefreshToken, u64)>,
    /// The home account id, where the tokens are a user's.
    user: Option<Arc<str>>,
    mark: Mark,
}

/// How a partition stands to the level that replicas share. Changes in place.
#[derive(Debug)]
struct Mark {
    /// Another replica may have changed it: look there before answering from here.
    stale: AtomicBool,
    /// The last removal that is known there; [`NEVER_SHARED`] until the partition has been there.
    removed_at: AtomicU64,
}

const NEVER_SHARED: u64 = u64::MAX;

impl Default for Mark {
    fn default() -> Self {
        Self { stale: AtomicBool::new(false), removed_at: AtomicU64::new(NEVER_SHARED) }
    }
}

impl Clone for Mark {
    fn clone(&self) -> Self {
        Self {
            stale: AtomicBool::new(self.stale.load(Ordering::Relaxed)),
            removed_at: AtomicU64::new(self.removed_at.load(Ordering::Relaxed)),
        }
    }
}

impl<K: TokenKind> Default for Partition<K> {
    fn default() -> Self {
        Self { tokens: SmallVec::new(), refresh_token: None, user: None, mark: Mark::default() }
    }
}

impl<K: TokenKind> Clone for Partition<K> {
    fn clone(&self) -> Self {
        let (tokens, refresh_token) = (self.tokens.clone(), self.refresh_token.clone());
        Self { tokens, refresh_token, user: self.user.clone(), mark: self.mark.clone() }
    }
}

impl<K: TokenKind> Partition<K> {
    /// Adds a token in place of those whose scopes it overlaps.
    fn add(&mut self, token: Arc<CachedToken<K>>, now: Timestamp) {
        self.tokens.retain(|old| old.is_usable(now) && !old.scopes.intersects(&token.scopes));
        if self.tokens.len() >= ENTRIES_PER_PARTITION {
            self.tokens.remove(0);
        }
        self.tokens.push(token);
    }

    fn find(&self, scopes: &str, now: Timestamp) -> Option<Arc<CachedToken<K>>> {
        self.tokens.iter().find(|token| token.is_usable(now) && token.serves(scopes)).map(Arc::clone)
    }

    /// Adds what comes from elsewhere, where it is later than what is here.
    fn take_over(
        &mut self,
        tokens: &[Arc<CachedToken<K>>],
        refresh_token: Option<&(RefreshToken, u64)>,
        now: Timestamp,
    ) {
        for token in tokens.iter().filter(|token| token.is_usable(now)) {
            let later = |old: &Arc<CachedToken<K>>| {
                old.scopes.intersects(&token.scopes) && old.cached_at >= token.cached_at
            };
            if !self.tokens.iter().any(later) {
                self.add(Arc::clone(token), now);
            }
        }
        if let Some((token, time)) = refresh_token
            && self.refresh_token.as_ref().is_none_or(|(_, before)| before < time)
        {
            self.refresh_token = Some((token.clone(), *time));
        }
    }
}

impl<K: TokenKind> MemoryCache<K> {
    /// `shared`: there is a level behind this one, whose names for partitions must be understood.
    pub fn new(clock: SharedClock, limit_bytes: u64, shared: bool) -> Self {
        let users = UserIndex::default();
        let names = shared.then(Names::default);
        let hasher = DefaultHashBuilder::default();
        let partitions = Cache::with(
            USUAL_PARTITIONS,
            limit_bytes,
            Bytes,
            hasher,
            Evicted { users: users.clone(), names: names.clone() },
        );
        let writers = std::array::from_fn(|_| Mutex::new(()));
        let hasher = RandomState::new();
        Self {
            shared: Arc::new(Shared {
                partitions,
                users,
                names,
                scopes: Mutex::default(),
                removals: AtomicU64::new(0),
                removed: std::iter::repeat_with(AtomicU64::default).take(REMOVAL_GROUPS).collect(),
                writers,
                hasher,
                clock,
            }),
        }
    }

    /// A token that holds every scope wanted and is good for more than five minutes. The partition may be named by
    /// borrowed parts.
    pub fn token<P>(&self, partition: &P, scopes: &str, now: Timestamp) -> Option<Arc<CachedToken<K>>>
    where
        P: Hash + Equivalent<PartitionKey> + ?Sized,
    {
        let partition = self.shared.partitions.get(partition)?;
        if partition.mark.stale.load(Ordering::Relaxed) {
            return None;
        }
        partition.find(scopes, now)
    }

    /// True where there is a token that would serve, had it not ended.
    pub fn has_ended(&self, partition: &PartitionKey, scopes: &Scopes, now: Timestamp) -> bool {
        let partition = self.shared.partitions.get(partition);
        partition.is_some_and(|here| {
            here.tokens.iter().any(|token| token.serves(scopes.as_str()) && !token.is_usable(now))
        })
    }

    /// As [`token`](Self::token), even where another replica may know better.
    pub fn token_at_hand(
        &self,
        partition: &PartitionKey,
        scopes: &Scopes,
        now: Timestamp,
    ) -> Option<Arc<CachedToken<K>>> {
        self.shared.partitions.get(partition)?.find(scopes.as_str(), now)
    }

    /// The refresh token of an account.
    pub fn refresh_token(&self, partition: &PartitionKey) -> Option<RefreshToken> {
        self.dated_refresh_token(partition).map(|(token, _)| token)
    }

    /// The refresh token with its time.
    pub fn dated_refresh_token(&self, partition: &PartitionKey) -> Option<(RefreshToken, u64)> {
        self.shared.partitions.get(partition)?.refresh_token.clone()
    }

    /// Whose partition it is.
    pub fn user(&self, partition: &PartitionKey) -> Option<Arc<str>> {
        self.shared.partitions.get(partition)?.user.clone()
    }

    /// Stores a token; it replaces those whose scopes it overlaps. `None` keeps the refresh token, and the user, that
    /// are there.
    pub fn store(
        &self,
        key: &PartitionKey,
        token: CachedToken<K>,
        refresh_token: Option<RefreshToken>,
        user: Option<&str>,
    ) -> Arc<CachedToken<K>> {
        // A beginning, such as a sign-in: no removal is later than that.
        self.store_as_of(u64::MAX, key, token, refresh_token, user)
    }

    /// As [`store`](Self::store), for what was asked for when there had been `removals`. Nothing is stored where the
    /// partition, or the user, was removed since: whoever asked gets the token back, and nobody else.
    pub fn store_as_of(
        &self,
        removals: u64,
        key: &PartitionKey,
        token: CachedToken<K>,
        refresh_token: Option<RefreshToken>,
        user: Option<&str>,
    ) -> Arc<CachedToken<K>> {
        let mut token = token;
        let exchange = token.exchange.take();
        let user: Option<Arc<str>> = user.map(Arc::from);
        token.home_account_id = user.clone();
        let mut token = self.settled(token);
        let (now, mut withheld) = (self.shared.clock.now(), false);
        let kept = self.change(key, |old| {
            let whose = user.as_deref().or_else(|| old?.user.as_deref());
            let names = [Some(key.id()), whose.map(user_name)];
            if names.into_iter().flatten().any(|name| self.shared.removed_since(removals, name)) {
                withheld = true;
                return None;
            }
            let mut new = old.cloned().unwrap_or_default();
            new.add(Arc::clone(&token), now);
            if let Some(token) = refresh_token {
                let before = new.refresh_token.map_or(0, |(_, time)| time);
                new.refresh_token = Some((token, milliseconds(now).max(before + 1)));
            }
            new.user = user.clone().or(new.user);
            Some(new)
        });
        // For who asked, and not for the cache.
        if exchange.is_some() || withheld || !kept {
            let asked = Arc::make_mut(&mut token);
            (asked.exchange, asked.withheld) = (exchange, withheld || !kept);
        }
        token
    }

    /// A token as it is kept. Everybody is granted the same few sets of scopes: entries share their text.
    pub fn settled(&self, mut token: CachedToken<K>) -> Arc<CachedToken<K>> {
        let mut known = self.shared.scopes.lock().unwrap_or_else(PoisonError::into_inner);
        for scopes in [&mut token.scopes, &mut token.declined_scopes] {
            match known.iter().find(|known| known.as_str() == scopes.as_str()) {
                Some(known) => *scopes = known.clone(),
                None => {
                    known.truncate(KNOWN_SCOPES - 1);
                    known.push_front(scopes.clone());
                }
            }
        }
        Arc::new(token)
    }

    /// How many removals there were; to be asked before the shared level is read, and before Entra is asked.
    pub fn removals(&self) -> u64 {
        self.shared.removals.load(Ordering::SeqCst)
    }

    /// Takes over what the shared level holds, where it is later than what is here. False where something was removed
    /// after `removals` had been counted: what was read may be what was removed, so it has to be read again.
    pub fn merge(&self, key: &PartitionKey, found: &Found<K>, removals: u64) -> bool {
        let now = self.shared.clock.now();
        let removed_elsewhere = |old: &&Partition<K>| {
            let known = old.mark.removed_at.load(Ordering::Relaxed);
            known != NEVER_SHARED && known < found.removed_at
        };
        if found.is_empty() {
            // Removed by another replica: nothing here counts any more. Merely lost there: what is here still does.
            let here = self.shared.partitions.get(key);
            if here.as_deref().is_some_and(|here| removed_elsewhere(&here)) {
                self.remove(key);
            } else if let Some(here) = here {
                here.mark.stale.store(false, Ordering::Relaxed);
            }
            return true;
        }
        let mut merged = true;
        self.change(key, |old| {
            if self.removals() != removals {
                merged = false;
                return None;
            }
            let mut new = old.filter(|old| !removed_elsewhere(old)).cloned().unwrap_or_default();
            new.take_over(&found.tokens, found.refresh_token.as_ref(), now);
            new.user = new.user.or_else(|| found.user.clone());
            new.mark = Mark { stale: AtomicBool::new(false), removed_at: AtomicU64::new(found.removed_at) };
            Some(new)
        });
        merged
    }

    /// Takes over what another program had cached, where it is later than what is here.
    pub fn take_over(
        &self,
        key: &PartitionKey,
        tokens: &[Arc<CachedToken<K>>],
        refresh_token: Option<&(RefreshToken, u64)>,
        user: Option<&str>,
    ) {
        let now = self.shared.clock.now();
        self.change(key, |old| {
            let mut new = old.cloned().unwrap_or_default();
            new.take_over(tokens, refresh_token, now);
            new.user = new.user.or_else(|| user.map(Arc::from));
            Some(new)
        });
    }

    /// Shows every partition that can be used in this moment.
    pub fn for_each(
        &self,
        mut show: impl FnMut(&PartitionKey, &[Arc<CachedToken<K>>], Option<&(RefreshToken, u64)>, Option<&str>),
    ) {
        for (key, partition) in self.shared.partitions.iter() {
            show(&key, &partition.tokens, partition.refresh_token.as_ref(), partition.user.as_deref());
        }
    }

    /// The partition is in the shared level now, after the removal that is known there.
    pub fn is_shared(&self, key: &PartitionKey, removed_at: u64) {
        if let Some(here) = self.shared.partitions.get(key) {
            here.mark.removed_at.store(removed_at, Ordering::Relaxed);
        }
    }

    /// Puts the next background refresh of a token off: the last one failed.
    pub fn postpone_refresh(&self, key: &PartitionKey, scopes: &Scopes, until: Timestamp) {
        self.change(key, |old| {
            let mut new = old?.clone();
            for token in new.tokens.iter_mut().filter(|token| token.serves(scopes.as_str())) {
                Arc::make_mut(token).refresh_at = Some(until);
            }
            Some(new)
        });
    }

    /// Forgets the refresh token, if it is still the one that was refused.
    pub fn remove_refresh_token(&self, key: &PartitionKey, refused: &RefreshToken) {
        self.change(key, |old| {
            let mut new = old?.clone();
            new.refresh_token = new.refresh_token.filter(|(kept, _)| kept.expose() != refused.expose());
            Some(new)
        });
    }

    /// Forgets the whole partition. True where there was one.
    pub fn remove(&self, key: &PartitionKey) -> bool {
        self.shared.remove(key)
    }

    /// Forgets every partition of a user, whatever it is filed under.
    pub fn remove_user(&self, user: &str) {
        let remove = || {
            for partition in self.shared.users.take(user) {
                self.remove(&partition);
            }
        };
        remove();
        // Counted when nothing is left to begin with: what begins later finds nothing, what began earlier is refused,
        // and what was being stored in this moment is in the index again.
        self.shared.count_removal(user_name(user));
        remove();
    }

    /// Who must hear what other replicas do.
    pub fn listener(&self) -> Weak<dyn Listener> {
        let shared: Weak<Shared<K>> = Arc::downgrade(&self.shared);
        shared
    }

    /// Changes a partition while nobody else does; `None` leaves it alone. False where its user signed out meanwhile.
    fn change(
        &self,
        key: &PartitionKey,
        change: impl FnOnce(Option<&Partition<K>>) -> Option<Partition<K>>,
    ) -> bool {
        let _alone = self.shared.writer(key);
        let (removals, mut kept) = (self.removals(), true);
        let old = self.shared.partitions.get(key);
        if let Some(new) = change(old.as_deref()) {
            let user = new.user.clone();
            self.shared.partitions.insert(key.clone(), Arc::new(new));
            if let Some(user) = &user {
                self.shared.users.add(user, key);
                // A sign-out in this moment did not find it in the index.
                kept = !self.shared.removed_since(removals, user_name(user));
                if !kept {
                    self.shared.partitions.remove(key);
                }
            }
            if let Some(names) = &self.shared.names {
                names.add(key);
            }
            if !self.shared.partitions.contains_key(key) {
                self.shared.forget(key, user.as_deref()); // Signed out, or there was no room for it.
            }
        }
        kept
    }
}

impl<K: TokenKind> Shared<K> {
    fn remove(&self, key: &PartitionKey) -> bool {
        let _alone = self.writer(key);
        let removed = self.partitions.remove(key);
        // After it: who counts from here on finds nothing to begin with.
        self.count_removal(key.id());
        self.forget(key, removed.as_ref().and_then(|(_, partition)| partition.user.as_deref()));
        removed.is_some()
    }

    /// Takes a partition that is gone out of the indexes.
    fn forget(&self, key: &PartitionKey, user: Option<&str>) {
        if let Some(user) = user {
            self.users.forget(user, key);
        }
        if let Some(names) = &self.names {
            names.forget(key);
        }
    }

    fn count_removal(&self, name: Id) {
        let count = self.removals.fetch_add(1, Ordering::SeqCst) + 1;
        self.group(name).fetch_max(count, Ordering::SeqCst);
    }

    /// True where what `name` stands for was removed after `removals` had been counted.
    fn removed_since(&self, removals: u64, name: Id) -> bool {
        self.group(name).load(Ordering::SeqCst) > removals
    }

    fn group(&self, name: Id) -> &AtomicU64 {
        let [first, second, ..] = name.0;
        &self.removed[usize::from(u16::from_be_bytes([first, second])) % REMOVAL_GROUPS]
    }

    fn writer(&self, key: &PartitionKey) -> std::sync::MutexGuard<'_, ()> {
        let at = usize::try_from(self.hasher.hash_one(key) % WRITERS as u64).unwrap_or_default();
        self.writers[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: TokenKind> Listener for Shared<K> {
    fn removed(&self, partition: Id) {
        self.count_removal(partition); // What is under way may be for a partition that is not here yet.
        if let Some(key) = self.names.as_ref().and_then(|names| names.get(partition)) {
            self.remove(&key);
        }
    }

    fn changed(&self, partition: Id) {
        if let Some(key) = self.names.as_ref().and_then(|names| names.get(partition)) {
            let _alone = self.writer(&key);
            if let Some(partition) = self.partitions.get(&key) {
                partition.mark.stale.store(true, Ordering::Relaxed);
            }
        }
    }

    fn anything_may_have_changed(&self) {
        for (key, _) in self.partitions.iter() {
            let _alone = self.writer(&key);
            if let Some(partition) = self.partitions.get(&key) {
                partition.mark.stale.store(true, Ordering::Relaxed);
            }
        }
    }
}

/// What a user is called where removals are remembered.
fn user_name(user: &str) -> Id {
    Id::of(&["user", user])
}

/// Keeps the index of users in step with what memory pressure takes away.
#[derive(Debug, Clone)]
struct Evicted {
    users: UserIndex,
    names: Option<Names>,
}

impl<K: TokenKind> Lifecycle<PartitionKey, Arc<Partition<K>>> for Evicted {
    type RequestState = ();

    fn on_evict(&self, (): &mut (), key: PartitionKey, partition: Arc<Partition<K>>) {
        if let Some(user) = &partition.user {
            self.users.forget(user, &key);
        }
        if let Some(names) = &self.names {
            names.forget(&key);
        }
    }
}

/// Weighs partitions by the memory that they take.
#[derive(Debug, Clone)]
struct Bytes;

impl<K: TokenKind> Weighter<PartitionKey, Arc<Partition<K>>> for Bytes {
    fn weight(&self, key: &PartitionKey, partition: &Arc<Partition<K>>) -> u64 {
        const PER_PARTITION: usize = 460; // with its lines in the indexes of users and of names
        const PER_TOKEN: usize = 160;
        let tokens = partition.tokens.iter().map(|token| {
            let scopes = token.scopes.as_str().len() + token.declined_scopes.as_str().len();
            token.access_token.expose_secret().len() + scopes + PER_TOKEN
        });
        let refresh_token = partition.refresh_token.as_ref().map_or(0, |(token, _)| token.expose().len());
        (key.len() + refresh_token + PER_PARTITION + tokens.sum::<usize>()) as u64
    }
}

#[cfg(test)]
mod tests;
