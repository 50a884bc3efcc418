//! The version 1 addresses, as old clients and old documentation use them.

use serde_json::json;

use crate::support::{ALICE, API, Browser, DAEMON, GRAPH, Json, TENANT, WEB_APP, client, form, get, lab};

#[tokio::test]
async fn its_discovery_names_version_1_addresses_and_issuers() {
    let lab = lab().await;
    let document = get(&format!("{}/{TENANT}/.well-known/openid-configuration", lab.url())).await;
    assert_eq!(document.text("issuer"), format!("https://sts.windows.net/{TENANT}/"));
    assert_eq!(document.text("token_endpoint"), format!("{}/{TENANT}/oauth2/token", lab.url()));
    assert_eq!(document.body["scopes_supported"], json!(["openid"]));
    let common = get(&format!("{}/common/.well-known/openid-configuration", lab.url())).await;
    assert_eq!(common.text("issuer"), "https://sts.windows.net/{tenantid}/");
    let keys = get(common.text("jwks_uri")).await;
    assert_eq!(keys.body["keys"].as_array().unwrap().len(), 2);
    assert!(keys.body["keys"][0].get("issuer").is_none());
    let unknown = get(&format!("{}/fabrikam.test/.well-known/openid-configuration", lab.url())).await;
    unknown.assert_refused(400, "invalid_tenant", 90002);
}

async fn post(lab: &entra_lab::EntraLab, rest: &[(&str, &str)], app: &crate::support::App) -> Json {
    let url = format!("{}/{TENANT}/oauth2/token", lab.url());
    Json::of(client().post(url).form(&form(app, rest)).send().await.unwrap()).await
}

#[tokio::test]
async fn a_resource_stands_for_its_default_scope_and_numbers_are_text() {
    let lab = lab().await;
    let answer = post(&lab, &[("grant_type", "client_credentials"), ("resource", GRAPH)], &DAEMON).await;
    assert_eq!((answer.status, answer.text("resource")), (200, GRAPH), "{}", answer.body);
    let expires_in: i64 = answer.text("expires_in").parse().unwrap();
    assert!(expires_in > 3000 && answer.text("expires_on").parse::<i64>().unwrap() > 1_700_000_000);
    assert_eq!(answer.claims("access_token")["roles"], json!(["User.Read.All"]));
    let api = format!("api://{}", API.id);
    let answer = post(&lab, &[("grant_type", "client_credentials"), ("resource", &api)], &DAEMON).await;
    assert_eq!(answer.claims("access_token")["aud"], API.id, "the API decides the format");
}

#[tokio::test]
async fn a_sign_in_gives_an_id_token_of_version_1() {
    let lab = lab().await;
    let base = format!("{}/{TENANT}/oauth2/authorize", lab.url());
    let pairs = [
        ("client_id", WEB_APP.id),
        ("response_type", "code"),
        ("redirect_uri", WEB_APP.redirect_uri),
        ("resource", GRAPH),
    ];
    let url = url::Url::parse_with_params(&base, &pairs).unwrap();
    let code = Browser::new(&lab).sign_in(url.as_str(), ALICE).await.query()["code"].clone();
    let rest = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", WEB_APP.redirect_uri),
        ("resource", GRAPH),
    ];
    let answer = post(&lab, &rest, &WEB_APP).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let id_token = answer.claims("id_token");
    assert_eq!((&id_token["ver"], &id_token["upn"]), (&json!("1.0"), &json!(ALICE)));
    assert_eq!(id_token["iss"], format!("https://sts.windows.net/{TENANT}/"));
    let rest = [
        ("grant_type", "refresh_token"),
        ("refresh_token", answer.text("refresh_token")),
        ("resource", GRAPH),
    ];
    assert_eq!(post(&lab, &rest, &WEB_APP).await.status, 200);
}
