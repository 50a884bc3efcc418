//! Policies: the refusal on the wire, the challenge that leads out of it, and the token afterwards.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use entra_lab::{DEFAULT_SEED, EntraLab, PolicyChange};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::{
    ALICE, API, API_SCOPE, App, BOB, Browser, DAEMON, GRAPH, Json, OBO, PASSWORD, TENANT, WEB_APP, api_token,
    authorize_url, client, form, lab, redeem, token, tokens,
};

const CP1: &str = r#"{"access_token": {"xms_cc": {"values": ["cp1"]}}}"#;

async fn control(lab: &EntraLab, change: &Value) -> Json {
    let post = client().post(format!("{}/lab/policy", lab.url())).json(change);
    Json::of(post.send().await.unwrap()).await
}

async fn set(lab: &EntraLab, change: Value) -> Value {
    let answer = control(lab, &change).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

async fn exchange(lab: &EntraLab, assertion: &str) -> Json {
    let rest = [
        ("grant_type", OBO),
        ("requested_token_use", "on_behalf_of"),
        ("assertion", assertion),
        ("scope", "https://graph.microsoft.com/User.Read"),
    ];
    token(lab, &form(&API, &rest)).await
}

/// Signs in to the API with these claims and shows the second factor on the way.
async fn satisfy(lab: &EntraLab, claims: &str) -> String {
    let mut browser = Browser::new(lab);
    let changes = [("scope", API_SCOPE), ("claims", claims), ("login_hint", ALICE)];
    let mut page = browser.open(&authorize_url(lab, TENANT, &WEB_APP, &changes)).await;
    page = browser.type_password(&page, PASSWORD).await;
    assert!(page.is("Enter your code") && page.body.contains("id=\"otp\""), "{}", page.body);
    page = browser.submit(&page, &[("action", "otp"), ("otp", "000000")]).await;
    assert!(page.body.contains("AADSTS500121"), "{}", page.body);
    page = browser.submit(&page, &[("action", "otp"), ("otp", "246810")]).await;
    if page.is("Permissions requested") {
        page = browser.accept(&page).await;
    }
    let answer = redeem(lab, &WEB_APP, &page.query()["code"], &[]).await;
    answer.text("access_token").to_owned()
}

#[tokio::test]
async fn mfa_on_graph_stops_the_exchange_until_the_challenge_is_satisfied() {
    let lab = lab().await;
    let before = api_token(&lab, ALICE).await;
    assert_eq!(exchange(&lab, &before).await.status, 200);
    let id = set(&lab, json!({ "kind": "require_mfa", "resource": "Microsoft Graph" })).await;
    let refused = exchange(&lab, &before).await;
    refused.assert_refused(400, "invalid_grant", 50076);
    assert_eq!(refused.text("suberror"), "basic_action");
    let claims: Value = serde_json::from_str(refused.text("claims")).unwrap();
    assert_eq!(claims["access_token"]["capolids"]["values"][0], id["id"]);
    assert_eq!(claims["access_token"]["capolids"]["essential"], true);

    let after = satisfy(&lab, refused.text("claims")).await;
    assert_eq!(crate::support::claims(&after)["amr"], json!(null), "a version 2 token does not say it");
    let answer = exchange(&lab, &after).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.claims("access_token")["amr"], json!(["pwd", "mfa"]));
    exchange(&lab, &before).await.assert_refused(400, "invalid_grant", 50076);
}

#[tokio::test]
async fn an_authentication_context_is_asked_for_by_name_and_lands_in_the_token() {
    let lab = lab().await;
    let before = api_token(&lab, ALICE).await;
    set(&lab, json!({ "kind": "auth_context", "context": "c1", "resource": "00000003-0000-0000-c000-000000000000" })).await;
    let refused = exchange(&lab, &before).await;
    refused.assert_refused(400, "invalid_grant", 50076);
    assert_eq!(refused.text("claims"), r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#);
    let after = satisfy(&lab, refused.text("claims")).await;
    assert_eq!(crate::support::claims(&after)["acrs"], json!(["c1"]));
    assert_eq!(exchange(&lab, &after).await.status, 200);
}

#[tokio::test]
async fn a_policy_on_the_client_asks_at_the_sign_in_itself() {
    let lab = lab().await;
    set(&lab, json!({ "kind": "require_mfa", "client": "web-app", "user": BOB })).await;
    let mut browser = Browser::new(&lab);
    let page = browser.open(&authorize_url(&lab, TENANT, &WEB_APP, &[("login_hint", BOB)])).await;
    assert!(browser.type_password(&page, PASSWORD).await.is("Enter your code"));
    let silent = authorize_url(&lab, TENANT, &WEB_APP, &[("login_hint", BOB), ("prompt", "none")]);
    browser.open(&silent).await.assert_sent_back("interaction_required", 50076);
    // Nobody else is asked.
    tokens(&lab, &WEB_APP, ALICE, API_SCOPE).await.text("access_token");
}

#[tokio::test]
async fn a_block_cannot_be_satisfied() {
    let lab = lab().await;
    let assertion = api_token(&lab, ALICE).await;
    set(&lab, json!({ "kind": "block", "resource": GRAPH })).await;
    let refused = exchange(&lab, &assertion).await;
    refused.assert_refused(400, "invalid_grant", 53003);
    assert_eq!(refused.text("suberror"), "message_only");
    assert!(refused.body.get("claims").is_none());
    let rest = [("grant_type", "client_credentials"), ("scope", "https://graph.microsoft.com/.default")];
    token(&lab, &form(&DAEMON, &rest)).await.assert_refused(400, "invalid_grant", 53003);
    let mut browser = Browser::new(&lab);
    let url = authorize_url(&lab, TENANT, &WEB_APP, &[("scope", "User.Read"), ("login_hint", ALICE)]);
    let page = browser.open(&url).await;
    browser.type_password(&page, PASSWORD).await.assert_sent_back("access_denied", 53003);
}

#[tokio::test]
async fn revoked_sessions_end_refresh_tokens_and_the_single_sign_on() {
    let lab = lab().await;
    let mut browser = Browser::new(&lab);
    let url = authorize_url(&lab, TENANT, &WEB_APP, &[("scope", "offline_access User.Read")]);
    let code = browser.sign_in(&url, ALICE).await.query()["code"].clone();
    let first = redeem(&lab, &WEB_APP, &code, &[]).await;
    lab.policy(PolicyChange::RevokeSessions { user: ALICE.into() }).unwrap();
    let rest = [("grant_type", "refresh_token"), ("refresh_token", first.text("refresh_token"))];
    token(&lab, &form(&WEB_APP, &rest)).await.assert_refused(400, "invalid_grant", 50173);
    let page = browser.open(&url).await;
    assert!(page.is("Enter password"), "{}", page.body);
    let code = browser.type_password(&page, PASSWORD).await.query()["code"].clone();
    let again = redeem(&lab, &WEB_APP, &code, &[]).await;
    let rest = [("grant_type", "refresh_token"), ("refresh_token", again.text("refresh_token"))];
    assert_eq!(token(&lab, &form(&WEB_APP, &rest)).await.status, 200, "the new sign-in counts");
}

#[tokio::test]
async fn graph_challenges_capable_clients_after_a_revocation_and_no_others() {
    let lab = lab().await;
    let code = crate::support::code(&lab, &WEB_APP, ALICE, "openid User.Read").await;
    let capable = redeem(&lab, &WEB_APP, &code, &[("claims", CP1)]).await;
    assert_eq!(capable.claims("access_token")["xms_cc"], json!(["cp1"]));
    let lifetime = capable.body["expires_in"].as_i64().unwrap();
    assert!(lifetime > 70_000, "{lifetime}");
    assert_eq!(capable.body["refresh_in"], lifetime / 2);
    let plain = tokens(&lab, &WEB_APP, ALICE, "openid User.Read").await;
    assert!(plain.body.get("refresh_in").is_none());

    lab.policy(PolicyChange::RevokeSessions { user: ALICE.into() }).unwrap();
    let me = |token: &str| client().get(format!("{}/me", lab.graph_url())).bearer_auth(token).send();
    assert_eq!(me(plain.text("access_token")).await.unwrap().status(), 200);
    let refused = me(capable.text("access_token")).await.unwrap();
    let header = refused.headers()["www-authenticate"].to_str().unwrap().to_owned();
    assert!(header.contains(r#"error="insufficient_claims""#), "{header}");
    assert!(header.contains("TokenIssuedBeforeRevocationTimestamp"), "{header}");
    let encoded = header.split_once("claims=\"").unwrap().1.split_once('"').unwrap().0;
    let challenge: Value = serde_json::from_slice(&STANDARD.decode(encoded).unwrap()).unwrap();
    assert_eq!(challenge["access_token"]["nbf"]["essential"], true);
    let body = Json::of(refused).await;
    assert_eq!((body.status, &body.body["error"]["code"]), (401, &json!("InvalidAuthenticationToken")));

    let code = crate::support::code(&lab, &WEB_APP, ALICE, "openid User.Read").await;
    let fresh = redeem(&lab, &WEB_APP, &code, &[("claims", CP1)]).await;
    assert_eq!(me(fresh.text("access_token")).await.unwrap().status(), 200);
}

#[tokio::test]
async fn sign_in_frequency_ends_refreshing_and_asks_for_the_password() {
    let lab = lab().await;
    let mut browser = Browser::new(&lab);
    let url = authorize_url(&lab, TENANT, &WEB_APP, &[("scope", "offline_access User.Read")]);
    let code = browser.sign_in(&url, ALICE).await.query()["code"].clone();
    let first = redeem(&lab, &WEB_APP, &code, &[]).await;
    set(&lab, json!({ "kind": "sign_in_frequency", "seconds": 3600 })).await;
    let rest = [("grant_type", "refresh_token"), ("refresh_token", first.text("refresh_token"))];
    assert_eq!(token(&lab, &form(&WEB_APP, &rest)).await.status, 200);
    lab.advance(SignedDuration::from_secs(3700));
    token(&lab, &form(&WEB_APP, &rest)).await.assert_refused(400, "invalid_grant", 70043);
    assert!(browser.open(&url).await.is("Enter password"));
}

#[tokio::test]
async fn assignment_can_be_required_of_people_and_of_services() {
    let lab = lab().await;
    set(&lab, json!({ "kind": "assignment_required", "app": "desktop-app", "on": true })).await;
    let mut browser = Browser::new(&lab);
    let url = authorize_url(&lab, TENANT, &crate::support::DESKTOP, &[("login_hint", ALICE)]);
    let page = browser.open(&url).await;
    browser.type_password(&page, PASSWORD).await.assert_sent_back("access_denied", 50105);

    set(&lab, json!({ "kind": "assignment_required", "app": "web-api-obo", "on": true })).await;
    let scope = format!("api://{}/.default", API.id);
    let rest = [("grant_type", "client_credentials"), ("scope", scope.as_str())];
    assert_eq!(token(&lab, &form(&DAEMON, &rest)).await.status, 200, "it has a role there");
    let other: App = crate::support::OTHER_API;
    token(&lab, &form(&other, &rest)).await.assert_refused(400, "invalid_grant", 501051);
}

#[tokio::test]
async fn consent_can_be_withdrawn_and_granted() {
    let lab = lab().await;
    let assertion = api_token(&lab, ALICE).await;
    let consent = |kind: &str, more: Value| {
        let mut change = json!({ "kind": kind, "client": "web-api-obo", "resource": "Microsoft Graph" });
        change.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        change
    };
    set(&lab, consent("withdraw_consent", json!({}))).await;
    let refused = exchange(&lab, &assertion).await;
    refused.assert_refused(400, "invalid_grant", 65001);
    assert_eq!(refused.text("suberror"), "consent_required");
    set(&lab, consent("grant_consent", json!({ "scopes": ["user.read"], "user": ALICE }))).await;
    assert_eq!(exchange(&lab, &assertion).await.status, 200);
    let bob = api_token(&lab, BOB).await;
    exchange(&lab, &bob).await.assert_refused(400, "invalid_grant", 65001);
}

#[tokio::test]
async fn disabled_applications_and_expired_secrets_are_switches() {
    let lab = lab().await;
    let rest = [("grant_type", "client_credentials"), ("scope", "https://graph.microsoft.com/.default")];
    for (kind, status, error, code) in [
        ("secret_expired", 401, "invalid_client", 7000222),
        ("app_disabled", 400, "unauthorized_client", 7000112),
    ] {
        set(&lab, json!({ "kind": kind, "app": "daemon-app", "on": true })).await;
        token(&lab, &form(&DAEMON, &rest)).await.assert_refused(status, error, code);
        set(&lab, json!({ "kind": kind, "app": DAEMON.id, "on": false })).await;
        assert_eq!(token(&lab, &form(&DAEMON, &rest)).await.status, 200);
    }
}

#[tokio::test]
async fn a_device_that_nobody_has_and_a_factor_that_was_never_set_up_are_told_at_the_token_endpoint() {
    let without_a_factor = DEFAULT_SEED.replace("otp = \"246810\"\n", "");
    assert_ne!(without_a_factor, DEFAULT_SEED);
    for (kind, code, suberror, seed) in [
        ("require_compliant_device", 53000, "additional_action", DEFAULT_SEED),
        ("require_mfa", 50079, "basic_action", without_a_factor.as_str()),
    ] {
        let lab = EntraLab::builder().seed_toml(seed).start().await.unwrap();
        let before = tokens(&lab, &WEB_APP, ALICE, &format!("offline_access {API_SCOPE}")).await;
        let graphs = set(&lab, json!({ "kind": kind, "resource": "Microsoft Graph" })).await["id"].clone();
        let refused = exchange(&lab, before.text("access_token")).await;
        refused.assert_refused(400, "invalid_grant", code);
        assert_eq!(refused.text("suberror"), suberror);
        let challenge = refused.body["claims"].as_str().unwrap_or_default();
        assert_eq!(challenge.contains(graphs.as_str().unwrap()), code == 50079, "{}", refused.body);

        set(&lab, json!({ "kind": kind, "resource": "web-api-obo" })).await;
        let refresh = [
            ("grant_type", "refresh_token"),
            ("refresh_token", before.text("refresh_token")),
            ("scope", API_SCOPE),
        ];
        token(&lab, &form(&WEB_APP, &refresh)).await.assert_refused(400, "invalid_grant", code);
    }
}

#[tokio::test]
async fn the_control_lists_removes_and_explains_itself() {
    let lab = lab().await;
    let id = set(&lab, json!({ "kind": "block" })).await["id"].clone();
    let list = crate::support::get(&format!("{}/lab/policy", lab.url())).await;
    assert_eq!((&list.body["policies"][0]["id"], &list.body["policies"][0]["kind"]), (&id, &json!("block")));
    set(&lab, json!({ "kind": "remove", "id": id })).await;
    for wrong in [
        json!({ "kind": "remove", "id": id }),
        json!({ "kind": "forbid" }),
        json!({ "kind": "block", "user": "zoe@contoso.test" }),
        json!({ "kind": "block", "resource": "nothing" }),
        json!({ "kind": "block", "colour": "red" }),
    ] {
        let answer = control(&lab, &wrong).await;
        assert_eq!(answer.status, 400, "{wrong}");
        assert!(!answer.text("message").is_empty());
    }
    set(&lab, json!({ "kind": "block" })).await;
    lab.reset();
    let list = crate::support::get(&format!("{}/lab/policy", lab.url())).await;
    assert_eq!(list.body["policies"], json!([]));
    let form = client().post(format!("{}/lab/policy", lab.url())).form(&[("kind", "block")]);
    assert_eq!(form.send().await.unwrap().status(), 415);
}

#[tokio::test]
async fn a_policy_of_the_seed_counts_and_a_wrong_one_names_its_line() {
    let entry = "\n[[tenant.policy]]\nname = \"no daemons\"\nkind = \"block\"\nclients = [\"c0ffee00-0000-4000-8000-000000005000\"]\n";
    let seed = format!("{DEFAULT_SEED}{entry}");
    let lab = EntraLab::builder().seed_toml(&seed).start().await.unwrap();
    let rest = [("grant_type", "client_credentials"), ("scope", "https://graph.microsoft.com/.default")];
    token(&lab, &form(&DAEMON, &rest)).await.assert_refused(400, "invalid_grant", 53003);
    let wrong = seed.replacen("kind = \"block\"\nclients", "kind = \"forbid\"\nclients", 1);
    let error = entra_lab::seed::parse(&wrong).unwrap_err();
    assert!(error.message.contains("require_mfa"), "{error}");
    assert_eq!(wrong.lines().nth(error.line - 1).unwrap(), "kind = \"forbid\"");
}

#[tokio::test]
async fn claims_that_are_no_json_are_refused_and_unknown_ones_ignored() {
    let lab = lab().await;
    let code = crate::support::code(&lab, &WEB_APP, ALICE, API_SCOPE).await;
    redeem(&lab, &WEB_APP, &code, &[("claims", "{")]).await.assert_refused(400, "invalid_request", 90100);
    let odd = r#"{"id_token":{"login_hint":{"essential":false}},"access_token":{"x":1,"acrs":{"value":"nonsense"}}}"#;
    assert_eq!(redeem(&lab, &WEB_APP, &code, &[("claims", odd)]).await.status, 200);
}

#[tokio::test]
async fn the_home_page_says_which_policies_are_in_force_and_shows_the_codes() {
    let lab = lab().await;
    let home = async || client().get(lab.url()).send().await.unwrap().text().await.unwrap();
    let before = home().await;
    assert!(before.contains("no policy") && before.contains("246810"), "{before}");
    set(&lab, json!({ "kind": "require_mfa", "user": ALICE, "resource": GRAPH })).await;
    let sentence = format!("A second factor for {ALICE} at Microsoft Graph (set by control).");
    assert!(home().await.contains(&sentence));
}
