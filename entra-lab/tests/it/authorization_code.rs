//! Redeeming an authorization code.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::SignedDuration;

use crate::support::{
    ALICE, API, API_SCOPE, App, BOB, Browser, DESKTOP, GRAPH, TENANT, WEB_APP, authorize_url, code, form,
    lab, redeem, token, tokens,
};

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
/// Appendix B of RFC 7636.
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

#[tokio::test]
async fn the_code_gives_access_id_and_refresh_token() {
    let lab = lab().await;
    let scope = format!("openid profile email offline_access {API_SCOPE}");
    let code = code(&lab, &WEB_APP, ALICE, &scope).await;
    let answer = redeem(&lab, &WEB_APP, &code, &[("scope", &scope), ("client_info", "1")]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.text("token_type"), "Bearer");
    assert_eq!(answer.text("scope"), API_SCOPE);
    assert!(answer.text("refresh_token").len() > 200);

    let access = answer.claims("access_token");
    assert_eq!((access["aud"].as_str(), access["azp"].as_str()), (Some(API.id), Some(WEB_APP.id)));
    assert_eq!((access["scp"].as_str(), access["ver"].as_str()), (Some("access_as_user"), Some("2.0")));
    assert_eq!(access["oid"], "a0000000-0000-4000-8000-00000000000a");
    assert!(access.get("roles").is_none() && access.get("idtyp").is_none());

    let id = answer.claims("id_token");
    assert_eq!(id["aud"], WEB_APP.id);
    assert_eq!(id["iss"], format!("{}/{TENANT}/v2.0", lab.url()));
    assert_eq!((id["name"].as_str(), id["email"].as_str()), (Some("Alice Kim"), Some(ALICE)));
    assert_eq!((id["preferred_username"].as_str(), id["tid"].as_str()), (Some(ALICE), Some(TENANT)));
    assert_eq!(id["roles"], serde_json::json!(["Reader"]));
    assert_ne!(id["sub"], access["sub"], "the subject is pairwise");
    assert_eq!(id["exp"].as_i64().unwrap() - id["iat"].as_i64().unwrap(), 3900);

    let info = URL_SAFE_NO_PAD.decode(answer.text("client_info")).expect("unpadded base64url");
    let info: serde_json::Value = serde_json::from_slice(&info).unwrap();
    assert_eq!((info["uid"].as_str(), info["utid"].as_str()), (access["oid"].as_str(), Some(TENANT)));
}

#[tokio::test]
async fn the_nonce_comes_back_in_the_id_token() {
    let lab = lab().await;
    let url = authorize_url(&lab, TENANT, &WEB_APP, &[("nonce", "n-0S6_WzA2Mj")]);
    let code = Browser::new(&lab).sign_in(&url, ALICE).await.query()["code"].clone();
    assert_eq!(redeem(&lab, &WEB_APP, &code, &[]).await.claims("id_token")["nonce"], "n-0S6_WzA2Mj");
}

#[tokio::test]
async fn the_id_token_says_only_what_the_scopes_allow() {
    let lab = lab().await;
    let id = tokens(&lab, &WEB_APP, ALICE, "openid").await.claims("id_token");
    for claim in ["name", "oid", "preferred_username", "email", "nonce", "auth_time"] {
        assert!(id.get(claim).is_none(), "{claim}");
    }
    let without = tokens(&lab, &WEB_APP, BOB, API_SCOPE).await;
    assert!(without.body.get("id_token").is_none() && without.body.get("refresh_token").is_none());
    assert!(without.body.get("client_info").is_none());
}

#[tokio::test]
async fn openid_scopes_alone_give_a_token_for_graph() {
    let lab = lab().await;
    let answer = tokens(&lab, &WEB_APP, ALICE, "openid profile offline_access User.Read").await;
    let access = answer.claims("access_token");
    assert_eq!((access["aud"].as_str(), access["ver"].as_str()), (Some(GRAPH), Some("1.0")));
    assert_eq!(access["scp"], "User.Read openid profile");
    assert_eq!((access["upn"].as_str(), access["appid"].as_str()), (Some(ALICE), Some(WEB_APP.id)));
    assert_eq!(answer.text("scope"), "User.Read openid profile");
}

/// Checklist 161.
#[tokio::test]
async fn the_subject_of_a_user_is_the_same_every_time_and_another_one_at_another_application() {
    let lab = lab().await;
    let at = async |app: &App| tokens(&lab, app, ALICE, "openid").await.claims("id_token")["sub"].clone();
    assert_eq!(at(&WEB_APP).await, at(&WEB_APP).await);
    assert_ne!(at(&WEB_APP).await, at(&DESKTOP).await);
}

/// Checklist 163.
#[tokio::test]
async fn a_code_works_once_then_it_is_54005() {
    let lab = lab().await;
    let code = code(&lab, &WEB_APP, ALICE, "openid").await;
    assert_eq!(redeem(&lab, &WEB_APP, &code, &[]).await.status, 200);
    redeem(&lab, &WEB_APP, &code, &[]).await.assert_refused(400, "invalid_grant", 54005);
}

/// Checklist 163.
#[tokio::test]
async fn two_requests_at_once_redeem_a_code_once() {
    let lab = lab().await;
    let code = code(&lab, &WEB_APP, ALICE, "openid").await;
    let (one, two) = tokio::join!(redeem(&lab, &WEB_APP, &code, &[]), redeem(&lab, &WEB_APP, &code, &[]));
    let mut statuses = [one.status, two.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400]);
}

#[tokio::test]
async fn a_code_lives_ten_minutes_then_it_is_70008() {
    let lab = lab().await;
    let code = code(&lab, &WEB_APP, ALICE, "openid").await;
    lab.advance(SignedDuration::from_secs(601));
    redeem(&lab, &WEB_APP, &code, &[]).await.assert_refused(400, "invalid_grant", 70008);
}

#[tokio::test]
async fn a_malformed_code_is_9002313_and_an_unknown_one_70000() {
    let lab = lab().await;
    for bad in ["x", "1.A", "1.A\u{0}", "🦀"] {
        redeem(&lab, &WEB_APP, bad, &[]).await.assert_refused(400, "invalid_grant", 9002313);
    }
    let unknown = format!("1.A{}", "x".repeat(256));
    redeem(&lab, &WEB_APP, &unknown, &[]).await.assert_refused(400, "invalid_grant", 70000);
}

/// Checklist 163.
#[tokio::test]
async fn another_clients_code_is_700005() {
    let lab = lab().await;
    let code = code(&lab, &DESKTOP, ALICE, "openid").await;
    let answer = redeem(&lab, &WEB_APP, &code, &[("redirect_uri", DESKTOP.redirect_uri)]).await;
    answer.assert_refused(400, "invalid_grant", 700005);
    assert_eq!(redeem(&lab, &DESKTOP, &code, &[]).await.status, 200, "the right client can still redeem it");
}

/// Checklist 163.
#[tokio::test]
async fn another_redirect_uri_is_50011() {
    let lab = lab().await;
    let code = code(&lab, &WEB_APP, ALICE, "openid").await;
    let other = "http://localhost:3001/signin-oidc";
    let answer = redeem(&lab, &WEB_APP, &code, &[("redirect_uri", other)]).await;
    answer.assert_refused(400, "invalid_request", 50011);
    let rest = [("grant_type", "authorization_code"), ("code", code.as_str())];
    token(&lab, &form(&WEB_APP, &rest)).await.assert_refused(400, "invalid_request", 900144);
}

/// Checklist 163.
#[tokio::test]
async fn a_challenge_wants_its_verifier() {
    let lab = lab().await;
    for (method, challenge) in [("S256", CHALLENGE), ("plain", VERIFIER), ("", VERIFIER)] {
        let url = authorize_url(
            &lab,
            TENANT,
            &DESKTOP,
            &[("code_challenge", challenge), ("code_challenge_method", method), ("scope", "openid")],
        );
        let code = Browser::new(&lab).sign_in(&url, ALICE).await.query()["code"].clone();
        let wrong = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXl";
        let answer = redeem(&lab, &DESKTOP, &code, &[("code_verifier", wrong)]).await;
        answer.assert_refused(400, "invalid_grant", 501481);
        assert!(!answer.body.to_string().contains(wrong));
        redeem(&lab, &DESKTOP, &code, &[]).await.assert_refused(400, "invalid_grant", 501481);
        assert_eq!(redeem(&lab, &DESKTOP, &code, &[("code_verifier", VERIFIER)]).await.status, 200);
    }
}

#[tokio::test]
async fn a_verifier_without_a_challenge_is_refused() {
    let lab = lab().await;
    let code = code(&lab, &WEB_APP, ALICE, "openid").await;
    let answer = redeem(&lab, &WEB_APP, &code, &[("code_verifier", VERIFIER)]).await;
    answer.assert_refused(400, "invalid_grant", 501481);
}

#[tokio::test]
async fn a_resource_that_was_not_agreed_to_is_65001() {
    let lab = lab().await;
    let code = code(&lab, &WEB_APP, ALICE, "openid").await;
    let answer = redeem(&lab, &WEB_APP, &code, &[("scope", API_SCOPE)]).await;
    answer.assert_refused(400, "invalid_grant", 65001);
    assert_eq!(answer.text("suberror"), "consent_required");
}

#[tokio::test]
async fn a_scope_that_does_not_exist_is_70011() {
    let lab = lab().await;
    let code = code(&lab, &WEB_APP, ALICE, "openid").await;
    let answer = redeem(&lab, &WEB_APP, &code, &[("scope", "Nothing.Read")]).await;
    answer.assert_refused(400, "invalid_scope", 70011);
}

#[tokio::test]
async fn a_public_application_redeems_without_a_secret() {
    let lab = lab().await;
    let answer = tokens(&lab, &DESKTOP, ALICE, API_SCOPE).await;
    assert_eq!(answer.claims("access_token")["azpacr"], "0");
}
