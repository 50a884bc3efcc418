//! Claims that are there for the registration that asks, in the kind of token that it asks for.

use entra_lab::{DEFAULT_SEED, EntraLab, PolicyChange};
use serde_json::{Value, json};

use crate::support::{
    self, ALICE, API, API_SCOPE, Browser, DAEMON, DESKTOP, GRAPH, OTHER_API_SCOPE, TENANT, TOOL, WEB_APP,
    authorize_url, claims, client, form, lab, redeem, token, tokens,
};

#[tokio::test]
async fn optional_claims_are_there_for_the_registration_that_asks() {
    let seed = DEFAULT_SEED.replace(
        "optional_claims = [\"idtyp\", \"xms_cc\"]",
        "optional_claims = [\"acct\", \"auth_time\", \"email\", \"family_name\", \"given_name\", \"idtyp\", \
         \"idtyp_of_users\", \"ipaddr\", \"login_hint\", \"upn\"]",
    );
    let lab = EntraLab::builder().seed_toml(&seed).start().await.unwrap();
    let scope = format!("openid {API_SCOPE}");
    let answer = tokens(&lab, &WEB_APP, ALICE, &scope).await;
    let access = answer.claims("access_token");
    for (name, value) in [
        ("acct", json!(0)),
        ("email", json!(ALICE)),
        ("family_name", json!("Kim")),
        ("given_name", json!("Alice")),
        ("idtyp", json!("user")),
        ("ipaddr", json!("127.0.0.1")),
        ("upn", json!(ALICE)),
    ] {
        assert_eq!(access[name], value, "{name}");
    }
    assert!(access["auth_time"].is_i64() && access["login_hint"].is_string());
    assert_eq!(answer.claims("id_token")["acct"], Value::Null);
}

async fn service_token(lab: &EntraLab, scope: &str) -> Value {
    let scope = scope.replace("access_as_user", ".default");
    let rest = [("grant_type", "client_credentials"), ("scope", scope.as_str())];
    token(lab, &form(&DAEMON, &rest)).await.claims("access_token")
}

#[tokio::test]
async fn idtyp_tells_services_apart_where_the_api_asked_for_it() {
    let lab = lab().await;
    assert_eq!(service_token(&lab, API_SCOPE).await["idtyp"], "app");
    assert_eq!(service_token(&lab, OTHER_API_SCOPE).await["idtyp"], Value::Null);
    assert_eq!(service_token(&lab, &format!("{GRAPH}/access_as_user")).await["idtyp"], "app");
    let user = tokens(&lab, &WEB_APP, ALICE, API_SCOPE).await.claims("access_token");
    assert_eq!(user["idtyp"], Value::Null, "users are named only where that is asked for too");
    let at_graph = tokens(&lab, &WEB_APP, ALICE, "User.Read").await.claims("access_token");
    assert_eq!(at_graph["idtyp"], "user");
}

#[tokio::test]
async fn an_api_learns_what_the_client_can_handle_where_it_asked_for_it() {
    let lab = lab().await;
    let capable = r#"{"access_token":{"xms_cc":{"values":["cp1"]}}}"#;
    for (scope, shown) in [(API_SCOPE, json!(["cp1"])), (OTHER_API_SCOPE, Value::Null)] {
        let code = support::code(&lab, &WEB_APP, ALICE, scope).await;
        let answer = redeem(&lab, &WEB_APP, &code, &[("claims", capable)]).await;
        assert_eq!(answer.claims("access_token")["xms_cc"], shown, "{scope}");
        let code = support::code(&lab, &WEB_APP, ALICE, scope).await;
        assert_eq!(redeem(&lab, &WEB_APP, &code, &[]).await.claims("access_token")["xms_cc"], Value::Null);
    }
}

#[tokio::test]
async fn the_session_stands_in_access_tokens_and_in_id_tokens_that_ask() {
    let lab = lab().await;
    let scope = format!("openid {API_SCOPE}");
    let web = tokens(&lab, &WEB_APP, ALICE, &scope).await;
    assert_eq!(web.claims("id_token")["sid"], web.claims("access_token")["sid"]);
    let desktop = tokens(&lab, &DESKTOP, ALICE, &scope).await;
    assert!(desktop.claims("access_token")["sid"].is_string());
    assert_eq!(desktop.claims("id_token")["sid"], Value::Null);
}

#[tokio::test]
async fn how_somebody_signed_in_stands_in_version_1_tokens_only() {
    let lab = lab().await;
    lab.policy(PolicyChange::RequireMfa { user: None, client: None, resource: None }).unwrap();
    for (scope, shown) in [("openid User.Read", json!(["pwd", "mfa"])), (API_SCOPE, Value::Null)] {
        let mut browser = Browser::new(&lab);
        let url = authorize_url(&lab, TENANT, &WEB_APP, &[("scope", scope)]);
        let page = browser.sign_in(&url, ALICE).await;
        let page = browser.submit(&page, &[("action", "otp"), ("otp", "246810")]).await;
        let page = if page.location.is_none() { browser.accept(&page).await } else { page };
        let answer = redeem(&lab, &WEB_APP, &page.query()["code"], &[]).await;
        assert_eq!(claims(answer.text("access_token"))["amr"], shown, "{scope}");
    }
}

#[tokio::test]
async fn a_registration_tool_asks_for_claims_of_each_kind_of_token() {
    let lab = lab().await;
    let scope = format!("{GRAPH}/.default");
    let rest = [("grant_type", "client_credentials"), ("scope", scope.as_str())];
    let admin = token(&lab, &form(&TOOL, &rest)).await;
    let wanted = json!({ "optionalClaims": {
        "accessToken": [{ "name": "idtyp", "additionalProperties": ["include_user_token"] }],
        "idToken": [{ "name": "upn" }, { "name": "a claim that the lab does not know" }],
    } });
    for app in [WEB_APP, API] {
        let url = format!("{}/applications(appId='{}')", lab.graph_url(), app.id);
        let request = client().patch(&url).bearer_auth(admin.text("access_token")).json(&wanted);
        assert_eq!(request.send().await.unwrap().status(), 204);
    }
    let answer = tokens(&lab, &WEB_APP, ALICE, &format!("openid {API_SCOPE}")).await;
    let access = answer.claims("access_token");
    assert_eq!((&access["idtyp"], &access["upn"]), (&json!("user"), &Value::Null));
    let id_token = answer.claims("id_token");
    assert_eq!((&id_token["upn"], &id_token["idtyp"]), (&json!(ALICE), &Value::Null));
    assert_eq!(id_token["sid"], Value::Null, "what is not asked for any more is gone");
}
