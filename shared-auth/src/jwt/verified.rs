//! Tokens that passed every check, remembered: seen again, a token costs a hash.
//!
//! An entry is named by the SHA-256 of the whole text, so a token that differs in one byte is another token and is
//! checked from the beginning. It says for how long and under which keys its outcome holds, and both are asked again at
//! each use. Refusals are not remembered: whoever has no good token cannot put anything in here.

use std::sync::Arc;

use jiff::Timestamp;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::caller::Caller;
use super::claims::Lifetime;
use crate::secret::TokenDigest;

/// About 10,000 tokens of 2 KiB; the least used give way.
const LIMIT_BYTES: u64 = 32 * 1024 * 1024;
const USUAL_TOKEN_BYTES: u64 = 3 * 1024;

/// The verified tokens of one validator. Another validator has other options, and another one of these.
#[derive(Debug)]
pub(super) struct VerifiedTokens {
    entries: Cache<TokenDigest, Verified, Bytes>,
    limit_bytes: u64,
}

/// The outcome of the checks, and what it rests on.
#[derive(Debug, Clone)]
pub(super) struct Verified {
    pub caller: Caller,
    pub lifetime: Lifetime,
    /// The version of the key set that verified it.
    pub keys: u64,
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
    pub fn get(
        &self,
        token: &TokenDigest,
        now: Timestamp,
        keys: impl FnOnce() -> Option<u64>,
    ) -> Option<Caller> {
        let verified = self.entries.get(token)?;
        // Where there are no keys to rely on, nothing holds that they have said.
        if Some(verified.keys) == keys() && verified.lifetime.from <= now && now < verified.lifetime.until {
            return Some(verified.caller);
        }
        self.entries.remove(token);
        None
    }

    pub fn insert(&self, token: TokenDigest, verified: Verified) {
        self.entries.insert(token, verified);
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

impl Weighter<TokenDigest, Verified> for Bytes {
    fn weight(&self, _: &TokenDigest, verified: &Verified) -> u64 {
        // Digest, places in the tables, the counts of references, the allocator's share.
        const OVERHEAD: usize = 400;
        let caller = match &verified.caller {
            Caller::User(user) => size_of_val(Arc::as_ref(user)) + user.text_bytes(),
            Caller::App(app) => size_of_val(Arc::as_ref(app)) + app.text_bytes(),
        };
        (OVERHEAD + size_of::<Verified>() + caller) as u64
    }
}
