//! Which algorithm, whose signature, over which bytes.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{all_refused, header, row, with};
use crate::tokens::{API, FOREIGN_KEY, KEY, OTHER_TENANT, TestAuthority, join, unsigned};

type Sign = fn(&str) -> Vec<u8>;

/// Checklist 1 to 6.
#[tokio::test]
async fn algorithms() {
    let authority = TestAuthority::start().await;
    let payload = authority.user_claims().to_string();
    let input = |alg: &Value| unsigned(&header(&json!({"alg": alg})), &payload);
    let mut rows = Vec::new();

    // What the header may say, over a signature that is good.
    for alg in [
        json!("none"),
        json!("None"),
        json!("NONE"),
        json!("nOnE"),
        json!(" none"),
        json!("rs256"),
        json!("RS256 "),
        json!(""),
        json!("XX999"),
        json!("EdDSA"),
        json!("ES256"),
        json!("HS256"),
        json!("RS512"),
        json!("PS256"),
        json!(null),
        json!(1),
        json!(true),
        json!(["RS256"]),
        json!({"RS256": 1}),
    ] {
        rows.push((
            format!("1 and 5 another algorithm: alg is {alg}"),
            KEY.token_with(&header(&json!({"alg": alg})), &payload),
            "algorithm",
        ));
    }
    rows.push(row(
        "5 algorithm missing: alg is missing",
        KEY.token_with(r#"{"typ":"JWT","kid":"key-1"}"#, &payload),
        "algorithm",
    ));
    rows.push(row(
        "1 no algorithm: none, without a key id",
        KEY.token_with(r#"{"alg":"none"}"#, &payload),
        "algorithm",
    ));

    // The genuine key, another algorithm, said honestly and not.
    for alg in ["RS384", "RS512", "PS256", "PS384", "PS512"] {
        let honest = input(&json!(alg));
        rows.push((
            format!("3 RSA, but not RS256: signed with {alg}"),
            join(&honest, &KEY.sign(alg, &honest)),
            "algorithm",
        ));
        let lie = input(&json!("RS256"));
        rows.push((
            format!("4 one algorithm said, another used: signed with {alg}, says RS256"),
            join(&lie, &KEY.sign(alg, &lie)),
            "signature",
        ));
    }

    // The public key as the secret of an HMAC, in the forms in which a library may hold it.
    let pkcs1 = pem("RSA PUBLIC KEY", KEY.pkcs1_der());
    let spki = [&SPKI_OF_2048_BITS[..], KEY.pkcs1_der()].concat();
    let spki_pem = pem("PUBLIC KEY", &spki);
    let jwk = KEY.jwk().to_string();
    let secrets = [
        ("SPKI PEM", spki_pem.as_bytes()),
        ("SPKI PEM without the last line break", spki_pem.trim_end().as_bytes()),
        ("SPKI DER", &spki[..]),
        ("PKCS#1 PEM", pkcs1.as_bytes()),
        ("PKCS#1 PEM without the last line break", pkcs1.trim_end().as_bytes()),
        ("PKCS#1 DER", KEY.pkcs1_der()),
        ("the modulus", &KEY.pkcs1_der()[9..265]),
        ("the JWK", jwk.as_bytes()),
        ("nothing", b""),
        ("the client id", API.as_bytes()),
    ];
    for (what, secret) in secrets {
        for (alg, hash) in [("HS256", hmac::HMAC_SHA256), ("HS512", hmac::HMAC_SHA512)] {
            let tag =
                |input: &str| hmac::sign(&hmac::Key::new(hash, secret), input.as_bytes()).as_ref().to_vec();
            let honest = input(&json!(alg));
            rows.push((
                format!("2 the public key as a secret: {alg} with {what}"),
                join(&honest, &tag(&honest)),
                "algorithm",
            ));
            let lie = input(&json!("RS256"));
            rows.push((
                format!("4 one algorithm said, another used: {alg} with {what}, says RS256"),
                join(&lie, &tag(&lie)),
                "signature",
            ));
        }
    }
    let zeros = input(&json!("ES256"));
    rows.push(row("6 elliptic curves: ES256 with r = s = 0", join(&zeros, &[0; 64]), "algorithm"));
    let curves: [(&str, &str, Sign); 3] = [
        ("ES256, raw", "ES256", |input| ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING, input)),
        ("ES256, in DER", "ES256", |input| ecdsa(&ECDSA_P256_SHA256_ASN1_SIGNING, input)),
        ("EdDSA", "EdDSA", |input| {
            Ed25519KeyPair::generate().unwrap().sign(input.as_bytes()).as_ref().to_vec()
        }),
    ];
    for (what, alg, sign) in curves {
        let (honest, lie) = (input(&json!(alg)), input(&json!("RS256")));
        let item = "6 elliptic curves, under the id of an RSA key";
        rows.push((format!("{item}: {what}"), join(&honest, &sign(&honest)), "algorithm"));
        rows.push((format!("{item}: {what}, says RS256"), join(&lie, &sign(&lie)), "signature"));
    }
    all_refused(&authority, rows).await;
}

/// What stands before an RSA key of 2048 bits with the exponent 65537 to make it a `SubjectPublicKeyInfo` (RFC 5280).
const SPKI_OF_2048_BITS: [u8; 24] = [
    0x30, 0x82, 0x01, 0x22, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01,
    0x05, 0x00, 0x03, 0x82, 0x01, 0x0f, 0x00,
];

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn ecdsa(algorithm: &'static aws_lc_rs::signature::EcdsaSigningAlgorithm, input: &str) -> Vec<u8> {
    let pair = EcdsaKeyPair::generate(algorithm).unwrap();
    pair.sign(&SystemRandom::new(), input.as_bytes()).unwrap().as_ref().to_vec()
}

/// Two numbers of 256 bytes, most significant first; a 257th where it is needed.
fn sum(a: &[u8], b: &[u8]) -> Vec<u8> {
    let mut carry = 0;
    let mut digits: Vec<u8> = a
        .iter()
        .rev()
        .zip(b.iter().rev())
        .map(|(a, b)| {
            let digit = u16::from(*a) + u16::from(*b) + carry;
            carry = digit >> 8;
            digit.to_le_bytes()[0]
        })
        .collect();
    if carry > 0 {
        digits.push(1);
    }
    digits.reverse();
    digits
}

/// Checklist 7, 8, 13 to 15.
#[tokio::test]
async fn signatures() {
    let authority = TestAuthority::start().await;
    let claims = authority.user_claims();
    let header_text = header(&json!({}));
    let input = unsigned(&header_text, &claims.to_string());
    let good = KEY.sign("RS256", &input);
    let other = unsigned(&header_text, &with(&claims, "oid", OTHER_TENANT).to_string());
    let spaced = unsigned(&header_text, &serde_json::to_string_pretty(&claims).unwrap());
    let foreign = |change: Value| {
        let header = header(&change);
        FOREIGN_KEY.token_with(&header, &claims.to_string())
    };
    let promoted = unsigned(&header_text, &with(&claims, "scp", "access_as_user everything").to_string());
    let relabelled = unsigned(&header(&json!({"typ": "at+jwt"})), &claims.to_string());
    let (head, body) = input.split_once('.').unwrap();
    let curve = json!({"kty": "EC", "crv": "P-256", "kid": "key-1", "x": "AA", "y": "AA"});
    let flipped = |at: usize| {
        let mut signature = good.clone();
        signature[at] ^= 1;
        signature
    };

    let rows = vec![
        row("7 signature damaged: zeros", join(&input, &[0; 256]), "signature"),
        row("7 signature damaged: 0xFF, more than the modulus", join(&input, &[0xFF; 256]), "signature"),
        row(
            "7 signature damaged: the same number, and the modulus on top (s + n)",
            join(&input, &sum(&good, &KEY.pkcs1_der()[9..265])),
            "signature",
        ),
        row("7 signature damaged: a byte short", join(&input, &good[..255]), "signature"),
        row("7 signature damaged: half", join(&input, &good[..128]), "signature"),
        row("7 signature damaged: a byte more", join(&input, &[&good[..], &[0]].concat()), "signature"),
        row("7 signature damaged: a byte in front", join(&input, &[&[0], &good[..]].concat()), "signature"),
        row("7 signature damaged: doubled", join(&input, &[&good[..], &good[..]].concat()), "signature"),
        row("7 signature damaged: the first bit", join(&input, &flipped(0)), "signature"),
        row("7 signature damaged: the last bit", join(&input, &flipped(255)), "signature"),
        row("8 text changed: of another token", join(&other, &good), "signature"),
        row("8 text changed: of the same claims, written differently", join(&spaced, &good), "signature"),
        row("8 text changed: a scope more", join(&promoted, &good), "signature"),
        row("8 text changed: another header", join(&relabelled, &good), "signature"),
        row(
            "8 text changed: header and claims in each other's place",
            join(&format!("{body}.{head}"), &good),
            "algorithm",
        ),
        row(
            "13 key in the header: a curve's (jwk), under a good key id",
            foreign(json!({"alg": "ES256", "jwk": curve})),
            "algorithm",
        ),
        row(
            "13 key in the header: by the key in the header (jwk), and no key id",
            FOREIGN_KEY.token_with(
                &json!({"alg": "RS256", "jwk": FOREIGN_KEY.jwk()}).to_string(),
                &claims.to_string(),
            ),
            "key",
        ),
        row(
            "13 key in the header: by a key that is not published, under a good key id",
            foreign(json!({})),
            "signature",
        ),
        row(
            "13 key in the header: by the key in the header (jwk)",
            foreign(json!({"jwk": FOREIGN_KEY.jwk()})),
            "signature",
        ),
        row(
            "13 key in the header: by the key in the header (jwk), under its id",
            foreign(json!({"jwk": FOREIGN_KEY.jwk(), "kid": "key-2"})),
            "key",
        ),
        row(
            "14 key elsewhere: by a key elsewhere (jku)",
            foreign(json!({"jku": format!("{}/canary", authority.server.uri())})),
            "signature",
        ),
        row(
            "14 key elsewhere: by a key elsewhere (x5u)",
            foreign(json!({"x5u": format!("{}/canary", authority.server.uri())})),
            "signature",
        ),
        row(
            "15 certificate in the header: by a certificate in the header (x5c)",
            foreign(json!({"x5c": [STANDARD.encode(FOREIGN_KEY.certificate())]})),
            "signature",
        ),
    ];
    all_refused(&authority, rows).await;

    let paths = authority.server.received_requests().await.unwrap();
    assert!(paths.iter().all(|request| !request.url.path().contains("canary")));
    let nonce = foreign(json!({"nonce": "as Graph's tokens have"}));
    assert!(authority.rejection("Graph", &nonce).await.fix.contains("Microsoft Graph"));
}

/// Checklist 7.
#[tokio::test]
async fn no_beginning_of_a_good_token_is_one() {
    let authority = TestAuthority::start().await;
    let good = KEY.token(&authority.user_claims());

    for length in 0..good.len() {
        authority.rejection(&format!("{length} letters"), &good[..length]).await;
    }
    authority.validate(&good).await.unwrap();
}

/// Checklist 12.
#[tokio::test]
async fn no_claim_is_believed_or_shown_before_the_signature_is() {
    let authority = TestAuthority::start().await;
    let mut claims = with(&authority.user_claims(), "exp", 1);
    claims["aud"] = json!("believe-me");
    claims["iss"] = json!("believe-me");
    claims["tid"] = json!("believe-me");
    let input = unsigned(&header(&json!({})), &claims.to_string());

    let rejection = authority.rejection("zeros", &join(&input, &[0; 256])).await;

    assert_eq!(rejection.check.name(), "signature", "not the audience, not the lifetime");
    assert!(!rejection.to_string().contains("believe-me"), "{rejection}");
}
