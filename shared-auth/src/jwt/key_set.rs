//! The key set that an authority publishes (RFC 7517), reduced to the keys that may verify its tokens.
//!
//! Entra's set has no `alg` members and may hold anything besides; a member that we cannot use is skipped, and the
//! others stay good. Only RSA keys of a decent size for signatures count, whatever a token's header says.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use serde_json::Value;

use super::claims::Claims;
use super::rejection::{Check, TokenRejection, shown};
use crate::authority::{Expected, IssuerRule};

/// The document at `jwks_uri`. Members are read one by one, so that a broken one spoils itself only.
#[derive(Debug, Deserialize)]
pub(super) struct Document {
    keys: Vec<Value>,
}

/// The usable keys at one moment, with the issuer whose keys they are.
#[derive(Debug)]
pub(super) struct KeySet {
    /// Whose tokens they sign, from the checked discovery document.
    pub rule: IssuerRule,
    pub loaded_at: Timestamp,
    keys: HashMap<String, Arc<SigningKey>>,
}

/// One public key.
#[derive(Debug)]
pub(super) struct SigningKey {
    pub key: DecodingKey,
    /// The issuer for which Entra uses this key; may hold the literal `{tenantid}`.
    issuer: Option<String>,
}

impl KeySet {
    /// Takes what is usable; `None` where that is nothing.
    pub fn new(rule: IssuerRule, document: Document, loaded_at: Timestamp) -> Option<Self> {
        let mut keys = HashMap::new();
        for member in document.keys {
            match usable(member) {
                // The first one wins, so that a member added at the end cannot take over a key id.
                Ok((kid, key)) => {
                    keys.entry(kid).or_insert_with(|| Arc::new(key));
                }
                Err(reason) => tracing::debug!(reason, "a member of the key set is not used"),
            }
        }
        (!keys.is_empty()).then_some(Self { rule, loaded_at, keys })
    }

    pub fn get(&self, kid: &str) -> Option<Arc<SigningKey>> {
        self.keys.get(kid).cloned()
    }

    /// What a token with these claims must name: where there are several tenants, its own one decides.
    pub fn expects(&self, claims: &Claims) -> Result<Expected<'_>, TokenRejection> {
        let tid = match self.rule.is_multi_tenant() {
            true => claims.guid(Check::Tenant, "tid")?,
            false => String::new(),
        };
        self.rule.expects(&tid).map_err(|detail| TokenRejection::new(Check::Tenant, detail))
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }
}

impl SigningKey {
    /// Check 11: whether this key may sign for the issuer that the token names. Entra serves keys of several issuers
    /// in one document, those of personal accounts among them.
    pub fn signs_for(&self, expected: &Expected<'_>) -> Result<(), String> {
        let Some(issuer) = &self.issuer else { return Ok(()) };
        let issuer = issuer.replace("{tenantid}", &expected.tenant_id);
        if issuer == expected.issuer {
            return Ok(());
        }
        Err(format!(
            "the key is published for the issuer {}, not for {}",
            shown(&issuer),
            shown(&expected.issuer)
        ))
    }
}

/// What we read of a member (RFC 7517 §4, RFC 7518 §6.3.1).
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: String,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    n: String,
    e: String,
    issuer: Option<String>,
}

fn usable(member: Value) -> Result<(String, SigningKey), &'static str> {
    let jwk: Jwk = serde_json::from_value(member).map_err(|_| "it is not an RSA key with an id")?;
    if jwk.kty != "RSA" {
        return Err("it is not an RSA key");
    }
    if jwk.usage.is_some_and(|usage| usage != "sig") {
        return Err("it is not for signatures");
    }
    if jwk.alg.is_some_and(|alg| alg != "RS256") {
        return Err("it is for another algorithm");
    }
    let modulus = number(&jwk.n).ok_or("its modulus is not base64url")?;
    let exponent = number(&jwk.e).ok_or("its exponent is not base64url")?;
    // Shorter keys can be factored, longer ones are there to make verification slow.
    if !(2048..=8192).contains(&bits(&modulus)) {
        return Err("its modulus has fewer than 2048 bits or more than 8192");
    }
    // Small exponents have made forged paddings possible.
    let odd = exponent.last().is_some_and(|byte| byte & 1 == 1);
    if !odd || !(17..=32).contains(&bits(&exponent)) {
        return Err("its exponent is smaller than 65537, or even, or unusually large");
    }
    let key = DecodingKey::from_rsa_raw_components(&modulus, &exponent);
    Ok((jwk.kid, SigningKey { key, issuer: jwk.issuer }))
}

/// An unsigned number in base64url, without leading zeros.
fn number(text: &str) -> Option<Vec<u8>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    Some(bytes.into_iter().skip_while(|byte| *byte == 0).collect())
}

fn bits(number: &[u8]) -> usize {
    number.first().map_or(0, |first| number.len() * 8 - first.leading_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(members: &[Value]) -> Option<KeySet> {
        let document = Document { keys: members.to_vec() };
        KeySet::new(IssuerRule::one("https://login.example/t/v2.0", "t"), document, Timestamp::UNIX_EPOCH)
    }

    fn modulus(bytes: usize) -> String {
        URL_SAFE_NO_PAD.encode(vec![0xC1; bytes])
    }

    #[test]
    fn members_that_cannot_be_used_are_skipped() {
        let good = json!({"kty": "RSA", "kid": "good", "n": modulus(256), "e": "AQAB", "x5c": ["…"]});
        let members = [
            json!(null),
            json!("text"),
            json!({}),
            json!({"kty": "oct", "kid": "oct", "k": "c2VjcmV0"}),
            json!({"kty": "EC", "kid": "ec", "crv": "P-256", "x": "AA", "y": "AA"}),
            json!({"kty": "OCT", "kid": "mixed", "n": modulus(256), "e": "AQAB"}),
            json!({"kty": "RSA", "kid": "enc", "use": "enc", "n": modulus(256), "e": "AQAB"}),
            json!({"kty": "RSA", "kid": "pss", "alg": "PS256", "n": modulus(256), "e": "AQAB"}),
            json!({"kty": "RSA", "kid": "1024 bits", "n": modulus(128), "e": "AQAB"}),
            json!({"kty": "RSA", "kid": "2047 bits", "n": URL_SAFE_NO_PAD.encode(vec![0x7F; 256]), "e": "AQAB"}),
            json!({"kty": "RSA", "kid": "16384 bits", "n": modulus(2048), "e": "AQAB"}),
            json!({"kty": "RSA", "kid": "exponent 3", "n": modulus(256), "e": "Aw"}),
            json!({"kty": "RSA", "kid": "exponent 0", "n": modulus(256), "e": "AAAA"}),
            json!({"kty": "RSA", "kid": "no modulus", "e": "AQAB"}),
            json!({"kty": "RSA", "kid": "bad base64", "n": "%%%", "e": "AQAB"}),
            json!({"kty": "RSA", "kid": 7, "n": modulus(256), "e": "AQAB"}),
            good,
        ];

        let set = set(&members).unwrap();

        assert_eq!(set.keys.keys().collect::<Vec<_>>(), ["good"]);
    }

    #[test]
    fn a_set_without_a_usable_key_is_no_set() {
        assert!(set(&[]).is_none());
        assert!(set(&[json!({"kty": "oct", "kid": "x", "k": "AA"})]).is_none());
    }

    #[test]
    fn a_key_of_another_issuer_does_not_sign_for_ours() {
        let member = |kid: &str, issuer: &str| json!({"kty": "RSA", "kid": kid, "n": modulus(256), "e": "AQAB", "issuer": issuer});
        let set = set(&[
            member("template", "https://login.example/{tenantid}/v2.0"),
            member("ours", "https://login.example/t/v2.0"),
            member("consumers", "https://login.example/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"),
            member("other cloud", "https://login.other/{tenantid}/v2.0"),
        ])
        .unwrap();

        let signs = |kid: &str| set.get(kid).unwrap().signs_for(&set.rule.expects("").unwrap()).is_ok();

        assert!(signs("template") && signs("ours"));
        assert!(!signs("consumers") && !signs("other cloud"));
    }
}
