//! Checks 1 to 7, the same for access tokens and ID tokens: from text to claims that a key of the authority signed.
//!
//! A token before check 6 is attacker's text. The types keep it so: [`SignedToken`] shows its header only, and claims
//! come out of [`SignedToken::verify`] alone.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

use super::claims::Claims;
use super::key_set::SigningKey;
use super::rejection::{Check, TokenRejection, shown};
use super::strict_json;

/// Entra's tokens have 1 to 4 KiB, at most about 8 with 200 groups.
const TOKEN_LIMIT: usize = 16 * 1024;
/// Entra's key ids have 27 or 43 characters.
const KID_LIMIT: usize = 256;

/// A token with a header that we understand, not verified yet.
pub(super) struct SignedToken<'a> {
    pub kid: String,
    /// Microsoft Graph's tokens have a nonce in the header and cannot be verified by others; worth a hint.
    has_header_nonce: bool,
    signing_input: &'a str,
    payload: Vec<u8>,
    signature: &'a str,
}

impl<'a> SignedToken<'a> {
    /// Checks 1 to 4.
    pub fn parse(token: &'a str) -> Result<Self, TokenRejection> {
        // 1. Size, before anything is decoded.
        if token.len() > TOKEN_LIMIT {
            let detail =
                format!("the token has {} bytes; more than {TOKEN_LIMIT} are not looked at", token.len());
            return Err(TokenRejection::new(Check::Size, detail));
        }

        // 2. Three parts (RFC 7515 §7.1). Five would be an encrypted token, two an unsigned one.
        let parts: Vec<&str> = token.splitn(6, '.').collect();
        let [header, payload, signature] = parts[..] else {
            let found = if parts.len() > 5 { "more than 5".to_owned() } else { parts.len().to_string() };
            return Err(TokenRejection::new(
                Check::Shape,
                format!(
                    "a signed token has 3 parts, this one has {found}; is it an access token for this API?"
                ),
            ));
        };
        let header = decode("header", header)?;
        let decoded = decode("payload", payload)?;
        decode("signature", signature)?;
        let signing_input = &token[..token.len() - signature.len() - 1];

        // 3. A header that we understand.
        let header = strict_json::object(&header).map_err(|fault| {
            TokenRejection::new(Check::Header, format!("the header cannot be used: {fault}"))
        })?;

        // 4. The algorithm comes from here, never from the token (RFC 8725 §3.1).
        match header.get("alg") {
            Some(Value::String(alg)) if alg == "RS256" => {}
            Some(Value::String(alg)) => return Err(algorithm(&shown(alg))),
            Some(other) => return Err(algorithm(strict_json::type_name(other))),
            None => return Err(algorithm("none at all")),
        }

        let kid = understood(&header)?;
        let has_header_nonce = header.contains_key("nonce");
        Ok(Self { kid, has_header_nonce, signing_input, payload: decoded, signature })
    }

    /// Check 5 for a key id that the authority does not publish.
    pub fn unknown_key(&self) -> TokenRejection {
        let detail = format!(
            "the authority publishes no usable key {}; was the token issued by another tenant, or by another instance \
             of the lab?",
            shown(&self.kid)
        );
        TokenRejection::new(Check::Key, detail)
    }

    /// Checks 6 and 7.
    pub fn verify(self, key: &SigningKey) -> Result<Claims, TokenRejection> {
        // 6. The signature (RFC 7518 §3.3).
        let message = self.signing_input.as_bytes();
        if !jsonwebtoken::crypto::verify(self.signature, message, &key.key, Algorithm::RS256).unwrap_or(false)
        {
            let hint = if self.has_header_nonce {
                "; its header has a nonce, as tokens for Microsoft Graph have: ask for a token for this API instead"
            } else {
                ""
            };
            let detail = format!("the signature is not that of the key {}{hint}", shown(&self.kid));
            return Err(TokenRejection::new(Check::Signature, detail));
        }

        // 7. The claims.
        strict_json::object(&self.payload).map(Claims::new).map_err(|fault| {
            TokenRejection::new(Check::Payload, format!("the payload cannot be used: {fault}"))
        })
    }
}

/// base64url without padding, and nothing else: one token must have one spelling.
fn decode(part: &str, text: &str) -> Result<Vec<u8>, TokenRejection> {
    match URL_SAFE_NO_PAD.decode(text) {
        Ok(bytes) if !bytes.is_empty() => Ok(bytes),
        Ok(_) => Err(TokenRejection::new(Check::Shape, format!("the {part} is empty"))),
        Err(_) => {
            Err(TokenRejection::new(Check::Shape, format!("the {part} is not base64url without padding")))
        }
    }
}

fn algorithm(found: &str) -> TokenRejection {
    TokenRejection::new(Check::Algorithm, format!("expected the algorithm \"RS256\", found {found}"))
}

/// Members that change what a token means must be understood. `jwk`, `jku`, `x5u` and `x5c`, by which a token would
/// bring its own key, are not even looked at (RFC 8725 §3.5).
fn understood(header: &Map<String, Value>) -> Result<String, TokenRejection> {
    let refuse = |detail: String| Err(TokenRejection::new(Check::Header, detail));
    if header.contains_key("crit") {
        return refuse(
            "the header has \"crit\", and no extension is supported (RFC 7515 §4.1.11)".to_owned(),
        );
    }
    if header.contains_key("b64") {
        return refuse(
            "the header has \"b64\", and unencoded payloads are not supported (RFC 7797)".to_owned(),
        );
    }
    match header.get("typ") {
        None => {}
        Some(Value::String(typ))
            if ["JWT", "at+jwt", "application/at+jwt"].iter().any(|ours| typ.eq_ignore_ascii_case(ours)) => {}
        Some(Value::String(typ)) => {
            return refuse(format!("expected the type \"JWT\" or \"at+jwt\", found {}", shown(typ)));
        }
        Some(other) => {
            return refuse(format!("\"typ\" must be a string, found {}", strict_json::type_name(other)));
        }
    }
    match header.get("kid") {
        Some(Value::String(kid)) if !kid.is_empty() && kid.len() <= KID_LIMIT => Ok(kid.clone()),
        Some(Value::String(kid)) => {
            refuse(format!("a key id has 1 to {KID_LIMIT} bytes, this one has {}", kid.len()))
        }
        Some(other) => refuse(format!("\"kid\" must be a string, found {}", strict_json::type_name(other))),
        None => refuse("the header names no key (\"kid\")".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_is_refused_without_a_panic(token in "\\PC{0,300}", parts in "[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,40}") {
            prop_assert!(SignedToken::parse(&token).is_err());
            prop_assert!(SignedToken::parse(&parts).is_err());
        }
    }
}
