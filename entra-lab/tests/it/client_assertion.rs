//! Client assertions: certificates in every spelling of the libraries, and federated credentials.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use entra_lab::{DEFAULT_SEED, EntraLab};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use crate::support::{API, DAEMON, Json, TENANT, lab, token_at};

const CERTIFICATE: &str = include_str!("../../certs/daemon-app.pem");
const OTHER: &str = include_str!("../../certs/web-api-obo.pem");
const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const EXCHANGE: &str = "api://AzureADTokenExchange";

fn der(pem: &str) -> Vec<u8> {
    let body = pem.split_once("-----BEGIN CERTIFICATE-----").unwrap().1.split_once("-----END").unwrap().0;
    STANDARD.decode(body.split_whitespace().collect::<String>()).unwrap()
}

fn sha256(pem: &str) -> Vec<u8> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &der(pem)).as_ref().to_vec()
}

fn sha1(pem: &str) -> Vec<u8> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, &der(pem)).as_ref().to_vec()
}

async fn now(lab: &EntraLab) -> i64 {
    let url = format!("{}/lab/clock", lab.url());
    let post = crate::support::client().post(url).json(&json!({ "advance_seconds": 0 }));
    let answer = Json::of(post.send().await.unwrap()).await;
    answer.text("now").parse::<jiff::Timestamp>().unwrap().as_second()
}

/// Signs a header and claims as they stand, so that nothing is repaired on the way.
fn signed(pem: &str, header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(header), part(claims));
    let algorithm = if header["alg"] == "PS256" { Algorithm::PS256 } else { Algorithm::RS256 };
    let key = EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap();
    let signature = jsonwebtoken::crypto::sign(text.as_bytes(), &key, algorithm).unwrap();
    format!("{text}.{signature}")
}

fn header() -> Value {
    json!({ "alg": "PS256", "typ": "JWT", "x5t#S256": URL_SAFE_NO_PAD.encode(sha256(CERTIFICATE)) })
}

async fn good_claims(lab: &EntraLab) -> Value {
    let now = now(lab).await;
    json!({
        "aud": format!("{}/{TENANT}/oauth2/v2.0/token", lab.url()),
        "iss": DAEMON.id, "sub": DAEMON.id, "jti": "1", "nbf": now - 10, "exp": now + 600,
    })
}

async fn present(lab: &EntraLab, assertion: &str) -> Json {
    let scope = format!("api://{}/.default", API.id);
    let form = [
        ("client_id", DAEMON.id),
        ("grant_type", "client_credentials"),
        ("scope", scope.as_str()),
        ("client_assertion_type", TYPE),
        ("client_assertion", assertion),
    ];
    token_at(lab, TENANT, &form).await
}

fn with(base: &Value, changes: &Value) -> Value {
    let mut all = base.clone();
    for (name, value) in changes.as_object().unwrap() {
        all[name.as_str()] = value.clone();
    }
    all
}

#[tokio::test]
async fn a_registered_certificate_proves_the_client_and_the_token_says_so() {
    let lab = lab().await;
    let claims = good_claims(&lab).await;
    let answer = present(&lab, &signed(CERTIFICATE, &header(), &claims)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.claims("access_token")["azpacr"], "2");
    let old = json!({ "alg": "RS256", "x5t": URL_SAFE_NO_PAD.encode(sha1(CERTIFICATE)) });
    assert_eq!(present(&lab, &signed(CERTIFICATE, &old, &claims)).await.status, 200);
}

#[tokio::test]
async fn what_the_libraries_write_differently_is_accepted() {
    let lab = lab().await;
    let claims = good_claims(&lab).await;
    let print = sha256(CERTIFICATE);
    let chain = STANDARD.encode(der(CERTIFICATE));
    let broken: String =
        chain.as_bytes().chunks(64).map(|l| format!("{}\n", str::from_utf8(l).unwrap())).collect();
    for change in [
        json!({ "x5t#S256": URL_SAFE.encode(&print) }),
        json!({ "x5t#S256": STANDARD.encode(&print) }),
        json!({ "x5t#S256": STANDARD_NO_PAD.encode(&print) }),
        json!({ "alg": "RS256" }),
        json!({ "x5c": [chain] }),
        json!({ "x5c": chain }),
        json!({ "x5c": [broken] }),
    ] {
        let answer = present(&lab, &signed(CERTIFICATE, &with(&header(), &change), &claims)).await;
        assert_eq!(answer.status, 200, "{change} {}", answer.body);
    }
    let exp = claims["exp"].as_i64().unwrap();
    #[allow(clippy::cast_precision_loss)]
    let float = exp as f64 + 0.25;
    let base = lab.url();
    for change in [
        json!({ "exp": float, "iat": float - 600.0, "nbf": null }),
        json!({ "exp": exp.to_string(), "nbf": (exp - 600).to_string() }),
        json!({ "aud": format!("{base}/contoso.test/oauth2/v2.0/token") }),
        json!({ "aud": format!("{base}/{TENANT}/oauth2/token") }),
        json!({ "aud": format!("{}/{TENANT}/oauth2/v2.0/token", lab.https_url()) }),
        json!({ "aud": [format!("{base}/{TENANT}/v2.0")] }),
    ] {
        let answer = present(&lab, &signed(CERTIFICATE, &header(), &with(&claims, &change))).await;
        assert_eq!(answer.status, 200, "{change} {}", answer.body);
    }
}

#[tokio::test]
async fn a_foreign_key_or_thumbprint_is_700027() {
    let lab = lab().await;
    let claims = good_claims(&lab).await;
    let foreign = with(&header(), &json!({ "x5t#S256": URL_SAFE_NO_PAD.encode(sha256(OTHER)) }));
    for assertion in [signed(OTHER, &header(), &claims), signed(OTHER, &foreign, &claims)] {
        present(&lab, &assertion).await.assert_refused(401, "invalid_client", 700027);
    }
    let mixed = with(&header(), &json!({ "x5c": [STANDARD.encode(der(OTHER))] }));
    let answer = present(&lab, &signed(CERTIFICATE, &mixed, &claims)).await;
    answer.assert_refused(401, "invalid_client", 700027);
}

#[tokio::test]
async fn time_audience_and_names_are_checked() {
    let lab = lab().await;
    let claims = good_claims(&lab).await;
    let exp = claims["exp"].as_i64().unwrap();
    for (change, code) in [
        (json!({ "exp": exp - 1200 }), 700024),
        (json!({ "nbf": exp }), 700024),
        (json!({ "exp": null }), 50027),
        (json!({ "exp": "soon" }), 50027),
        (json!({ "aud": "https://evil.example/token" }), 700023),
        (json!({ "aud": format!("{}/{TENANT}/oauth2/v2.0/authorize", lab.url()) }), 700023),
        (json!({ "aud": null }), 700023),
        (json!({ "sub": API.id }), 700021),
        (json!({ "iss": API.id }), 700021),
    ] {
        let answer = present(&lab, &signed(CERTIFICATE, &header(), &with(&claims, &change))).await;
        answer.assert_refused(401, "invalid_client", code);
    }
}

#[tokio::test]
async fn what_is_no_assertion_is_50027() {
    let lab = lab().await;
    let claims = good_claims(&lab).await;
    let anonymous = signed(CERTIFICATE, &json!({ "alg": "PS256" }), &claims);
    let none = format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), URL_SAFE_NO_PAD.encode("{}"));
    for assertion in ["x.y.z", "nonsense", &anonymous, &none] {
        present(&lab, assertion).await.assert_refused(401, "invalid_client", 50027);
    }
    let form =
        [("client_id", DAEMON.id), ("grant_type", "client_credentials"), ("client_assertion", "x.y.z")];
    token_at(&lab, TENANT, &form).await.assert_refused(400, "invalid_request", 900144);
}

#[tokio::test]
async fn revoked_and_outdated_certificates_have_codes_of_their_own() {
    let line = own_line();
    let text = line.split('"').nth(1).unwrap();
    let table = format!("certificates = [{{ pem = \"{text}\", revoked = true }}]");
    let lab = EntraLab::builder().seed_toml(&DEFAULT_SEED.replacen(line, &table, 1)).start().await.unwrap();
    let claims = good_claims(&lab).await;
    let assertion = signed(CERTIFICATE, &header(), &claims);
    present(&lab, &assertion).await.assert_refused(401, "invalid_client", 7000214);
    let lab = crate::support::lab().await;
    lab.advance(jiff::SignedDuration::from_hours(-24 * 365 * 4));
    let claims = good_claims(&lab).await;
    let assertion = signed(CERTIFICATE, &header(), &claims);
    present(&lab, &assertion).await.assert_refused(401, "invalid_client", 1000502);
}

#[tokio::test]
async fn a_pem_certificate_in_the_seed_counts_and_nonsense_names_its_line() {
    let line = own_line();
    let pem = format!("certificates = [\"\"\"\n{CERTIFICATE}\"\"\"]");
    let lab = EntraLab::builder().seed_toml(&DEFAULT_SEED.replacen(line, &pem, 1)).start().await.unwrap();
    let claims = good_claims(&lab).await;
    assert_eq!(present(&lab, &signed(CERTIFICATE, &header(), &claims)).await.status, 200);
    let wrong = DEFAULT_SEED.replacen(line, "certificates = [\"AAAA\"]", 1);
    let error = entra_lab::seed::parse(&wrong).unwrap_err();
    assert_eq!(error.line, DEFAULT_SEED.lines().position(|l| l == line).unwrap() + 1);
}

/// A seed in which daemon-app trusts another issuer whose key is that of web-api-obo's certificate.
fn federated(keys: &str) -> String {
    let entry = format!(
        "name = \"daemon-app\"\nfederated_credentials = [{{ issuer = \"https://ci.example\", subject = \"repo:main\", {keys} }}]"
    );
    without_own().replacen("name = \"daemon-app\"", &entry, 1)
}

fn key_set() -> String {
    let key = EncodingKey::from_rsa_pem(OTHER.as_bytes()).unwrap();
    let mut jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(&key, Algorithm::RS256).unwrap();
    jwk.common.key_id = Some("ci-1".into());
    serde_json::to_string(&json!({ "keys": [jwk] })).unwrap()
}

#[tokio::test]
async fn a_federated_credential_is_matched_by_issuer_subject_and_audience() {
    let seed = federated(&format!("jwks = '{}'", key_set()));
    let lab = EntraLab::builder().seed_toml(&seed).start().await.unwrap();
    let now = now(&lab).await;
    let header = json!({ "alg": "RS256", "kid": "ci-1" });
    let claims =
        json!({ "iss": "https://ci.example", "sub": "repo:main", "aud": EXCHANGE, "exp": now + 300 });
    let answer = present(&lab, &signed(OTHER, &header, &claims)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    for (change, code) in [
        (json!({ "iss": "https://other.example" }), 700211),
        (json!({ "sub": "repo:fork" }), 700213),
        (json!({ "aud": "https://other.example" }), 700212),
        (json!({ "exp": now - 600 }), 700024),
    ] {
        let answer = present(&lab, &signed(OTHER, &header, &with(&claims, &change))).await;
        answer.assert_refused(401, "invalid_client", code);
    }
    present(&lab, &signed(CERTIFICATE, &header, &claims)).await.assert_refused(401, "invalid_client", 700027);
    let plain = EntraLab::builder().seed_toml(&without_own()).start().await.unwrap();
    present(&plain, &signed(OTHER, &header, &claims)).await.assert_refused(401, "invalid_client", 70021);
}

#[tokio::test]
async fn the_keys_of_a_federated_issuer_can_be_fetched() {
    // Another lab is the foreign issuer: its own tokens are the assertions.
    let issuer = crate::support::lab().await;
    let rest = [
        ("grant_type", "client_credentials"),
        ("scope", "api://c0ffee00-0000-4000-8000-000000004000/.default"),
    ];
    let foreign = crate::support::token(&issuer, &crate::support::form(&DAEMON, &rest)).await;
    let claims = foreign.claims("access_token");
    let entry = format!(
        "name = \"daemon-app\"\nfederated_credentials = [{{ issuer = {}, subject = {}, audience = {}, jwks_url = \"{}/common/discovery/v2.0/keys\" }}]",
        claims["iss"],
        claims["sub"],
        claims["aud"],
        issuer.url(),
    );
    let seed = without_own().replacen("name = \"daemon-app\"", &entry, 1);
    let lab = EntraLab::builder().seed_toml(&seed).start().await.unwrap();
    let answer = present(&lab, foreign.text("access_token")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    drop(issuer);
    let answer = present(&lab, foreign.text("access_token")).await;
    answer.assert_refused(401, "invalid_client", 700027);
}

/// The line of the built-in seed that registers daemon-app's certificate.
fn own_line() -> &'static str {
    DEFAULT_SEED.lines().rfind(|l| l.starts_with("certificates")).unwrap()
}

/// The built-in seed without daemon-app's federated credential.
fn without_own() -> String {
    let line = DEFAULT_SEED.lines().find(|l| l.starts_with("federated_credentials")).unwrap();
    DEFAULT_SEED.replacen(&format!("{line}\n"), "", 1)
}
