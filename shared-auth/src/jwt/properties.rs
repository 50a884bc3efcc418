//! What holds of tokens and key sets, whoever wrote them.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use url::Url;

use super::claims::Claims;
use super::compact::{Hashes, SignedToken};
use super::key_set::{Document, KeySet, Source};
use super::rejection::{Check, TokenRejection};
use super::{refuse_early, strict_json, tenant_of};
use crate::authority::IssuerRule;
use crate::properties::{is_one_line, text, two};
use crate::secret::UserAssertion;

const TENANT: &str = "10000000-0000-4000-8000-000000000001";
const CLIENT: &str = "c0ffee00-0000-4000-8000-000000004000";
const ISSUER: &str = "https://login.example/10000000-0000-4000-8000-000000000001/v2.0";

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A token: as it is, and made of a header and claims.
pub fn token(data: &[u8]) {
    whole(&text(data));
    let (header, claims) = two(data);
    let made = [header, claims, b"signature"].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    whole(&made);
    if let Ok(object) = strict_json::object(claims) {
        // One object with one meaning: written again it is the same object.
        let map = object.into_map();
        let names: Vec<_> = map.keys().cloned().collect();
        let written = Value::Object(map).to_string();
        let again = strict_json::object(written.as_bytes()).map(strict_json::Object::into_map);
        assert_eq!(again.map(|again| again.keys().cloned().collect::<Vec<_>>()), Ok(names));
    }
    match Claims::read(claims) {
        Ok(claims) => getters(&claims),
        Err(rejection) => said(&rejection),
    }
}

/// A key set: the document as it is, and one that is made of a modulus and an exponent.
pub fn jwks(data: &[u8]) {
    if let Ok(document) = serde_json::from_slice::<Document>(data) {
        let value: Value = serde_json::from_slice(data).unwrap_or_default();
        let members = value["keys"].as_array().map(Vec::as_slice).unwrap_or_default();
        let kids: BTreeSet<&str> = members.iter().filter_map(|member| member["kid"].as_str()).collect();
        if let Some(set) = KeySet::new(source(), document, None) {
            assert!((1..=kids.len()).contains(&set.len()));
            kids.iter().for_each(|kid| verify(&set, kid));
        }
    }

    let (modulus, exponent) = two(data);
    let (n, e) = (URL_SAFE_NO_PAD.encode(modulus), URL_SAFE_NO_PAD.encode(exponent));
    let member = json!({"kty": "RSA", "kid": "made", "n": n, "e": e, "issuer": ISSUER});
    if let Ok(document) = serde_json::from_value(json!({ "keys": [null, member] }))
        && let Some(set) = KeySet::new(source(), document, None)
    {
        let long = modulus.iter().skip_while(|byte| **byte == 0).count();
        assert!((256..=1024).contains(&long), "{long} bytes");
        verify(&set, "made");
    }
}

fn source() -> Source {
    Source {
        rule: IssuerRule::one(ISSUER, TENANT),
        cloud: None,
        authorization_endpoint: Url::parse(ISSUER).unwrap_or_else(|_| unreachable!("it is one")),
        loaded_at: now(),
        refresh_after: SignedDuration::from_hours(12),
    }
}

/// A key verifies nothing that it did not sign, and signs for its own issuer only.
fn verify(set: &KeySet, kid: &str) {
    let Some(key) = set.get(kid) else { return };
    let expected = set.source.rule.expects("");
    let _ = expected.map(|expected| set.signs(&key, &expected).map_err(|rejection| said(&rejection)));
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","kid":"x"}"#);
    let signature = URL_SAFE_NO_PAD.encode([1; 256]);
    let token = format!("{header}.e30.{signature}");
    let verified =
        SignedToken::parse(&token, None).and_then(|mut signed| signed.verify(&Hashes::of(&token), &key));
    assert_eq!(verified.map_err(|rejection| rejection.check).err(), Some(Check::Signature));
}

fn whole(token: &str) {
    match SignedToken::parse(token, None) {
        Ok(signed) => {
            assert!((1..=256).contains(&signed.kid.len()) && token.matches('.').count() == 2);
            said(&signed.unknown_key());
        }
        Err(rejection) => {
            assert!(rejection.check.number() <= 5);
            said(&rejection);
        }
    }
    let assertion = UserAssertion::new(token, Timestamp::MAX);
    if let Err(rejection) = refuse_early(&assertion, CLIENT, Some(TENANT), now()) {
        said(&rejection);
    }
    if let Some(tenant) = tenant_of(&assertion) {
        assert!(uuid::Uuid::try_parse(&tenant).is_ok());
    }
}

fn getters(claims: &Claims<'_>) {
    let names = ["iss", "aud", "tid", "oid", "exp", "nbf", "iat", "scp", "roles", "ver", "azp"];
    for name in names {
        let check = Check::Kind;
        let text = claims.optional(check, name);
        if let Ok(Some(text)) = &text {
            assert_eq!(claims.required(check, name).is_ok(), !text.trim().is_empty());
        }
        if let Ok(id) = claims.guid(check, name) {
            assert!(id.len() == 36 && uuid::Uuid::try_parse(id).is_ok());
        }
        let all = [
            text.err(),
            claims.required(check, name).err(),
            claims.guid(check, name).err(),
            claims.strings(check, name).err(),
            claims.time(check, name).err(),
        ];
        all.iter().flatten().for_each(said);
    }
    match claims.valid_at(now(), SignedDuration::from_secs(60)) {
        Ok(lifetime) => {
            assert!(lifetime.expires_at.duration_since(now()).abs() <= SignedDuration::from_hours(29))
        }
        Err(rejection) => said(&rejection),
    }
    [claims.issued_by(ISSUER).err(), claims.policy("B2C_1_x").err()].iter().flatten().for_each(said);
}

/// Of a refusal: it can stand in a log, and tells the outside nothing that was sent.
fn said(rejection: &TokenRejection) {
    is_one_line(&rejection.to_string());
    assert!(rejection.detail.len() < 1_000, "{rejection}");
}
