//! Faults by order, and what the keys can do.

use std::time::{Duration, Instant};

use entra_lab::{EntraLab, Fault, KeyChange, KeySet, Target, What};
use jsonwebtoken::decode_header;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{API, DAEMON, Json, TENANT, client, form, get, lab, token};

const REST: [(&str, &str); 2] =
    [("grant_type", "client_credentials"), ("scope", "https://graph.microsoft.com/.default")];

async fn order(lab: &EntraLab, path: &str, body: Value) -> Json {
    Json::of(client().post(format!("{}/lab/{path}", lab.url())).json(&body).send().await.unwrap()).await
}

async fn graph_token(lab: &EntraLab) -> String {
    token(lab, &form(&DAEMON, &REST)).await.text("access_token").to_owned()
}

#[tokio::test]
async fn throttling_and_outages_carry_retry_after_and_end_after_so_many_requests() {
    let lab = lab().await;
    for (status, code) in [(429, 90055), (503, 90033), (500, 50000)] {
        let fault =
            json!({ "on": "token", "kind": "status", "status": status, "retry_after": 7, "times": 2 });
        assert_eq!(order(&lab, "fault", fault).await.status, 200);
        for _ in 0..2 {
            let answer = token(&lab, &form(&DAEMON, &REST)).await;
            assert_eq!((answer.status, answer.body["error_codes"][0].as_u64()), (status, Some(code)));
            assert_eq!(answer.headers["retry-after"], "7");
        }
        assert_eq!(token(&lab, &form(&DAEMON, &REST)).await.status, 200);
    }
}

#[tokio::test]
async fn a_fault_meets_one_client_or_one_correlation_id_only() {
    let lab = lab().await;
    let what = What::Status { status: 503, retry_after: None };
    lab.fault(Fault::new(Target::Token, what).client(Uuid::parse_str(DAEMON.id).unwrap()));
    assert_eq!(token(&lab, &form(&DAEMON, &REST)).await.status, 503);
    assert_eq!(token(&lab, &form(&API, &REST)).await.status, 200);
    let graph =
        |token: String| client().get(format!("{}/users?$top=1", lab.graph_url())).bearer_auth(token).send();
    lab.clear_faults();
    lab.fault(Fault::new(Target::Graph, what).client(Uuid::parse_str(DAEMON.id).unwrap()).times(1));
    let token_of_daemon = graph_token(&lab).await;
    let answer = Json::of(graph(token_of_daemon.clone()).await.unwrap()).await;
    assert_eq!((answer.status, &answer.body["error"]["code"]), (503, &json!("serviceNotAvailable")));
    assert_eq!(graph(token_of_daemon).await.unwrap().status(), 200);

    let id = Uuid::new_v4();
    lab.fault(Fault::new(Target::Keys, what).correlation(id));
    let url = format!("{}/{TENANT}/discovery/v2.0/keys", lab.url());
    assert_eq!(get(&url).await.status, 200);
    let request = client().get(&url).header("client-request-id", id.to_string());
    assert_eq!(request.send().await.unwrap().status(), 503);
}

#[tokio::test]
async fn slow_cut_truncated_and_html_answers() {
    let lab = lab().await;
    lab.fault(Fault::new(Target::Token, What::Slow { milliseconds: 300 }).times(1));
    let before = Instant::now();
    assert_eq!(token(&lab, &form(&DAEMON, &REST)).await.status, 200);
    assert!(before.elapsed() >= Duration::from_millis(300));

    let url = format!("{}/{TENANT}/v2.0/.well-known/openid-configuration", lab.url());
    lab.fault(Fault::new(Target::Discovery, What::Cut).times(1));
    let cut = match client().get(&url).send().await {
        Ok(response) => response.bytes().await.is_err(),
        Err(_) => true,
    };
    assert!(cut, "the connection ended early");
    lab.fault(Fault::new(Target::Discovery, What::Truncated).times(1));
    let text = client().get(&url).send().await.unwrap().text().await.unwrap();
    assert!(text.starts_with('{') && serde_json::from_str::<Value>(&text).is_err(), "{text}");
    lab.fault(Fault::new(Target::Discovery, What::Html { status: 200 }).times(1));
    let page = client().get(&url).send().await.unwrap();
    assert_eq!(page.headers()["content-type"], "text/html");
    assert_eq!(get(&url).await.status, 200);
}

#[tokio::test]
async fn orders_are_checked_listed_and_taken_back() {
    let lab = lab().await;
    for wrong in [
        json!({ "kind": "status", "on": "token" }),
        json!({ "kind": "status", "status": 503 }),
        json!({ "kind": "slow", "on": "token" }),
        json!({ "kind": "explode", "on": "token" }),
        json!({ "kind": "cut", "on": "moon" }),
        json!({ "kind": "cut", "on": "token", "times": 0 }),
        json!({ "kind": "remove" }),
    ] {
        assert_eq!(order(&lab, "fault", wrong).await.status, 400);
    }
    let id = order(&lab, "fault", json!({ "kind": "html", "on": "graph" })).await.body["id"].clone();
    let list = get(&format!("{}/lab/fault", lab.url())).await;
    assert_eq!((&list.body["faults"][0]["id"], &list.body["faults"][0]["kind"]), (&id, &json!("html")));
    assert_eq!(order(&lab, "fault", json!({ "kind": "remove", "id": id })).await.status, 200);
    order(&lab, "fault", json!({ "kind": "html", "on": "graph" })).await;
    lab.reset();
    assert_eq!(get(&format!("{}/lab/fault", lab.url())).await.body["faults"], json!([]));
}

#[tokio::test]
async fn a_rotation_with_grace_uses_a_known_key_and_keeps_the_old_one() {
    let lab = lab().await;
    let url = format!("{}/{TENANT}/discovery/v2.0/keys", lab.url());
    let kids = |set: &Json| -> Vec<String> {
        set.body["keys"].as_array().unwrap().iter().map(|k| k["kid"].as_str().unwrap().to_owned()).collect()
    };
    let before = kids(&get(&url).await);
    let old = graph_token(&lab).await;
    let changed = order(&lab, "keys", json!({ "action": "rotate", "grace": true })).await;
    let kid = decode_header(graph_token(&lab).await).unwrap().kid.unwrap();
    assert_ne!(decode_header(&old).unwrap().kid.unwrap(), kid);
    assert_eq!(changed.text("active"), kid);
    assert!(before.contains(&kid), "it was announced");
    let after = kids(&get(&url).await);
    assert!(before.iter().all(|k| after.contains(k)) && after.len() == 3);
    let users = client().get(format!("{}/users", lab.graph_url())).bearer_auth(old).send().await.unwrap();
    assert_eq!(users.status(), 200);
}

#[tokio::test]
async fn a_rotation_without_grace_leaves_nothing_of_the_old_keys() {
    let lab = lab().await;
    let old = graph_token(&lab).await;
    lab.keys(KeyChange::Rotate { grace: false }).unwrap();
    let set = get(&format!("{}/{TENANT}/discovery/v2.0/keys", lab.url())).await;
    let kid = decode_header(&old).unwrap().kid.unwrap();
    assert!(set.body["keys"].as_array().unwrap().iter().all(|k| k["kid"] != *kid));
    let users = || client().get(format!("{}/users", lab.graph_url()));
    assert_eq!(users().bearer_auth(&old).send().await.unwrap().status(), 401);
    assert_eq!(users().bearer_auth(graph_token(&lab).await).send().await.unwrap().status(), 200);
    lab.reset();
    assert_eq!(users().bearer_auth(&old).send().await.unwrap().status(), 200, "the first keys are back");
}

#[tokio::test]
async fn the_key_document_can_be_empty_or_broken() {
    let lab = lab().await;
    let url = format!("{}/common/discovery/v2.0/keys", lab.url());
    lab.keys(KeyChange::Publish { set: KeySet::Empty }).unwrap();
    assert_eq!(get(&url).await.body["keys"], json!([]));
    order(&lab, "keys", json!({ "action": "publish", "set": "broken" })).await;
    let text = client().get(&url).send().await.unwrap().text().await.unwrap();
    assert!(serde_json::from_str::<Value>(&text).is_err(), "{text}");
    lab.keys(KeyChange::Publish { set: KeySet::Normal }).unwrap();
    assert_eq!(get(&url).await.body["keys"].as_array().unwrap().len(), 2);
}
