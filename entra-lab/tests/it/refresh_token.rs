//! Refresh tokens: rotated, bound to user and client, good for every resource that was agreed to.

use entra_lab::EntraLab;
use jiff::SignedDuration;

use crate::support::{
    ALICE, API, API_SCOPE, App, DESKTOP, GRAPH, Json, WEB_APP, form, lab, token, token_at, tokens,
};

async fn refresh(lab: &EntraLab, app: &App, refresh_token: &str, more: &[(&str, &str)]) -> Json {
    let mut rest = vec![("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
    rest.extend_from_slice(more);
    token(lab, &form(app, &rest)).await
}

#[tokio::test]
async fn a_refresh_gives_new_tokens_and_the_old_one_stays_valid() {
    let lab = lab().await;
    let scope = format!("openid profile offline_access {API_SCOPE}");
    let first = tokens(&lab, &WEB_APP, ALICE, &scope).await;
    let old = first.text("refresh_token");
    let second = refresh(&lab, &WEB_APP, old, &[("scope", &scope)]).await;
    assert_eq!(second.status, 200, "{}", second.body);
    assert_ne!(second.text("refresh_token"), old);
    assert_eq!(second.claims("access_token")["aud"], API.id);
    let id = second.claims("id_token");
    assert_eq!(id["sub"], first.claims("id_token")["sub"]);
    assert!(id.get("nonce").is_none());
    for token in [old, second.text("refresh_token")] {
        assert_eq!(refresh(&lab, &WEB_APP, token, &[]).await.status, 200);
    }
}

#[tokio::test]
async fn it_is_good_for_another_resource_once_that_was_agreed_to() {
    let lab = lab().await;
    let first = tokens(&lab, &WEB_APP, ALICE, &format!("offline_access {API_SCOPE}")).await;
    let token = first.text("refresh_token");
    let graph = "https://graph.microsoft.com/User.Read";
    let refused = refresh(&lab, &WEB_APP, token, &[("scope", graph)]).await;
    refused.assert_refused(400, "invalid_grant", 65001);
    tokens(&lab, &WEB_APP, ALICE, graph).await;
    let answer = refresh(&lab, &WEB_APP, token, &[("scope", graph)]).await;
    assert_eq!(answer.claims("access_token")["aud"], GRAPH);
}

/// Checklist 164.
#[tokio::test]
async fn it_is_bound_to_its_client() {
    let lab = lab().await;
    let first = tokens(&lab, &WEB_APP, ALICE, "openid offline_access").await;
    let answer = refresh(&lab, &DESKTOP, first.text("refresh_token"), &[]).await;
    answer.assert_refused(400, "invalid_grant", 70000);
}

/// Checklist 164.
#[tokio::test]
async fn a_malformed_one_is_9002313_and_an_unknown_one_70000() {
    let lab = lab().await;
    refresh(&lab, &WEB_APP, "nonsense", &[]).await.assert_refused(400, "invalid_grant", 9002313);
    let unknown = format!("1.R{}", "x".repeat(256));
    refresh(&lab, &WEB_APP, &unknown, &[]).await.assert_refused(400, "invalid_grant", 70000);
    let missing = token(&lab, &form(&WEB_APP, &[("grant_type", "refresh_token")])).await;
    missing.assert_refused(400, "invalid_request", 900144);
}

#[tokio::test]
async fn after_90_days_it_is_700082() {
    let lab = lab().await;
    let first = tokens(&lab, &WEB_APP, ALICE, "openid offline_access").await;
    lab.advance(SignedDuration::from_hours(90 * 24));
    let answer = refresh(&lab, &WEB_APP, first.text("refresh_token"), &[]).await;
    answer.assert_refused(400, "invalid_grant", 700082);
    assert_eq!(answer.text("suberror"), "bad_token");
}

#[tokio::test]
async fn a_reset_makes_it_unknown() {
    let lab = lab().await;
    let first = tokens(&lab, &WEB_APP, ALICE, "openid offline_access").await;
    lab.reset();
    let answer = refresh(&lab, &WEB_APP, first.text("refresh_token"), &[]).await;
    answer.assert_refused(400, "invalid_grant", 70000);
}

#[tokio::test]
async fn of_several_resources_the_first_one_gets_the_token() {
    let lab = lab().await;
    let first = tokens(&lab, &WEB_APP, ALICE, &format!("offline_access {API_SCOPE} User.Read")).await;
    let token = first.text("refresh_token");
    for (scope, audience) in
        [(format!("{API_SCOPE} User.Read"), API.id), (format!("User.Read {API_SCOPE}"), GRAPH)]
    {
        let answer = refresh(&lab, &WEB_APP, token, &[("scope", &scope)]).await;
        assert_eq!(answer.claims("access_token")["aud"], audience, "{scope}");
    }
}

#[tokio::test]
async fn a_single_tenant_application_cannot_refresh_on_common() {
    let lab = lab().await;
    let rest = [("grant_type", "refresh_token"), ("refresh_token", "x")];
    token_at(&lab, "common", &form(&WEB_APP, &rest)).await.assert_refused(400, "invalid_request", 50194);
}
