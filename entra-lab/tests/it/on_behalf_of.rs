//! On-behalf-of: the API exchanges the caller's token.

use entra_lab::EntraLab;
use jiff::SignedDuration;
use jsonwebtoken::{Algorithm, EncodingKey, Header, decode_header, encode};

use crate::support::{
    ALICE, API, API_SCOPE, App, CAROL, DAEMON, DESKTOP, GRAPH, Json, OBO, OTHER_API, OTHER_API_SCOPE, TENANT,
    WEB_APP, api_token, claims, form, lab, token, token_at, tokens,
};

async fn exchange(lab: &EntraLab, app: &App, assertion: &str, scope: &str) -> Json {
    let rest = [
        ("grant_type", OBO),
        ("requested_token_use", "on_behalf_of"),
        ("assertion", assertion),
        ("scope", scope),
    ];
    token(lab, &form(app, &rest)).await
}

#[tokio::test]
async fn the_exchange_gives_a_token_for_the_same_user() {
    let lab = lab().await;
    let assertion = api_token(&lab, ALICE).await;
    let answer = exchange(&lab, &API, &assertion, "https://graph.microsoft.com/User.Read").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let access = answer.claims("access_token");
    assert_eq!((access["aud"].as_str(), access["appid"].as_str()), (Some(GRAPH), Some(API.id)));
    assert_eq!(access["oid"], claims(&assertion)["oid"]);
    assert_eq!(access["scp"], "Mail.Read User.Read");
    assert_eq!(access["sid"], claims(&assertion)["sid"]);
    assert!(answer.text("scope").starts_with("https://graph.microsoft.com/User.Read"));
    assert!(answer.body.get("refresh_token").is_none(), "only offline_access brings one");
}

#[tokio::test]
async fn offline_access_brings_a_refresh_token_and_default_what_was_agreed_to() {
    let lab = lab().await;
    let assertion = api_token(&lab, CAROL).await;
    let scope = "openid offline_access profile https://graph.microsoft.com/.default";
    let answer = exchange(&lab, &API, &assertion, scope).await;
    assert_eq!(answer.claims("access_token")["scp"], "User.Read");
    let rest = [("grant_type", "refresh_token"), ("refresh_token", answer.text("refresh_token"))];
    let again = token(&lab, &form(&API, &rest)).await;
    assert_eq!(again.claims("access_token")["oid"], claims(&assertion)["oid"]);
}

#[tokio::test]
async fn missing_consent_is_65001_with_a_suberror() {
    let lab = lab().await;
    let assertion = api_token(&lab, CAROL).await;
    let answer = exchange(&lab, &API, &assertion, "https://graph.microsoft.com/Mail.Read").await;
    answer.assert_refused(400, "invalid_grant", 65001);
    assert_eq!(answer.text("suberror"), "consent_required");
    let alice = api_token(&lab, ALICE).await;
    assert_eq!(exchange(&lab, &API, &alice, "https://graph.microsoft.com/Mail.Read").await.status, 200);
}

#[tokio::test]
async fn an_expired_assertion_is_500133() {
    let lab = lab().await;
    let assertion = api_token(&lab, ALICE).await;
    lab.advance(SignedDuration::from_secs(5401));
    exchange(&lab, &API, &assertion, "User.Read").await.assert_refused(400, "invalid_grant", 500133);
}

/// Checklist 137.
#[tokio::test]
async fn an_assertion_for_another_audience_is_500131() {
    let lab = lab().await;
    let foreign = tokens(&lab, &WEB_APP, ALICE, OTHER_API_SCOPE).await;
    let answer = exchange(&lab, &API, foreign.text("access_token"), "User.Read").await;
    answer.assert_refused(400, "invalid_grant", 500131);
    let own = api_token(&lab, ALICE).await;
    exchange(&lab, &OTHER_API, &own, "User.Read").await.assert_refused(400, "invalid_grant", 500131);
}

/// Checklist 136.
#[tokio::test]
async fn a_forged_assertion_is_50013() {
    let lab = lab().await;
    let assertion = api_token(&lab, ALICE).await;
    let kid = decode_header(&assertion).unwrap().kid;
    let pair = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let own_key = EncodingKey::from_rsa_pem(pair.serialize_pem().as_bytes()).unwrap();
    let mut header = Header::new(Algorithm::RS256);
    header.kid = kid.clone();
    let forged = encode(&header, &claims(&assertion), &own_key).unwrap();
    header.kid = Some("unknown".into());
    let unknown_key = encode(&header, &claims(&assertion), &own_key).unwrap();
    let mut symmetric = Header::new(Algorithm::HS256);
    symmetric.kid = kid;
    let confused = encode(&symmetric, &claims(&assertion), &EncodingKey::from_secret(b"x")).unwrap();
    let (start, _) = assertion.rsplit_once('.').unwrap();
    for bad in [forged, unknown_key, confused, format!("{start}."), format!("{start}.AAAA"), "x.y.z".into()] {
        let answer = exchange(&lab, &API, &bad, "User.Read").await;
        answer.assert_refused(400, "invalid_grant", 50013);
        assert!(!answer.body.to_string().contains(&bad));
    }
}

#[tokio::test]
async fn a_token_of_another_lab_has_another_issuer() {
    // Both labs have the same keys, as two tenants of Entra do.
    let (lab, other) = (lab().await, lab().await);
    let assertion = api_token(&other, ALICE).await;
    exchange(&lab, &API, &assertion, "User.Read").await.assert_refused(400, "invalid_grant", 50013);
}

/// Checklist 136.
#[tokio::test]
async fn an_id_token_is_240002() {
    let lab = lab().await;
    let answer = tokens(&lab, &WEB_APP, ALICE, &format!("openid {API_SCOPE}")).await;
    let refused = exchange(&lab, &API, answer.text("id_token"), "User.Read").await;
    refused.assert_refused(400, "invalid_grant", 240002);
}

/// Checklist 136.
#[tokio::test]
async fn an_app_only_assertion_is_7000114() {
    let lab = lab().await;
    let scope = format!("api://{}/.default", API.id);
    let rest = [("grant_type", "client_credentials"), ("scope", scope.as_str())];
    let app_only = token(&lab, &form(&DAEMON, &rest)).await;
    let refused = exchange(&lab, &API, app_only.text("access_token"), "User.Read").await;
    refused.assert_refused(400, "invalid_grant", 7000114);
}

#[tokio::test]
async fn public_clients_are_refused() {
    let lab = lab().await;
    let assertion = api_token(&lab, ALICE).await;
    exchange(&lab, &DESKTOP, &assertion, "User.Read").await.assert_refused(401, "invalid_client", 7000218);
}

#[tokio::test]
async fn an_unknown_resource_is_500011_and_several_are_28000() {
    let lab = lab().await;
    let assertion = api_token(&lab, ALICE).await;
    let unknown = exchange(&lab, &API, &assertion, "api://nobody/x").await;
    unknown.assert_refused(400, "invalid_resource", 500011);
    let both = format!("User.Read {OTHER_API_SCOPE}");
    exchange(&lab, &API, &assertion, &both).await.assert_refused(400, "invalid_scope", 28000);
}

#[tokio::test]
async fn every_field_is_needed() {
    let lab = lab().await;
    let full = [
        ("grant_type", OBO),
        ("requested_token_use", "on_behalf_of"),
        ("assertion", "x.y.z"),
        ("scope", "User.Read"),
    ];
    for name in ["requested_token_use", "assertion", "scope"] {
        let rest: Vec<_> = full.iter().copied().filter(|(n, _)| *n != name).collect();
        let answer = token(&lab, &form(&API, &rest)).await;
        answer.assert_refused(400, "invalid_request", 900144);
        assert!(answer.text("error_description").contains(&format!("'{name}'")));
    }
    let mut other_use = full.to_vec();
    other_use[1].1 = "something";
    token(&lab, &form(&API, &other_use)).await.assert_refused(400, "invalid_request", 90100);
}

#[tokio::test]
async fn common_is_no_tenant_for_an_exchange() {
    let seed = entra_lab::DEFAULT_SEED.replacen(
        "name = \"web-api-obo\"",
        "name = \"web-api-obo\"\nmulti_tenant = true",
        1,
    );
    let lab = EntraLab::builder().seed_toml(&seed).start().await.unwrap();
    let assertion = api_token(&lab, ALICE).await;
    let rest = [
        ("grant_type", OBO),
        ("requested_token_use", "on_behalf_of"),
        ("assertion", assertion.as_str()),
        ("scope", "User.Read"),
    ];
    let refused = token_at(&lab, "common", &form(&API, &rest)).await;
    refused.assert_refused(400, "invalid_request", 50059);
    assert_eq!(token_at(&lab, TENANT, &form(&API, &rest)).await.status, 200);
}
