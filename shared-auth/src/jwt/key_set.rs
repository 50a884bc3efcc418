//! The key set that an authority publishes (RFC 7517), reduced to the keys that may verify its tokens.
//!
//! Entra's set has no `alg` members and may hold anything besides; a member that we cannot use is skipped, and the
//! others stay good. Only RSA keys of a decent size for signatures count, whatever a token's header says.

use std::collections::HashMap;
use std::sync::Arc;

use aws_lc_rs::digest::Digest;
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::rejection::{Check, TokenRejection, shown};
use crate::authority::{Expected, IssuerRule};

/// The document at `jwks_uri`. Members are read one by one, so that a broken one spoils itself only.
#[derive(Debug, Deserialize)]
pub(super) struct Document {
    keys: Vec<Value>,
}

/// Where and when a document was got.
#[derive(Debug)]
pub(super) struct Source {
    /// Whose tokens the keys sign, from the checked discovery document.
    pub rule: IssuerRule,
    /// `cloud_instance_name` of the discovery document.
    pub cloud: Option<String>,
    /// Where users of the authority sign in.
    pub authorization_endpoint: Url,
    pub loaded_at: Timestamp,
    /// The age at which they are fetched anew.
    pub refresh_after: SignedDuration,
}

/// The usable keys at one moment, with the issuer whose keys they are.
#[derive(Debug)]
pub(super) struct KeySet {
    pub source: Source,
    /// Equal where keys and issuer are: what one version has verified holds as long as that version is in use.
    pub version: u64,
    keys: HashMap<String, Arc<SigningKey>>,
}

/// One public key, ready for use.
#[derive(Debug)]
pub(super) struct SigningKey {
    key: ParsedPublicKey,
    member: Jwk,
}

impl KeySet {
    /// Takes what is usable; `None` where that is nothing. `former`: the set that this one replaces.
    pub fn new(source: Source, document: Document, former: Option<&KeySet>) -> Option<Self> {
        let keys = usable_keys(document);
        let mut set = Self { source, version: 0, keys };
        if let Some(former) = former {
            set.version = if set.is_like(former) { former.version } else { former.version + 1 };
        }
        (!set.keys.is_empty()).then_some(set)
    }

    /// True where whatever one of the two verifies, the other one verifies as well.
    fn is_like(&self, other: &KeySet) -> bool {
        let members = |set: &KeySet, kid: &String| set.keys.get(kid).map(|key| key.member.clone());
        self.source.rule == other.source.rule
            && self.source.cloud == other.source.cloud
            && self.keys.len() == other.keys.len()
            && self.keys.keys().all(|kid| members(self, kid) == members(other, kid))
    }

    /// The absolute distance, so that a clock that was put back makes no key young for ever.
    pub fn age(&self, now: Timestamp) -> SignedDuration {
        now.duration_since(self.source.loaded_at).abs()
    }

    pub fn get(&self, kid: &str) -> Option<Arc<SigningKey>> {
        self.keys.get(kid).cloned()
    }

    /// Check 11: whether this key may sign for the issuer that the token names. Entra serves keys of several issuers
    /// in one document, those of personal accounts among them.
    pub fn signs(&self, key: &SigningKey, expected: &Expected<'_>) -> Result<(), TokenRejection> {
        let refuse = |detail: String| Err(TokenRejection::new(Check::KeyIssuer, detail));
        if let (Some(own), Some(cloud)) = (&key.member.cloud_instance_name, &self.source.cloud)
            && own != cloud
        {
            return refuse(format!(
                "expected a key of the cloud {}, found one of {}",
                shown(cloud),
                shown(own)
            ));
        }
        match &key.member.issuer {
            None => Ok(()),
            Some(issuer) if *issuer == *expected.issuer => Ok(()),
            Some(issuer) if issuer.replace("{tenantid}", &expected.tenant_id) == *expected.issuer => Ok(()),
            Some(issuer) => refuse(format!(
                "expected a key that is published for the issuer {}, found one for {}",
                shown(&expected.issuer),
                shown(issuer)
            )),
        }
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }
}

impl SigningKey {
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 §3.3), and nothing else.
    pub fn verifies(&self, message: &Digest, signature: &[u8]) -> bool {
        self.key.verify_digest_sig(message, signature).is_ok()
    }
}

/// The keys that may verify, by their ids.
pub(super) fn usable_keys(document: Document) -> HashMap<String, Arc<SigningKey>> {
    let mut keys = HashMap::new();
    for member in document.keys {
        match usable(member) {
            // The first one wins, so that a member added at the end cannot take over a key id.
            Ok(key) => {
                keys.entry(key.member.kid.clone()).or_insert_with(|| Arc::new(key));
            }
            Err(reason) => tracing::debug!(reason, "a member of the key set is not used"),
        }
    }
    keys
}

/// What we read of a member (RFC 7517 §4, RFC 7518 §6.3.1), and Entra's additions.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Jwk {
    kty: String,
    kid: String,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    n: String,
    e: String,
    /// The issuer for which Entra uses this key; may hold the literal `{tenantid}`.
    issuer: Option<String>,
    cloud_instance_name: Option<String>,
}

fn usable(member: Value) -> Result<SigningKey, &'static str> {
    let jwk: Jwk = serde_json::from_value(member).map_err(|_| "it is not an RSA key with an id")?;
    if jwk.kty != "RSA" {
        return Err("it is not an RSA key");
    }
    if jwk.usage.as_ref().is_some_and(|usage| usage != "sig") {
        return Err("it is not for signatures");
    }
    if jwk
        .key_ops
        .as_ref()
        .is_some_and(|operations| !operations.iter().any(|operation| operation == "verify"))
    {
        return Err("it is not for verifying");
    }
    if jwk.alg.as_ref().is_some_and(|alg| alg != "RS256") {
        return Err("it is for another algorithm");
    }
    let n = number(&jwk.n).ok_or("its modulus is not base64url")?;
    let e = number(&jwk.e).ok_or("its exponent is not base64url")?;
    // Shorter keys can be factored, longer ones are there to make verification slow.
    if !(2048..=8192).contains(&bits(&n)) {
        return Err("its modulus has fewer than 2048 bits or more than 8192");
    }
    // Small exponents have made forged paddings possible.
    let odd = e.last().is_some_and(|byte| byte & 1 == 1);
    if !odd || !(17..=32).contains(&bits(&e)) {
        return Err("its exponent is smaller than 65537, or even, or unusually large");
    }
    // Parsed once; building a key takes longer than most of what is done with it.
    let key = PublicKeyComponents { n, e }
        .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
        .map_err(|_| "its numbers are no RSA key")?;
    Ok(SigningKey { key, member: jwk })
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

    fn set_after(former: Option<&KeySet>, members: &[Value]) -> Option<KeySet> {
        let document = Document { keys: members.to_vec() };
        let source = Source {
            rule: IssuerRule::one("https://login.example/t/v2.0", "t"),
            cloud: Some("microsoftonline.com".to_owned()),
            authorization_endpoint: "https://login.example/t/authorize".parse().unwrap(),
            loaded_at: Timestamp::UNIX_EPOCH,
            refresh_after: SignedDuration::from_hours(12),
        };
        KeySet::new(source, document, former)
    }

    fn set(members: &[Value]) -> Option<KeySet> {
        set_after(None, members)
    }

    fn modulus(bytes: usize) -> String {
        URL_SAFE_NO_PAD.encode(vec![0xC1; bytes])
    }

    /// Checklist 9, 23, 24.
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
            json!({"kty": "RSA", "kid": "ops", "key_ops": ["encrypt"], "n": modulus(256), "e": "AQAB"}),
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

    /// Checklist 25.
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

        let signs = |kid: &str| {
            set.signs(&set.get(kid).unwrap(), &set.source.rule.expects("").unwrap())
                .map_err(|error| error.check)
        };

        assert_eq!((signs("template"), signs("ours")), (Ok(()), Ok(())));
        assert_eq!(signs("consumers"), Err(Check::KeyIssuer));
        assert_eq!(signs("other cloud"), Err(Check::KeyIssuer));
    }

    /// Checklist 25.
    #[test]
    fn a_key_of_another_cloud_instance_does_not_sign_for_ours() {
        let member = |kid: &str, cloud: &str| json!({"kty": "RSA", "kid": kid, "n": modulus(256), "e": "AQAB", "cloud_instance_name": cloud});
        let set =
            set(&[member("ours", "microsoftonline.com"), member("theirs", "microsoftonline.us")]).unwrap();
        let signs = |kid: &str| set.signs(&set.get(kid).unwrap(), &set.source.rule.expects("").unwrap());

        assert!(signs("ours").is_ok() && signs("theirs").is_err());
    }

    #[test]
    fn the_version_changes_with_the_keys_and_only_with_them() {
        let member =
            |kid: &str, bytes: usize| json!({"kty": "RSA", "kid": kid, "n": modulus(bytes), "e": "AQAB"});
        let first = set(&[member("a", 256), member("b", 256)]).unwrap();
        let version = |members: &[Value]| set_after(Some(&first), members).unwrap().version;

        assert_eq!(version(&[member("b", 256), json!("garbage"), member("a", 256)]), first.version);
        for changed in [
            vec![member("a", 256)],
            vec![member("a", 256), member("b", 384)],
            vec![member("a", 256), member("b", 256), member("c", 256)],
            vec![member("a", 256), member("c", 256)],
        ] {
            assert_ne!(version(&changed), first.version, "{changed:?}");
        }
    }
}
