//! What belongs together in memory: the tokens of one account, one application or one assertion.
//!
//! Never changed while others look at it but for its [`Mark`]: a change makes another one. Name and token stand side by
//! side, for with many partitions it is the way to memory that a hit takes time for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use jiff::Timestamp;
use smallvec::SmallVec;

use super::key::{FiledKey, PartitionKey};
use super::token::{CachedToken, Held};
use crate::secret::{RefreshToken, TokenKind};

/// A partition holds one entry for each set of scopes; more than this is a caller that invents scopes.
const ENTRIES_PER_PARTITION: usize = 64;

/// The tokens that are filed under one key.
#[derive(Debug)]
pub(crate) struct Partition<K: TokenKind> {
    pub(super) key: FiledKey,
    pub(super) mark: Mark,
    /// One of them mostly: it is found without another step.
    pub(super) tokens: SmallVec<[CachedToken<K>; 1]>,
    /// With the time at which it was got, in milliseconds: a later one is never replaced by an earlier one.
    pub(super) refresh_token: Option<(RefreshToken, u64)>,
    /// The home account id, where the tokens are a user's.
    pub(super) user: Option<Arc<str>>,
}

/// How a partition stands to the level that replicas share. Changes in place.
#[derive(Debug)]
pub(super) struct Mark {
    /// Another replica may have changed it: look there before answering from here.
    pub stale: AtomicBool,
    /// The last removal that is known there; [`NEVER_SHARED`] until the partition has been there.
    pub removed_at: AtomicU64,
}

pub(super) const NEVER_SHARED: u64 = u64::MAX;

impl Default for Mark {
    fn default() -> Self {
        Self::read(NEVER_SHARED)
    }
}

impl Mark {
    /// Of a partition as it was just read there.
    pub fn read(removed_at: u64) -> Self {
        Self { stale: AtomicBool::new(false), removed_at: AtomicU64::new(removed_at) }
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

impl<K: TokenKind> Clone for Partition<K> {
    fn clone(&self) -> Self {
        let (key, mark, tokens) = (self.key.clone(), self.mark.clone(), self.tokens.clone());
        Self { key, mark, tokens, refresh_token: self.refresh_token.clone(), user: self.user.clone() }
    }
}

impl<K: TokenKind> Partition<K> {
    /// An empty one.
    pub(super) fn new(key: &PartitionKey) -> Self {
        Self {
            key: key.to_filed(),
            mark: Mark::default(),
            tokens: SmallVec::new(),
            refresh_token: None,
            user: None,
        }
    }

    pub(super) fn at(&self, at: usize) -> &CachedToken<K> {
        &self.tokens[at]
    }

    /// Adds a token in place of those whose scopes it overlaps.
    pub(super) fn add(&mut self, token: CachedToken<K>, now: Timestamp) {
        self.tokens.retain(|old| old.is_usable(now) && !old.scopes.intersects(&token.scopes));
        if self.tokens.len() >= ENTRIES_PER_PARTITION {
            self.tokens.remove(0);
        }
        self.tokens.push(token);
    }

    /// The place of a token that can be used and serves the scopes.
    pub(super) fn find(&self, scopes: &str, now: Timestamp) -> Option<usize> {
        self.tokens.iter().position(|token| token.is_usable(now) && token.serves(scopes))
    }

    /// As [`find`](Self::find), in the caller's hands.
    pub(super) fn held(self: Arc<Self>, scopes: &str, now: Timestamp) -> Option<Held<K>> {
        let at = self.find(scopes, now)?;
        Some(Held::Filed(self, at))
    }

    /// Adds what comes from elsewhere, where it is later than what is here.
    pub(super) fn take_over(
        &mut self,
        tokens: &[Arc<CachedToken<K>>],
        refresh_token: Option<&(RefreshToken, u64)>,
        now: Timestamp,
    ) {
        for token in tokens.iter().filter(|token| token.is_usable(now)) {
            let later = |old: &CachedToken<K>| {
                old.scopes.intersects(&token.scopes) && old.cached_at >= token.cached_at
            };
            if !self.tokens.iter().any(later) {
                self.add(CachedToken::clone(token), now);
            }
        }
        if let Some((token, time)) = refresh_token
            && self.refresh_token.as_ref().is_none_or(|(_, before)| before < time)
        {
            self.refresh_token = Some((token.clone(), *time));
        }
    }
}
