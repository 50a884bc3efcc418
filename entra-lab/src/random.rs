//! Random values: opaque handles for cookies, codes and refresh tokens, and random lifetimes.
//!
//! Version 4 UUIDs come from the operating system's generator, which is all that is needed here.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::scan;

/// An unguessable handle made of `blocks` times 122 random bits, in URL-safe letters.
pub fn handle(blocks: usize) -> String {
    let bytes: Vec<u8> = (0..blocks).flat_map(|_| Uuid::new_v4().into_bytes()).collect();
    let handle = URL_SAFE_NO_PAD.encode(bytes);
    if blocks > 1 {
        scan::secret(&handle); // A code, a token or a cookie; the short ones are ids.
    }
    handle
}

/// A random number from `low` to `high`, both included.
pub fn between(low: i64, high: i64) -> i64 {
    let span = (high - low).unsigned_abs() + 1;
    let (bits, _) = Uuid::new_v4().as_u64_pair();
    // The version and variant bits stand in other places than the lowest ones of the remainder.
    low.saturating_add_unsigned((bits >> 16) % span)
}
