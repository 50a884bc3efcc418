//! Tokens taken apart and made wrong. Graph is the API that they are shown to.

use entra_lab::EntraLab;
use serde_json::{Value, json};

use crate::support::{self, ALICE, GRAPH, Json, WEB_APP, claims, lab, tokens};

async fn post(lab: &EntraLab, path: &str, body: &Value) -> Json {
    Json::of(support::client().post(format!("{}{path}", lab.url())).json(body).send().await.unwrap()).await
}

async fn graph_token(lab: &EntraLab) -> String {
    tokens(lab, &WEB_APP, ALICE, &format!("{GRAPH}/User.Read")).await.text("access_token").to_owned()
}

async fn me(lab: &EntraLab, token: &str) -> u16 {
    support::client()
        .get(format!("{}/me", lab.graph_url()))
        .bearer_auth(token)
        .send()
        .await
        .unwrap()
        .status()
        .as_u16()
}

#[tokio::test]
async fn every_way_to_make_a_token_wrong_is_refused_and_none_of_them_by_accident() {
    let lab = lab().await;
    let token = graph_token(&lab).await;
    assert_eq!(me(&lab, &token).await, 200);
    for change in
        ["bad_signature", "unsigned", "wrong_key", "unknown_key", "other_tenant", "expired", "not_yet_valid"]
    {
        let forged = post(&lab, "/lab/forge", &json!({ "token": token, "change": change })).await;
        assert_eq!(me(&lab, forged.text("token")).await, 401, "{change}");
    }
    // Signed by the lab, so only the claims count.
    let forged =
        post(&lab, "/lab/forge", &json!({ "token": token, "claims": { "name": "Mallory", "aio": null } }))
            .await;
    assert_eq!(me(&lab, forged.text("token")).await, 200);
    let claims = claims(forged.text("token"));
    assert_eq!((&claims["name"], &claims["aio"]), (&json!("Mallory"), &Value::Null));
    let elsewhere =
        post(&lab, "/lab/forge", &json!({ "token": token, "claims": { "aud": "api://other" } })).await;
    assert_eq!(me(&lab, elsewhere.text("token")).await, 401);
}

#[tokio::test]
async fn an_inspected_token_is_explained_and_neither_shown_nor_kept() {
    let lab = lab().await;
    let token = graph_token(&lab).await;
    let found = post(&lab, "/lab/inspect", &json!({ "token": token })).await;
    assert_eq!(found.text("kind"), "An access token of a user.");
    assert_eq!(found.text("signature"), "It is the lab's, unchanged.");
    assert_eq!((found.text("audience"), found.text("client")), ("Microsoft Graph", "web-app"));
    assert!(found.text("lifetime").starts_with("It is good for "));
    assert_eq!(found.text("digest").len(), 8);
    assert_eq!(found.body["claims"]["upn"], ALICE);
    let signature = token.rsplit_once('.').unwrap().1;
    assert!(!found.body.to_string().contains(signature));
    assert!(!format!("{:?}", lab.requests()).contains(signature));

    lab.advance(jiff::SignedDuration::from_hours(3));
    let later = post(&lab, "/lab/inspect", &json!({ "token": token })).await;
    assert!(later.text("lifetime").starts_with("It ended "), "{}", later.body);
    assert_eq!(later.text("digest"), found.text("digest"));
    let changed = post(&lab, "/lab/forge", &json!({ "token": token, "change": "bad_signature" })).await;
    let changed = post(&lab, "/lab/inspect", &json!({ "token": changed.text("token") })).await;
    assert!(changed.text("signature").starts_with("It is wrong"), "{}", changed.body);
    for garbage in ["", "x", "a.b.c", "e30.e30", "e30.e30.e30.e30"] {
        assert_eq!(post(&lab, "/lab/inspect", &json!({ "token": garbage })).await.status, 400, "{garbage}");
    }
}

#[tokio::test]
async fn the_inspectors_page_runs_its_own_script_and_reaches_its_own_lab_only() {
    let lab = lab().await;
    let answer = support::client().get(format!("{}/lab/inspector", lab.url())).send().await.unwrap();
    let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
    for part in ["default-src 'none'", "script-src 'self'", "connect-src 'self'", "frame-ancestors 'none'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert!(answer.text().await.unwrap().contains("Local use only."));
    let script =
        support::client().get(format!("{}/lab/assets/inspector.js", lab.url())).send().await.unwrap();
    let script = script.text().await.unwrap();
    assert!(!script.contains("innerHTML") && !script.contains("http"), "markup or another address");
}
