//! Tokens in memory: bounded in bytes, typed by whom they speak for, aware of expiry.
//!
//! A hit takes one shared lock of one shard, allocates nothing and copies no token text. Changes of one partition wait
//! for each other, so that none of them is lost.

use std::collections::VecDeque;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use jiff::Timestamp;
use quick_cache::Equivalent;

use super::key::{FiledKey, Id, PartitionKey};
use super::names::Names;
use super::partition::{Mark, Partition};
use super::partitions::Partitions;
use super::shared::{Found, Listener, milliseconds};
use super::token::{CachedToken, Held};
use super::users::UserIndex;
use crate::clock::SharedClock;
use crate::protocol::scope::Scopes;
use crate::secret::{RefreshToken, TokenKind};

/// All partitions together, by default. About 10,000 signed-in users with two tokens each; the least used give way.
pub(crate) const MEMORY_LIMIT_BYTES: u64 = 64 * 1024 * 1024;
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
    partitions: Partitions<K>,
    indexes: Indexes,
    /// Those of the last tokens.
    scopes: Mutex<VecDeque<Scopes>>,
    /// Counts what was removed, so that what was read before a removal is not taken over after it.
    removals: AtomicU64,
    /// The last removal of each group.
    removed: Box<[AtomicU64]>,
    writers: [Mutex<()>; WRITERS],
    clock: SharedClock,
}

impl<K: TokenKind> Clone for MemoryCache<K> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<K: TokenKind> MemoryCache<K> {
    /// `shared`: there is a level behind this one, whose names for partitions must be understood.
    pub fn new(clock: SharedClock, limit_bytes: u64, shared: bool) -> Self {
        let indexes = Indexes { users: UserIndex::default(), names: shared.then(Names::default) };
        let writers = std::array::from_fn(|_| Mutex::new(()));
        Self {
            shared: Arc::new(Shared {
                partitions: Partitions::new(limit_bytes),
                indexes,
                scopes: Mutex::default(),
                removals: AtomicU64::new(0),
                removed: std::iter::repeat_with(AtomicU64::default).take(REMOVAL_GROUPS).collect(),
                writers,
                clock,
            }),
        }
    }

    /// A token that holds every scope wanted and is good for more than five minutes. The partition may be named by
    /// borrowed parts.
    pub fn token<P>(&self, partition: &P, scopes: &str, now: Timestamp) -> Option<Held<K>>
    where
        P: Hash + Equivalent<FiledKey<K>> + ?Sized,
    {
        let partition = self.shared.partitions.get(partition)?;
        if partition.mark.is_stale() {
            return None;
        }
        partition.held(scopes, now)
    }

    /// True where there is a token that would serve, had it not ended.
    pub fn has_ended(&self, partition: &PartitionKey, scopes: &Scopes, now: Timestamp) -> bool {
        self.shared.partitions.get(partition).is_some_and(|here| here.has_ended(scopes.as_str(), now))
    }

    /// As [`token`](Self::token), even where another replica may know better.
    pub fn token_at_hand(
        &self,
        partition: &PartitionKey,
        scopes: &Scopes,
        now: Timestamp,
    ) -> Option<Held<K>> {
        self.shared.partitions.get(partition)?.held(scopes.as_str(), now)
    }

    /// The refresh token of an account.
    pub fn refresh_token(&self, partition: &PartitionKey) -> Option<RefreshToken> {
        self.dated_refresh_token(partition).map(|(token, _)| token)
    }

    /// The refresh token with its time.
    pub fn dated_refresh_token(&self, partition: &PartitionKey) -> Option<(RefreshToken, u64)> {
        self.shared.partitions.get(partition)?.refresh_token().cloned()
    }

    /// Whose partition it is.
    pub fn user(&self, partition: &PartitionKey) -> Option<Arc<str>> {
        self.shared.partitions.get(partition)?.user().cloned()
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
        self.settle(&mut token);
        let (now, mut withheld) = (self.shared.clock.now(), false);
        let kept = self.change(key, |old| {
            let whose = user.as_ref().or_else(|| old?.user());
            let names = [Some(key.id()), whose.map(|user| user_name(user))];
            if names.into_iter().flatten().any(|name| self.shared.removed_since(removals, name)) {
                withheld = true;
                return None;
            }
            let mut new = old.cloned().unwrap_or_else(|| Partition::new(key));
            new.add(Arc::new(token.clone()), now);
            if let Some(token) = refresh_token {
                let before = new.refresh_token().map_or(0, |(_, time)| *time);
                new.set_refresh_token(token, milliseconds(now).max(before + 1));
            }
            new.belongs_to(user.as_ref());
            Some(new)
        });
        // For who asked, and not for the cache.
        (token.exchange, token.withheld) = (exchange, withheld || !kept);
        Arc::new(token)
    }

    /// Scopes as somebody wrote them, in the text that tokens share.
    pub fn scopes(&self, text: &str) -> Scopes {
        let mut known = self.known_scopes();
        let found = known.iter().find(|known| known.as_str() == text).cloned();
        found.unwrap_or_else(|| shared_text(&mut known, &Scopes::from(text)))
    }

    fn settle(&self, token: &mut CachedToken<K>) {
        let mut known = self.known_scopes();
        for scopes in [&mut token.scopes, &mut token.declined_scopes] {
            *scopes = shared_text(&mut known, scopes);
        }
    }

    fn known_scopes(&self) -> MutexGuard<'_, VecDeque<Scopes>> {
        self.shared.scopes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many removals there were; to be asked before the shared level is read, and before Entra is asked.
    pub fn removals(&self) -> u64 {
        self.shared.removals.load(Ordering::SeqCst)
    }

    /// Takes over what the shared level holds, where it is later than what is here. False where something was removed
    /// after `removals` had been counted: what was read may be what was removed, so it has to be read again.
    pub fn merge(&self, key: &PartitionKey, found: &Found<K>, removals: u64) -> bool {
        let now = self.shared.clock.now();
        let removed_elsewhere =
            |old: &&Partition<K>| old.mark.removed_at().is_some_and(|known| known < found.removed_at);
        if found.is_empty() {
            // Removed by another replica: nothing here counts any more. Merely lost there: what is here still does.
            let here = self.shared.partitions.get(key);
            if here.as_deref().is_some_and(|here| removed_elsewhere(&here)) {
                self.remove(key);
            } else if let Some(here) = here {
                here.mark.set_stale(false);
            }
            return true;
        }
        let mut merged = true;
        self.change(key, |old| {
            if self.removals() != removals {
                merged = false;
                return None;
            }
            let old = old.filter(|old| !removed_elsewhere(old)).cloned();
            let mut new = old.unwrap_or_else(|| Partition::new(key));
            new.take_over(&found.tokens, found.refresh_token.as_ref(), now);
            if new.user().is_none() {
                new.belongs_to(found.user.as_ref());
            }
            new.mark = Mark::read(found.removed_at);
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
        user: Option<&Arc<str>>,
    ) {
        let now = self.shared.clock.now();
        self.change(key, |old| {
            let mut new = old.cloned().unwrap_or_else(|| Partition::new(key));
            new.take_over(tokens, refresh_token, now);
            if new.user().is_none() {
                new.belongs_to(user);
            }
            Some(new)
        });
    }

    /// Shows every partition that can be used in this moment.
    pub fn for_each(&self, mut show: impl FnMut(&Partition<K>)) {
        self.shared.partitions.for_each(|_, partition| show(partition));
    }

    /// The partition is in the shared level now, after the removal that is known there.
    pub fn is_shared(&self, key: &PartitionKey, removed_at: u64) {
        if let Some(here) = self.shared.partitions.get(key) {
            here.mark.shared_after(removed_at);
        }
    }

    /// Puts the next background refresh of a token off: the last one failed.
    pub fn postpone_refresh(&self, key: &PartitionKey, scopes: &Scopes, until: Timestamp) {
        self.change(key, |old| {
            let mut new = old?.clone();
            new.postpone_refresh(scopes.as_str(), until);
            Some(new)
        });
    }

    /// Forgets the refresh token, if it is still the one that was refused.
    pub fn remove_refresh_token(&self, key: &PartitionKey, refused: &RefreshToken) {
        self.change(key, |old| {
            let mut new = old?.clone();
            new.forget_refresh_token(refused);
            Some(new)
        });
    }

    /// Forgets the whole partition. True where there was one.
    pub fn remove(&self, key: &PartitionKey) -> bool {
        self.shared.remove_at(self.shared.partitions.number(key), key.id())
    }

    /// Forgets every partition of a user, whatever it is filed under.
    pub fn remove_user(&self, user: &str) {
        let remove = || {
            for number in self.shared.indexes.users.take(user) {
                if let Some(here) = self.shared.partitions.get_by_number(number) {
                    self.shared.remove_at(number, here.key.id());
                }
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
        let partitions = &self.shared.partitions;
        let number = partitions.number(key);
        let _alone = self.shared.writer(number);
        let (removals, mut kept) = (self.removals(), true);
        let signed_out =
            |user: &str| self.removals() != removals && self.shared.removed_since(removals, user_name(user));
        let old = self.shared.partitions.get(key);
        if let Some(new) = change(old.as_deref()) {
            let user = new.user().cloned();
            let new = Arc::new(new);
            partitions
                .insert(number, Arc::clone(&new), |number, gone| self.shared.indexes.forget(number, gone));
            self.shared.indexes.add(number, key, user.as_ref());
            if let Some(user) = &user {
                // A sign-out in this moment did not find it in the index.
                kept = !signed_out(user);
                if !kept {
                    partitions.remove(number);
                }
            }
            if !partitions.contains(number, &new) {
                self.shared.indexes.forget(number, &new); // Signed out, or there was no room for it.
            }
        }
        kept
    }
}

impl<K: TokenKind> Shared<K> {
    /// Removes what lies under a number. `name` is what it is called outside: what is under way for it is too late.
    fn remove_at(&self, number: u64, name: Id) -> bool {
        let _alone = self.writer(number);
        let removed = self.partitions.remove(number);
        // After it: who counts from here on finds nothing to begin with.
        self.count_removal(name);
        if let Some(partition) = &removed {
            self.indexes.forget(number, partition);
        }
        removed.is_some()
    }

    fn mark_stale(&self, number: u64) {
        let _alone = self.writer(number);
        if let Some(partition) = self.partitions.get_by_number(number) {
            partition.mark.set_stale(true);
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

    fn writer(&self, number: u64) -> MutexGuard<'_, ()> {
        let at = usize::try_from(number % WRITERS as u64).unwrap_or_default();
        self.writers[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: TokenKind> Listener for Shared<K> {
    fn removed(&self, partition: Id) {
        self.count_removal(partition); // What is under way may be for a partition that is not here yet.
        if let Some(number) = self.indexes.named(partition) {
            self.remove_at(number, partition);
        }
    }

    fn changed(&self, partition: Id) {
        if let Some(number) = self.indexes.named(partition) {
            self.mark_stale(number);
        }
    }

    fn anything_may_have_changed(&self) {
        self.partitions.for_each(|number, _| self.mark_stale(number));
    }
}

/// Everybody is granted the same few sets of scopes: tokens share their text.
fn shared_text(known: &mut VecDeque<Scopes>, scopes: &Scopes) -> Scopes {
    if let Some(known) = known.iter().find(|known| known.as_str() == scopes.as_str()) {
        return known.clone();
    }
    known.truncate(KNOWN_SCOPES - 1);
    known.push_front(scopes.clone());
    scopes.clone()
}

/// What a user is called where removals are remembered.
fn user_name(user: &str) -> Id {
    Id::of(&["user", user])
}

/// Who has which partition, and what it is called outside. Kept in step with what memory pressure takes away.
#[derive(Debug)]
struct Indexes {
    users: UserIndex,
    names: Option<Names>,
}

impl Indexes {
    fn add(&self, number: u64, key: &PartitionKey, user: Option<&Arc<str>>) {
        if let Some(user) = user {
            self.users.add(user, number);
        }
        if let Some(names) = &self.names {
            names.add(key.id(), number);
        }
    }

    fn forget<K: TokenKind>(&self, number: u64, partition: &Partition<K>) {
        if let Some(user) = partition.user() {
            self.users.forget(user, number);
        }
        if let Some(names) = &self.names {
            names.forget(partition.key.id());
        }
    }

    fn named(&self, name: Id) -> Option<u64> {
        self.names.as_ref()?.get(name)
    }
}

#[cfg(test)]
mod tests;
