//! The hybrid and the implicit flow: tokens straight from the authorization endpoint, for registrations that have them
//! on, tied to what travels with them, and short of groups.

use std::collections::HashMap;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_lab::{DEFAULT_SEED, EntraLab, PolicyChange};
use serde_json::{Value, json};

use crate::support::{
    self, ALICE, API, API_SCOPE, Browser, CAROL, Page, TENANT, WEB_APP, authorize_url, claims, members,
};

const BOTH: &str = "implicit_id_tokens = true\nimplicit_access_tokens = true\n";

async fn lab_with(settings: &str) -> EntraLab {
    let seed = DEFAULT_SEED.replace("name = \"web-app\"\n", &format!("name = \"web-app\"\n{settings}"));
    EntraLab::builder().seed_toml(&seed).start().await.unwrap()
}

async fn sign_in(lab: &EntraLab, changes: &[(&str, &str)]) -> Page {
    let changes = [&[("nonce", "the nonce")], changes].concat();
    let url = authorize_url(lab, TENANT, &WEB_APP, &changes);
    Browser::new(lab).sign_in(&url, ALICE).await
}

fn fragment(page: &Page) -> HashMap<String, String> {
    let location = page.location.as_deref().unwrap_or_else(|| panic!("no redirect: {}", page.body));
    assert!(!location.contains('?'), "nothing of it is in the query: {location}");
    members(location.split_once('#').unwrap().1)
}

fn half_of_the_hash(text: &str) -> Value {
    json!(URL_SAFE_NO_PAD.encode(&digest(&SHA256, text.as_bytes()).as_ref()[..16]))
}

#[tokio::test]
async fn a_code_and_an_id_token_travel_together_and_the_token_names_the_code() {
    let lab = lab_with("implicit_id_tokens = true\n").await;
    let page = sign_in(&lab, &[("response_type", "code id_token")]).await;
    let answer = fragment(&page);
    let id = claims(&answer["id_token"]);
    assert_eq!((&id["nonce"], &id["aud"]), (&json!("the nonce"), &json!(WEB_APP.id)));
    assert_eq!(id["c_hash"], half_of_the_hash(&answer["code"]));
    assert_eq!((&id["at_hash"], answer.get("access_token")), (&Value::Null, None));
    assert_eq!((answer["state"].as_str(), answer.contains_key("session_state")), ("the state", true));

    let redeemed = support::redeem(&lab, &WEB_APP, &answer["code"], &[]).await;
    let second = redeemed.claims("id_token");
    assert_eq!((&second["sub"], &second["nonce"]), (&id["sub"], &id["nonce"]));
    assert_eq!(second["c_hash"], Value::Null, "only what comes straight from the page names a code");
}

#[tokio::test]
async fn an_id_token_and_an_access_token_come_without_a_code() {
    let lab = lab_with(BOTH).await;
    let scope = format!("openid {API_SCOPE}");
    let page = sign_in(&lab, &[("response_type", "id_token token"), ("scope", &scope)]).await;
    let answer = fragment(&page);
    assert_eq!(claims(&answer["id_token"])["at_hash"], half_of_the_hash(&answer["access_token"]));
    let access = claims(&answer["access_token"]);
    assert_eq!((&access["aud"], &access["scp"]), (&json!(API.id), &json!("access_as_user")));
    assert_eq!(access["azpacr"], "0", "nobody proved to be the client");
    let lifetime: i64 = answer["expires_in"].parse().unwrap();
    assert!((3599..5400).contains(&lifetime), "{lifetime}");
    assert_eq!((answer["token_type"].as_str(), answer["scope"].as_str()), ("Bearer", API_SCOPE));
    assert_eq!((answer.get("code"), answer.get("refresh_token")), (None, None));

    let alone = fragment(&sign_in(&lab, &[("response_type", "token"), ("scope", API_SCOPE)]).await);
    assert!(alone.contains_key("access_token") && !alone.contains_key("id_token"));
}

#[tokio::test]
async fn the_form_carries_the_id_token_too() {
    let lab = lab_with("implicit_id_tokens = true\n").await;
    let page = sign_in(&lab, &[("response_type", "id_token"), ("response_mode", "form_post")]).await;
    assert_eq!(claims(&page.hidden("id_token"))["preferred_username"], ALICE);
    assert!(!page.body.contains("name=\"code\""));
}

#[tokio::test]
async fn at_the_version_1_address_the_id_token_is_of_version_1() {
    let lab = lab_with("implicit_id_tokens = true\n").await;
    let url = authorize_url(
        &lab,
        TENANT,
        &WEB_APP,
        &[("nonce", "n"), ("response_type", "id_token"), ("scope", "openid")],
    );
    let page = Browser::new(&lab).sign_in(&url.replace("/v2.0/", "/"), ALICE).await;
    let id = claims(&fragment(&page)["id_token"]);
    assert_eq!((&id["ver"], &id["unique_name"]), (&json!("1.0"), &json!(ALICE)));
}

#[tokio::test]
async fn each_kind_of_token_has_to_be_enabled_and_asked_for_properly() {
    for (settings, changes, error, code) in [
        ("", vec![("response_type", "id_token")], "unsupported_response_type", 700_054),
        (
            "implicit_id_tokens = true\n",
            vec![("response_type", "id_token token")],
            "unsupported_response_type",
            700_051,
        ),
        (BOTH, vec![("response_type", "id_token"), ("nonce", "")], "invalid_request", 900_144),
        (BOTH, vec![("response_type", "id_token"), ("scope", API_SCOPE)], "invalid_scope", 70011),
        (BOTH, vec![("response_type", "code token")], "unsupported_response_type", 70005),
    ] {
        let lab = lab_with(settings).await;
        let changes = [vec![("nonce", "n")], changes].concat();
        let page = Browser::new(&lab).open(&authorize_url(&lab, TENANT, &WEB_APP, &changes)).await;
        let answer = fragment(&page);
        assert_eq!(answer["error"], error, "{changes:?}");
        assert!(answer["error_description"].starts_with(&format!("AADSTS{code}: ")), "{answer:?}");
        assert_eq!(answer["state"], "the state");
    }
}

#[tokio::test]
async fn tokens_never_travel_in_the_query() {
    let lab = lab_with(BOTH).await;
    for wanted in ["id_token", "code id_token", "token"] {
        let changes = [("response_type", wanted), ("response_mode", "query"), ("nonce", "n")];
        let page = Browser::new(&lab).open(&authorize_url(&lab, TENANT, &WEB_APP, &changes)).await;
        page.assert_sent_back("invalid_request", 70007);
    }
}

#[tokio::test]
async fn six_groups_fit_and_of_more_such_a_token_says_only_that_there_are_some() {
    let lab = lab_with(&format!("{BOTH}group_claims = true\n")).await;
    for (count, names) in [(6, true), (7, false)] {
        lab.policy(PolicyChange::GroupMembership { user: CAROL.into(), count }).unwrap();
        let changes = [("response_type", "code id_token"), ("nonce", "n")];
        let url = authorize_url(&lab, TENANT, &WEB_APP, &changes);
        let answer = fragment(&Browser::new(&lab).sign_in(&url, CAROL).await);
        let id = claims(&answer["id_token"]);
        assert_eq!(id["groups"].as_array().map(Vec::len), names.then_some(6));
        assert_eq!(id["hasgroups"], if names { Value::Null } else { json!(true) });
        // What is redeemed has room for them.
        let redeemed = support::redeem(&lab, &WEB_APP, &answer["code"], &[]).await.claims("id_token");
        assert_eq!(redeemed["groups"].as_array().unwrap().len(), usize::from(count));
        assert_eq!(redeemed["hasgroups"], Value::Null);
    }
}

#[tokio::test]
async fn a_registration_tool_switches_them_on() {
    let lab = support::lab().await;
    let rest = [("grant_type", "client_credentials"), ("scope", "https://graph.microsoft.com/.default")];
    let token = support::token(&lab, &support::form(&support::TOOL, &rest)).await;
    let url = format!("{}/applications(appId='{}')", lab.graph_url(), WEB_APP.id);
    let settings = json!({ "enableIdTokenIssuance": true, "enableAccessTokenIssuance": false });
    let change = json!({ "web": { "implicitGrantSettings": settings } });
    let request = support::client().patch(&url).bearer_auth(token.text("access_token")).json(&change);
    assert_eq!(request.send().await.unwrap().status(), 204);
    let shown = support::client().get(&url).bearer_auth(token.text("access_token")).send().await.unwrap();
    assert_eq!(support::Json::of(shown).await.body["web"]["implicitGrantSettings"], settings);
    let answer = fragment(&sign_in(&lab, &[("response_type", "id_token")]).await);
    assert_eq!(claims(&answer["id_token"])["nonce"], "the nonce");
}
