//! What belongs together in memory: the tokens of one account, one application or one assertion.
//!
//! Never changed while others look at it but for its [`Mark`]: a change makes another one. Its name, and what decides
//! whether a token serves, stand side by side, and the token elsewhere: with many partitions it is the way to memory that
//! a hit takes time for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use smallvec::SmallVec;

use super::key::{FiledKey, PartitionKey};
use super::token::{CachedToken, Held, Times};
use crate::protocol::scope::Scopes;
use crate::secret::{RefreshToken, TokenKind};

/// A partition holds one entry for each set of scopes; more than this is a caller that invents scopes.
const ENTRIES_PER_PARTITION: usize = 64;

/// The tokens that are filed under one key.
///
/// What a hit looks at comes first and in this order, within few lines of the processor's memory.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Partition<K: TokenKind> {
    pub(super) key: FiledKey<K>,
    pub(super) mark: Mark,
    /// One of them mostly: it is found without another step.
    entries: SmallVec<[Entry<K>; 1]>,
    /// Where the tokens are a user's.
    holder: Option<Box<Holder>>,
}

/// A token, and beside it what decides whether it is the one.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Entry<K: TokenKind> {
    pub times: Times,
    scopes: Scopes,
    pub token: Arc<CachedToken<K>>,
}

/// Whose tokens lie in a partition.
#[derive(Debug, Clone, Default)]
struct Holder {
    /// The home account id.
    user: Option<Arc<str>>,
    /// With the time at which it was got, in milliseconds: a later one is never replaced by an earlier one.
    refresh_token: Option<(RefreshToken, u64)>,
}

impl<K: TokenKind> Entry<K> {
    fn of(token: Arc<CachedToken<K>>) -> Self {
        Self { times: token.times(), scopes: token.scopes.clone(), token }
    }

    fn serves(&self, scopes: &str) -> bool {
        self.scopes.serve(scopes) || self.token.serves(scopes)
    }
}

impl<K: TokenKind> Clone for Entry<K> {
    fn clone(&self) -> Self {
        Self { times: self.times, scopes: self.scopes.clone(), token: Arc::clone(&self.token) }
    }
}

/// How a partition stands to the level that replicas share. Changes in place.
///
/// The last removal that is known there, whether another replica may have changed the partition since, and whether anybody
/// here has asked for it.
#[derive(Debug)]
pub(super) struct Mark(AtomicU64);

const STALE: u64 = 1 << 63;
const USED: u64 = 1 << 62;
/// The partition has not been there.
const NEVER_SHARED: u64 = USED - 1;

impl Default for Mark {
    fn default() -> Self {
        Self::read(NEVER_SHARED)
    }
}

impl Mark {
    /// Of a partition as it was just read there.
    pub fn read(removed_at: u64) -> Self {
        Self(AtomicU64::new(removed_at.min(NEVER_SHARED)))
    }

    /// Another replica may have changed it: look there before answering from here.
    pub fn is_stale(&self) -> bool {
        self.0.load(Ordering::Relaxed) & STALE != 0
    }

    pub fn set_stale(&self, stale: bool) {
        if stale {
            self.0.fetch_or(STALE, Ordering::Relaxed);
        } else {
            self.0.fetch_and(!STALE, Ordering::Relaxed);
        }
    }

    /// The last removal that is known there; `None` until the partition has been there.
    pub fn removed_at(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed) & !(STALE | USED)).filter(|at| *at != NEVER_SHARED)
    }

    /// Somebody has asked for it. Written only where that is new, for others read the same line.
    pub fn use_it(&self) {
        if self.0.load(Ordering::Relaxed) & USED == 0 {
            self.0.fetch_or(USED, Ordering::Relaxed);
        }
    }

    /// True where somebody has asked for it since the last time.
    pub fn was_used(&self) -> bool {
        self.0.fetch_and(!USED, Ordering::Relaxed) & USED != 0
    }

    /// The partition is there now. Whether it is stale stays as it is.
    pub fn shared_after(&self, removed_at: u64) {
        let removed_at = removed_at.min(NEVER_SHARED);
        let changed = |before| Some((before & (STALE | USED)) | removed_at);
        let _always_some = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, changed);
    }
}

impl Clone for Mark {
    fn clone(&self) -> Self {
        Self(AtomicU64::new(self.0.load(Ordering::Relaxed)))
    }
}

impl<K: TokenKind> Clone for Partition<K> {
    fn clone(&self) -> Self {
        let (key, mark, entries) = (self.key.clone(), self.mark.clone(), self.entries.clone());
        Self { key, mark, entries, holder: self.holder.clone() }
    }
}

impl<K: TokenKind> Partition<K> {
    /// An empty one.
    pub(super) fn new(key: &PartitionKey) -> Self {
        Self { key: key.to_filed(), mark: Mark::default(), entries: SmallVec::new(), holder: None }
    }

    /// The memory that it takes, with its place in the table and its lines in the indexes of users and of names.
    pub(super) fn bytes(&self) -> u64 {
        const PER_PARTITION: usize = 460;
        const PER_TOKEN: usize = 160;
        let tokens = self.tokens().map(|token| {
            let scopes = token.scopes.as_str().len() + token.declined_scopes.as_str().len();
            token.access_token.expose_secret().len() + scopes + PER_TOKEN
        });
        let refresh_token = self.refresh_token().map_or(0, |(token, _)| token.expose().len());
        (self.key.len() + refresh_token + PER_PARTITION + tokens.sum::<usize>()) as u64
    }

    pub(super) fn entry(&self, at: usize) -> &Entry<K> {
        &self.entries[at]
    }

    pub(super) fn tokens(&self) -> impl Iterator<Item = &CachedToken<K>> {
        self.entries.iter().map(|entry| &*entry.token)
    }

    /// The home account id, where the tokens are a user's.
    pub(super) fn user(&self) -> Option<&Arc<str>> {
        self.holder.as_ref()?.user.as_ref()
    }

    /// The refresh token, with the time at which it was got.
    pub(super) fn refresh_token(&self) -> Option<&(RefreshToken, u64)> {
        self.holder.as_ref()?.refresh_token.as_ref()
    }

    /// Says whose the tokens are; `None` says nothing new.
    pub(super) fn belongs_to(&mut self, user: Option<&Arc<str>>) {
        if let Some(user) = user {
            self.holder.get_or_insert_default().user = Some(Arc::clone(user));
        }
    }

    pub(super) fn set_refresh_token(&mut self, token: RefreshToken, time: u64) {
        self.holder.get_or_insert_default().refresh_token = Some((token, time));
    }

    /// Forgets the refresh token, if it is still the one that was refused.
    pub(super) fn forget_refresh_token(&mut self, refused: &RefreshToken) {
        if let Some(holder) = &mut self.holder {
            holder.refresh_token.take_if(|(kept, _)| kept.expose() == refused.expose());
        }
    }

    /// Adds a token in place of those whose scopes it overlaps.
    pub(super) fn add(&mut self, token: Arc<CachedToken<K>>, now: Timestamp) {
        self.entries.retain(|old| old.times.are_good(now) && !old.scopes.intersects(&token.scopes));
        if self.entries.len() >= ENTRIES_PER_PARTITION {
            self.entries.remove(0);
        }
        self.entries.push(Entry::of(token));
    }

    /// The next background refresh of a token for these scopes waits until then.
    pub(super) fn postpone_refresh(&mut self, scopes: &str, until: Timestamp) {
        for entry in self.entries.iter_mut().filter(|entry| entry.serves(scopes)) {
            *entry = Entry::of(Arc::new(CachedToken::clone(&entry.token).refreshed_at(Some(until))));
        }
    }

    /// A token that can be used and serves the scopes, in the caller's hands.
    pub(super) fn held(self: Arc<Self>, scopes: &str, now: Timestamp) -> Option<Held<K>> {
        let at = self.entries.iter().position(|entry| entry.times.are_good(now) && entry.serves(scopes))?;
        Some(Held::Filed(self, at))
    }

    /// True where there is a token that would serve, had it not ended.
    pub(super) fn has_ended(&self, scopes: &str, now: Timestamp) -> bool {
        self.entries.iter().any(|entry| entry.serves(scopes) && !entry.times.are_good(now))
    }

    /// Adds what comes from elsewhere, where it is later than what is here.
    pub(super) fn take_over(
        &mut self,
        tokens: &[Arc<CachedToken<K>>],
        refresh_token: Option<&(RefreshToken, u64)>,
        now: Timestamp,
    ) {
        for token in tokens.iter().filter(|token| token.is_usable(now)) {
            let later = |old: &Entry<K>| {
                old.scopes.intersects(&token.scopes) && old.token.cached_at() >= token.cached_at()
            };
            if !self.entries.iter().any(later) {
                self.add(Arc::clone(token), now);
            }
        }
        if let Some((token, time)) = refresh_token
            && self.refresh_token().is_none_or(|(_, before)| before < time)
        {
            self.set_refresh_token(token.clone(), *time);
        }
    }
}
