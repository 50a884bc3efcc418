//! A signed text and a set of keys, without an authority: what published test vectors and tools ask for.

use super::compact::{Hashes, SignedToken, size};
use super::key_set::{self, Document};
use super::rejection::{Check, TokenRejection};

/// Checks 1 to 6 alone: the payload of a JWS in compact serialization (RFC 7515 §7.1) that a key of the JWK set (RFC 7517
/// §5) has signed, under the rules for Entra's tokens: RS256, a key id, keys of 2048 bits or more that may verify.
///
/// A text that passes is signed by that key and by nobody else. Whether it is a token, still valid, and meant for us, has
/// not been looked at: callers are told apart by [`AccessTokenValidator`](crate::AccessTokenValidator).
///
/// ```
/// use shared_auth::{Check, verify_jws};
///
/// let jwks = r#"{"keys": []}"#;
/// assert_eq!(verify_jws("eyJhbGciOiJub25lIn0.e30.", jwks).unwrap_err().check, Check::Shape);
/// ```
///
/// # Errors
/// The first check that failed.
pub fn verify_jws(jws: &str, jwks: &str) -> Result<Vec<u8>, TokenRejection> {
    size(jws)?;
    let mut signed = SignedToken::parse(jws, None)?;
    let document: Document = serde_json::from_str(jwks)
        .map_err(|_| TokenRejection::new(Check::Key, "expected a JWK set, found something else"))?;
    match key_set::usable_keys(document).get(&*signed.kid) {
        Some(key) => signed.verify(&Hashes::of(jws), key),
        None => Err(signed.unknown_key()),
    }
}
