//! Proof Key for Code Exchange (RFC 7636): the challenge that belongs to a verifier.
//! The random bytes come in from the flow; this file only hashes.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::secret::PkceVerifier;

/// The one method that is used (RFC 7636 §4.2); `plain` protects nothing.
pub const CODE_CHALLENGE_METHOD: &str = "S256";

/// `code_verifier` from 32 random bytes: 43 characters (RFC 7636 §4.1).
pub fn verifier(random: [u8; 32]) -> PkceVerifier {
    PkceVerifier::new(URL_SAFE_NO_PAD.encode(random))
}

/// `code_challenge` = base64url(SHA-256(`code_verifier`)) (RFC 7636 §4.2).
pub fn challenge(verifier: &PkceVerifier) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.expose().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checklist 63.
    #[test]
    fn the_example_of_rfc_7636_appendix_b() {
        let verifier = PkceVerifier::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");

        assert_eq!(challenge(&verifier), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    /// Checklist 63.
    #[test]
    fn a_verifier_has_the_length_that_the_rfc_asks_for() {
        assert_eq!(verifier([7; 32]).expose().len(), 43);
    }
}
