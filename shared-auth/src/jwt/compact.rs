//! Checks 1 to 6, the same for access tokens and ID tokens: from text to a payload that a key of the authority signed.
//!
//! A token before check 6 is attacker's text. The types keep it so: [`SignedToken`] shows its key id only, and claims
//! come out of [`SignedToken::verify`] alone.

use std::sync::Arc;

use aws_lc_rs::digest::{Digest, SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use memchr::{memchr_iter, memrchr};

use super::key_set::SigningKey;
use super::rejection::{Check, TokenRejection, shown};
use super::strict_json::{self, Json, Object};

/// Entra's tokens have 1 to 4 KiB, at most about 8 with 200 groups.
const TOKEN_LIMIT: usize = 16 * 1024;
/// Entra's key ids have 27 or 43 characters.
const KID_LIMIT: usize = 256;
/// The members that decide here; another spelling of one of them is refused.
const DECISIVE: [&str; 8] = ["alg", "b64", "crit", "cty", "enc", "kid", "typ", "zip"];

/// The header of a token that was verified, as it was written. An authority writes the same one for all that it signs with
/// a key, so the next token's is mostly this, and then it says what this said.
#[derive(Debug)]
pub(super) struct Header {
    text: Box<str>,
    kid: Arc<str>,
}

/// A token with a header that we understand, not verified yet.
#[derive(Debug)]
pub(super) struct SignedToken {
    pub kid: Arc<str>,
    /// Microsoft Graph's tokens have a nonce in the header and cannot be verified by others; worth a hint.
    has_header_nonce: bool,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

/// 1. Size, before anything is decoded or hashed.
pub(super) fn size(token: &str) -> Result<(), TokenRejection> {
    if token.len() <= TOKEN_LIMIT {
        return Ok(());
    }
    let detail = format!("expected at most {TOKEN_LIMIT} bytes, found {}", token.len());
    Err(TokenRejection::new(Check::Size, detail))
}

/// The text of a token in two hashes, each of use to two who ask: what stands before the last dot is what a signature is made
/// over, and a token that was verified is remembered by it; the rest is the signature that it was remembered with. Both
/// together are all of the text.
pub(super) struct Hashes {
    /// Of what is signed.
    signed: Digest,
    /// Of the signature, with its dot.
    signature: Digest,
}

/// A SHA-256.
pub(super) type Hash = [u8; 32];

impl Hashes {
    pub fn of(token: &str) -> Self {
        let (signed, signature) = token.split_at(memrchr(b'.', token.as_bytes()).unwrap_or(token.len()));
        Self { signed: digest(&SHA256, signed.as_bytes()), signature: digest(&SHA256, signature.as_bytes()) }
    }

    /// Of what is signed, and of the signature.
    pub fn both(&self) -> (Hash, Hash) {
        let bytes = |hash: &Digest| {
            let mut bytes = [0; 32];
            bytes.copy_from_slice(hash.as_ref());
            bytes
        };
        (bytes(&self.signed), bytes(&self.signature))
    }
}

impl SignedToken {
    /// Checks 2 to 4, and of check 5 whether a key is named. `known` is a header that passed them.
    pub fn parse(token: &str, known: Option<&Header>) -> Result<Self, TokenRejection> {
        // 2. Three parts (RFC 7515 §7.1).
        let [written, payload, signature] = parts(token)?;
        if let Some(known) = known.filter(|known| *known.text == *written) {
            let (payload, signature) = (decode("payload", payload)?, decode("signature", signature)?);
            return Ok(Self { kid: Arc::clone(&known.kid), has_header_nonce: false, payload, signature });
        }
        let header = decode("header", written)?;
        let decoded = decode("payload", payload)?;
        let signature = decode("signature", signature)?;

        // 3. A header that we understand.
        let header = strict_json::object(&header)
            .map_err(|fault| refuse(format!("expected a header that is one JSON object: {fault}")))?;
        understood(&header)?;

        // 4. The algorithm comes from here, never from the token (RFC 8725 §3.1).
        match header.get("alg") {
            Some(Json::Text(alg)) if alg == "RS256" => {}
            Some(Json::Text(alg)) => return Err(algorithm(&shown(alg))),
            Some(other) => return Err(algorithm(other.type_name())),
            None => return Err(algorithm("none at all")),
        }

        // 5. The key's id. A token without one would have to be tried with every key.
        let kid = key_id(&header)?;
        let has_header_nonce = header.has("nonce");
        Ok(Self { kid, has_header_nonce, payload: decoded, signature })
    }

    /// True where its header was the known one.
    pub fn has(&self, known: &Header) -> bool {
        Arc::ptr_eq(&self.kid, &known.kid)
    }

    /// The header of `token`, which is this one and was verified; nothing where the next one's is another anyway.
    pub fn header(&self, token: &str) -> Option<Header> {
        let (text, _) = token.split_once('.').filter(|_| !self.has_header_nonce)?;
        Some(Header { text: text.into(), kid: Arc::clone(&self.kid) })
    }

    /// Check 5 for a key id that the authority does not publish.
    pub fn unknown_key(&self) -> TokenRejection {
        let detail =
            format!("expected a key that the authority publishes, found the key id {}", shown(&self.kid));
        TokenRejection::new(Check::Key, detail)
    }

    /// 6. The signature (RFC 7518 §3.3); `hashes` are those of the same text. The payload is what was signed.
    pub fn verify(&mut self, hashes: &Hashes, key: &SigningKey) -> Result<Vec<u8>, TokenRejection> {
        if key.verifies(&hashes.signed, &self.signature) {
            return Ok(std::mem::take(&mut self.payload));
        }
        let detail = format!("expected the signature of the key {}, found another one", shown(&self.kid));
        let rejection = TokenRejection::new(Check::Signature, detail);
        Err(match self.has_header_nonce {
            false => rejection,
            true => rejection.fix(
                "Its header has a nonce, as tokens for Microsoft Graph have, and only Graph can verify those: ask for \
                 a token with a scope of this API instead.",
            ),
        })
    }
}

/// Three parts: two would be an unsigned token, five an encrypted one.
fn parts(token: &str) -> Result<[&str; 3], TokenRejection> {
    let mut dots = memchr_iter(b'.', token.as_bytes());
    if let (Some(first), Some(second), None) = (dots.next(), dots.next(), dots.next()) {
        return Ok([&token[..first], &token[first + 1..second], &token[second + 1..]]);
    }
    Err(match token.splitn(6, '.').count() {
        5 => TokenRejection::new(Check::Shape, "expected a signed token of 3 parts, found an encrypted one (JWE, 5 parts)")
            .fix(
                "Remove the token encryption key from the registration of this API (tokenEncryptionKeyId), so that \
                 Entra issues tokens that are signed only.",
            ),
        1 => TokenRejection::new(
            Check::Shape,
            "expected a signed token of 3 parts, found 1: a refresh token, a code, or another opaque value",
        ),
        found => {
            let found = if found > 5 { "more than 5".to_owned() } else { found.to_string() };
            TokenRejection::new(Check::Shape, format!("expected a signed token of 3 parts, found {found}"))
        }
    })
}

/// base64url without padding, and nothing else: one token must have one spelling.
fn decode(part: &str, text: &str) -> Result<Vec<u8>, TokenRejection> {
    let found = match URL_SAFE_NO_PAD.decode(text) {
        Ok(bytes) if !bytes.is_empty() => return Ok(bytes),
        Ok(_) => "nothing",
        Err(_) => "other characters, or bits left over",
    };
    let detail = format!("expected a {part} in base64url without padding, found {found}");
    Err(TokenRejection::new(Check::Shape, detail))
}

fn refuse(detail: impl Into<String>) -> TokenRejection {
    TokenRejection::new(Check::Header, detail)
}

fn algorithm(found: &str) -> TokenRejection {
    TokenRejection::new(Check::Algorithm, format!("expected the algorithm \"RS256\", found {found}"))
}

/// Members that change what a token means must be understood. `jwk`, `jku`, `x5u` and `x5c`, by which a token would
/// bring its own key, are not even looked at (RFC 8725 §3.5).
fn understood(header: &Object<'_>) -> Result<(), TokenRejection> {
    if let Some(name) = header.odd_spelling(&DECISIVE) {
        return Err(refuse(format!("expected \"{name}\" in lower case only, found another spelling of it")));
    }
    for (name, meaning) in [
        ("crit", "extensions that must be understood (RFC 7515 §4.1.11)"),
        ("b64", "a payload that is not encoded (RFC 7797)"),
        ("zip", "a compressed payload (RFC 7516 §4.1.3)"),
        ("enc", "an encrypted payload (RFC 7516 §4.1.2)"),
    ] {
        if header.has(name) {
            return Err(refuse(format!("expected a plain signed token, found \"{name}\": {meaning}")));
        }
    }
    match header.get("cty") {
        None => {}
        Some(Json::Text(cty)) if !cty.eq_ignore_ascii_case("JWT") => {}
        Some(_) => return Err(refuse("expected claims, found a token within the token (\"cty\")")),
    }
    match header.get("typ") {
        None => Ok(()),
        Some(Json::Text(typ))
            if ["JWT", "at+jwt", "application/at+jwt"].iter().any(|ours| typ.eq_ignore_ascii_case(ours)) =>
        {
            Ok(())
        }
        Some(Json::Text(typ)) => {
            Err(refuse(format!("expected the type \"JWT\" or \"at+jwt\", found {}", shown(typ))))
        }
        Some(other) => Err(refuse(format!("expected a string as \"typ\", found {}", other.type_name()))),
    }
}

fn key_id(header: &Object<'_>) -> Result<Arc<str>, TokenRejection> {
    let refuse = |found: &str| {
        let detail = format!("expected a key id (\"kid\") of 1 to {KID_LIMIT} bytes, found {found}");
        Err(TokenRejection::new(Check::Key, detail))
    };
    match header.get("kid") {
        Some(Json::Text(kid)) if !kid.is_empty() && kid.len() <= KID_LIMIT => Ok(Arc::from(&**kid)),
        Some(Json::Text(kid)) => refuse(&format!("one of {} bytes", kid.len())),
        Some(other) => refuse(other.type_name()),
        None => refuse("none"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_hashes_of_a_token_are_those_of_no_other_text() {
        let tokens =
            ["a.b.c", "a.b.", "a.b", "", "a.bc", "a.b.cd", "ab.c", "no dots", "a.b.c.d.e", ".", ".."];
        for (at, token) in tokens.iter().enumerate() {
            let same: Vec<_> =
                tokens.map(|other| Hashes::of(other).both() == Hashes::of(token).both()).to_vec();
            assert_eq!(same.iter().position(|same| *same), Some(at), "{token}");
            assert_eq!(same.iter().filter(|same| **same).count(), 1, "{token}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_refused_without_a_panic(token in "\\PC{0,300}", parts in "[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,40}") {
            prop_assert!(SignedToken::parse(&token, None).is_err());
            prop_assert!(SignedToken::parse(&parts, None).is_err());
        }
    }
}
