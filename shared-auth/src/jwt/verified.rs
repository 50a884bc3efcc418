//! Tokens that passed every check, remembered: seen again, a token costs a hash.
//!
//! An entry is named by the SHA-256 of what is signed and holds that of the signature, so a token that differs in one byte is
//! another token and is checked from the beginning. It says for how long and under which keys its outcome holds, and both
//! are asked again at each use. Refusals are not remembered: whoever has no good token cannot put anything in here.

use std::sync::Arc;

use jiff::Timestamp;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::caller::Caller;
use super::claims::Lifetime;
use super::compact::{Hash, Hashes};

/// About 10,000 tokens of 2 KiB; the least used give way.
const LIMIT_BYTES: u64 = 32 * 1024 * 1024;
const USUAL_TOKEN_BYTES: u64 = 3 * 1024;

/// The verified tokens of one validator. Another validator has other options, and another one of these.
#[derive(Debug)]
pub(super) struct VerifiedTokens {
    entries: Cache<Hash, Verified, Bytes>,
    limit_bytes: u64,
}

/// The outcome of the checks, and what it rests on. As small as can be: a hit on one of thousands waits for memory.
#[derive(Debug, Clone)]
struct Verified {
    caller: Caller,
    signature: Hash,
    /// The first second in which it is good, and the one after the last.
    good: (i64, i64),
    /// The version of the key set that verified it.
    keys: u64,
}

/// What a validator remembers at the moment.
///
/// ```
/// fn report(validator: &shared_auth::AccessTokenValidator) {
///     let usage = validator.remembered();
///     println!("{} tokens, {} of {} bytes", usage.tokens, usage.bytes, usage.limit_bytes);
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifiedTokensUsage {
    /// How many tokens.
    pub tokens: usize,
    /// The memory that they take, in bytes.
    pub bytes: u64,
    /// The most that they may take.
    pub limit_bytes: u64,
}

impl VerifiedTokens {
    pub fn new(limit_bytes: Option<u64>) -> Self {
        let limit_bytes = limit_bytes.unwrap_or(LIMIT_BYTES);
        let usual = usize::try_from(limit_bytes / USUAL_TOKEN_BYTES).unwrap_or(usize::MAX).clamp(16, 100_000);
        Self { entries: Cache::with_weighter(usual, limit_bytes, Bytes), limit_bytes }
    }

    /// The caller, if the token was verified with the keys of this version and is still good; otherwise it is
    /// forgotten.
    pub fn get(&self, token: &Hashes, now: Timestamp, keys: impl FnOnce() -> Option<u64>) -> Option<Caller> {
        let ((signed, signature), now) = (token.both(), now.as_second());
        // Another signature over the same is not the one that was verified; that one stays.
        let verified = self.entries.get(&signed).filter(|verified| verified.signature == signature)?;
        // Where there are no keys to rely on, nothing holds that they have said.
        if Some(verified.keys) == keys() && verified.good.0 <= now && now < verified.good.1 {
            return Some(verified.caller);
        }
        self.entries.remove(&signed);
        None
    }

    /// `keys`: the version of those that verified it.
    pub fn insert(&self, token: &Hashes, caller: Caller, lifetime: Lifetime, keys: u64) {
        let (signed, signature) = token.both();
        let good = (lifetime.from.as_second(), lifetime.until.as_second());
        self.entries.insert(signed, Verified { caller, signature, good, keys });
    }

    pub fn usage(&self) -> VerifiedTokensUsage {
        VerifiedTokensUsage {
            tokens: self.entries.len(),
            bytes: self.entries.weight(),
            limit_bytes: self.limit_bytes,
        }
    }
}

/// What an entry takes, near enough: the token's own text and the claims that were read from it.
#[derive(Debug, Clone, Copy)]
struct Bytes;

impl Weighter<Hash, Verified> for Bytes {
    fn weight(&self, _: &Hash, verified: &Verified) -> u64 {
        // Digest, places in the tables, the counts of references, the allocator's share.
        const OVERHEAD: usize = 400;
        let caller = match &verified.caller {
            Caller::User(user) => size_of_val(Arc::as_ref(user)) + user.text_bytes(),
            Caller::App(app) => size_of_val(Arc::as_ref(app)) + app.text_bytes(),
        };
        (OVERHEAD + size_of::<Verified>() + caller) as u64
    }
}
