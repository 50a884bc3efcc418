//! ID tokens, where they are checked: at the end of a sign-in. No row may end in a session.

use aws_lc_rs::hmac;
use serde_json::{Value, json};
use shared_auth::{AuthorizationResponse, Error, SignIn, SignInError};

use super::{header, with, without};
use crate::tokens::{
    API, FOREIGN_KEY, KEY, OTHER_TENANT, TENANT, TestAuthority, USER, WEB_APP, join, start, unsigned,
};

/// The claims of a good ID token for this sign-in.
fn claims(authority: &TestAuthority, nonce: &str) -> Value {
    let now = start().as_second();
    json!({
        "aud": API, "iss": authority.issuer, "iat": now, "nbf": now, "exp": now + 3_600, "name": "Alice Kim",
        "nonce": nonce, "oid": USER, "preferred_username": "alice@contoso.test", "rh": "1.x",
        "sub": "pairwise-for-this-app", "tid": TENANT, "uti": "u", "ver": "2.0",
    })
}

/// OpenID Connect Core §3.1.3.6.
fn left_half_of_sha256(token: &str) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
    base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, &hash.as_ref()[..16])
}

/// Signs in; the token endpoint answers with the ID token that `forge` makes for the nonce.
async fn sign_in(authority: &TestAuthority, forge: impl FnOnce(&str) -> String) -> Result<SignIn, Error> {
    let redirect_uri = "http://localhost:3000/signin-oidc".parse().unwrap();
    let flow = authority.client.initiate_auth_code_flow("User.Read", &redirect_uri).await?;
    let parameter = |name: &str| {
        let mut pairs = flow.authorization_url().query_pairs();
        pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap()
    };
    authority.answer_code_with(&forge(&parameter("nonce")));
    let answer = AuthorizationResponse::parse(&format!("code=abc&state={}", parameter("state"))).unwrap();
    authority.client.acquire_token_by_authorization_code(flow, answer).await
}

/// The sentence with which the ID token was refused; anything else fails the test.
async fn refused(authority: &TestAuthority, what: &str, forge: impl FnOnce(&str) -> String) -> String {
    match sign_in(authority, forge).await {
        Err(Error::SignIn(SignInError::IdToken(sentence))) => sentence,
        other => panic!("{what}: expected a refusal, found {other:?}"),
    }
}

#[tokio::test]
async fn a_good_id_token_says_who_signed_in() {
    let authority = TestAuthority::start().await;

    let signed_in = sign_in(&authority, |nonce| {
        let mut claims = claims(&authority, nonce);
        claims["sid"] = json!("session");
        claims["roles"] = json!(["Reader"]);
        claims["azp"] = json!(API);
        KEY.token(&claims)
    })
    .await
    .unwrap();

    let id_token = signed_in.id_token;
    assert_eq!(
        (id_token.object_id.as_str(), id_token.tenant_id.as_str(), id_token.audience.as_str()),
        (USER, TENANT, API)
    );
    assert_eq!(id_token.preferred_username.as_deref(), Some("alice@contoso.test"));
    assert_eq!(
        (id_token.sid.as_deref(), id_token.roles.as_slice()),
        (Some("session"), &["Reader".to_owned()][..])
    );
    assert_eq!(id_token.all["uti"], "u", "every claim is there, for a page that explains them");
}

/// Checklist 58, 62.
#[tokio::test]
async fn a_claim_that_is_wrong_ends_the_sign_in() {
    let authority = TestAuthority::start().await;
    let now = start().as_second();
    let rows = [
        ("iss", json!("https://login.evil.example/v2.0")),
        ("iss", json!(format!("{}/", authority.issuer))),
        ("iss", json!(null)),
        ("ver", json!("1.0")),
        ("tid", json!(OTHER_TENANT)),
        ("aud", json!(WEB_APP)),
        ("aud", json!(format!("api://{API}"))),
        ("aud", json!([API, WEB_APP])),
        ("azp", json!(WEB_APP)),
        ("sub", json!("")),
        ("sub", json!(7)),
        ("oid", json!("alice@contoso.test")),
        ("exp", json!(now - 60)),
        ("exp", json!((now + 60).to_string())),
        ("nbf", json!(now + 61)),
        ("iat", json!(now + 61)),
        ("iat", json!("now")),
        ("nonce", json!("")),
        ("nonce", json!("that of another sign-in")),
        ("nonce", json!(null)),
        ("nonce", json!(["x"])),
        ("name", json!({})),
    ];
    for (name, value) in rows {
        let what = format!("{name} is {value}");
        let forge = |nonce: &str| KEY.token(&with(&claims(&authority, nonce), name, value));
        let sentence = refused(&authority, &what, forge).await;
        assert!(!sentence.contains("eyJ") && sentence.len() < 500, "{what}: {sentence}");
    }
    for name in ["iss", "aud", "sub", "iat", "exp", "nonce", "oid", "tid", "ver"] {
        refused(&authority, name, |nonce| KEY.token(&without(&claims(&authority, nonce), name))).await;
    }
}

/// Checklist 1, 59.
#[tokio::test]
async fn a_signature_that_is_not_the_authoritys_ends_the_sign_in() {
    let authority = TestAuthority::start().await;
    let text = |nonce: &str| claims(&authority, nonce).to_string();

    let none = |nonce: &str| format!("{}.", unsigned(r#"{"alg":"none","kid":"key-1"}"#, &text(nonce)));
    refused(&authority, "no signature", none).await;
    let kept = |nonce: &str| KEY.token_with(&header(&json!({"alg": "none"})), &text(nonce));
    refused(&authority, "alg none, signature kept", kept).await;
    let zeros = |nonce: &str| join(&unsigned(&header(&json!({})), &text(nonce)), &[0; 256]);
    refused(&authority, "zeros", zeros).await;
    let foreign =
        |nonce: &str| FOREIGN_KEY.token_with(&header(&json!({"jwk": FOREIGN_KEY.jwk()})), &text(nonce));
    refused(&authority, "a key of its own", foreign).await;
    for (what, secret) in
        [("the client's secret", &b"not used here"[..]), ("the public key", KEY.pkcs1_der())]
    {
        let with_hmac = |nonce: &str| {
            let input = unsigned(r#"{"alg":"HS256","kid":"key-1"}"#, &text(nonce));
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
            join(&input, hmac::sign(&key, input.as_bytes()).as_ref())
        };
        refused(&authority, &format!("HS256 with {what}"), with_hmac).await;
    }
    let curve = json!({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"});
    let of_a_curve =
        |nonce: &str| FOREIGN_KEY.token_with(&header(&json!({"alg": "ES256", "jwk": curve})), &text(nonce));
    refused(&authority, "a curve of its own", of_a_curve).await;
    let canary = format!("{}/canary", authority.server.uri());
    let elsewhere = |nonce: &str| FOREIGN_KEY.token_with(&header(&json!({"jku": canary})), &text(nonce));
    refused(&authority, "a key elsewhere", elsewhere).await;
    refused(&authority, "unknown key", |nonce| FOREIGN_KEY.token(&claims(&authority, nonce))).await;
    refused(&authority, "garbage", |_| "garbage".to_owned()).await;
    refused(&authority, "empty", |_| String::new()).await;

    let asked = authority.server.received_requests().await.unwrap();
    assert!(
        asked.iter().all(|request| !request.url.path().contains("canary")),
        "nobody looked for a key elsewhere"
    );
}

/// Checklist 59.
#[tokio::test]
async fn an_access_token_that_the_id_token_does_not_mean_ends_the_sign_in() {
    let authority = TestAuthority::start().await;
    let with_hash = |hash: Value| {
        let authority = &authority;
        move |nonce: &str| KEY.token(&with(&claims(authority, nonce), "at_hash", hash))
    };
    for wrong in [json!(""), json!("x"), json!("AAAAAAAAAAAAAAAAAAAAAA"), json!(7), json!([])] {
        let what = format!("at_hash is {wrong}");
        refused(&authority, &what, with_hash(wrong)).await;
    }
    sign_in(&authority, with_hash(json!(left_half_of_sha256("opaque")))).await.unwrap();
}
