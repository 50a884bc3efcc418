//! Client assertions (RFC 7523 2.2): a JWT signed with a registered certificate, or one of a foreign
//! issuer that the application trusts (workload identity federation).
//!
//! Strict about what proves something, lenient about what the libraries write differently: both
//! base64 alphabets, `x5c` as text or list, dates as numbers or text, every spelling of the audience.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde_json::{Map, Value};

use crate::authority::Authority;
use crate::directory::{Application, Directory};
use crate::errors::{CLIENT_ASSERTION_SHAPE, CLIENT_ASSERTION_TIME};
use crate::refusal::Refusal;
use crate::state::LabState;

mod certificate;
mod federated;

pub use federated::fetch_keys;

const MOST_BYTES: usize = 16 * 1024;
/// Clocks of clients are wrong by this much at most.
const LEEWAY_SECONDS: f64 = 300.0;

/// An assertion taken apart; nothing of it is believed yet.
pub struct Assertion {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    signed: String,
    signature: String,
    algorithm: Algorithm,
}

/// What an assertion is held against.
#[derive(Debug)]
pub struct Against<'a> {
    pub state: &'a LabState,
    pub directory: &'a Directory,
    pub authority: Authority,
    pub client: &'a Application,
    /// The foreign issuer's keys, if they had to be fetched.
    pub fetched: Option<&'a JwkSet>,
}

impl Assertion {
    pub fn read(text: &str) -> Result<Self, Refusal> {
        let bad = |what: &str| CLIENT_ASSERTION_SHAPE.about(what.to_owned());
        if text.len() > MOST_BYTES {
            return Err(bad("It is too long."));
        }
        let mut parts = text.trim().split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(bad("It does not have three parts."));
        };
        let (signed, signature) = (format!("{header}.{claims}"), signature.trim_end_matches('=').to_owned());
        let header = object(header).ok_or_else(|| bad("Its header is not JSON."))?;
        let claims = object(claims).ok_or_else(|| bad("Its payload is not JSON."))?;
        let algorithm = match header.get("alg").and_then(Value::as_str) {
            Some("RS256") => Algorithm::RS256,
            Some("PS256") => Algorithm::PS256,
            _ => return Err(bad("Its algorithm is neither PS256 nor RS256.")),
        };
        if header.contains_key("crit") {
            return Err(bad("Its header asks for an extension."));
        }
        Ok(Self { header, claims, signed, signature, algorithm })
    }

    fn claim(&self, name: &str) -> Option<&str> {
        self.claims.get(name).and_then(Value::as_str)
    }

    /// The id of the application that the assertion speaks for, where the request does not say it.
    pub fn subject(&self) -> Option<&str> {
        self.claim("sub")
    }

    /// Applications issue their own assertions and are named by a GUID; a foreign issuer is an address.
    fn is_own(&self) -> bool {
        self.claim("iss").is_none_or(|iss| uuid::Uuid::try_parse(iss).is_ok())
    }

    /// Whether the assertion proves that the request comes from this application.
    pub fn check(&self, against: &Against<'_>) -> Result<(), Refusal> {
        if self.is_own() { self.check_own(against) } else { self.check_foreign(against) }
    }

    fn is_signed_with(&self, key: &DecodingKey) -> bool {
        crypto::verify(&self.signature, self.signed.as_bytes(), key, self.algorithm).unwrap_or(false)
    }

    fn audiences(&self) -> Vec<&str> {
        match self.claims.get("aud") {
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
            Some(other) => other.as_str().into_iter().collect(),
            None => Vec::new(),
        }
    }

    fn check_time(&self, now: i64) -> Result<(), Refusal> {
        let at = |name: &str| -> Result<Option<f64>, Refusal> {
            match self.claims.get(name) {
                None | Some(Value::Null) => Ok(None),
                Some(Value::Number(number)) => Ok(number.as_f64()),
                Some(Value::String(text)) => {
                    let number = text.trim().parse().ok();
                    number
                        .map(Some)
                        .ok_or_else(|| CLIENT_ASSERTION_SHAPE.about(format!("'{name}' is not a date.")))
                }
                Some(_) => Err(CLIENT_ASSERTION_SHAPE.about(format!("'{name}' is not a date."))),
            }
        };
        #[allow(clippy::cast_precision_loss, reason = "seconds since 1970 fit into 52 bits")]
        let now = now as f64;
        let expires = at("exp")?.ok_or_else(|| CLIENT_ASSERTION_SHAPE.about("It has no 'exp'."))?;
        if expires <= now - LEEWAY_SECONDS {
            return Err(CLIENT_ASSERTION_TIME.about("It has expired."));
        }
        if at("nbf")?.is_some_and(|from| from > now + LEEWAY_SECONDS) {
            return Err(CLIENT_ASSERTION_TIME.about("It is not valid yet."));
        }
        Ok(())
    }
}

fn object(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&bytes(part)?).ok()
}

/// Base64 in either alphabet, with or without padding.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let bare = text.trim().trim_end_matches('=');
    URL_SAFE_NO_PAD.decode(bare).or_else(|_| STANDARD_NO_PAD.decode(bare)).ok()
}

fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

impl std::fmt::Debug for Assertion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Assertion").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}
