//! `$batch`: many requests in one, each with its own answer.

use entra_lab::{Fault, Target, What};
use reqwest::Method;
use serde_json::{Value, json};

use crate::graph_lab::{Answer, GraphLab};
use crate::support;

async fn batch(graph: &GraphLab, token: &str, requests: Value) -> Answer {
    graph.write(Method::POST, token, "/$batch", &json!({ "requests": requests })).await
}

#[tokio::test]
async fn every_part_has_its_own_status_headers_and_body() {
    let graph = GraphLab::start().await;
    let token = graph.user_token(support::ALICE, "User.Read").await;
    let requests = json!([
        { "id": "1", "method": "GET", "url": "/me?$select=displayName" },
        { "id": "2", "method": "GET", "url": "/me/messages" },
        { "id": "3", "method": "GET", "url": "/me/photo/$value" },
        { "id": "4", "method": "GET", "url": "/nothing/here" },
        { "id": "5", "method": "POST", "url": "/me/getMemberGroups",
          "headers": { "content-type": "application/json" }, "body": { "securityEnabledOnly": true } },
    ]);
    let body = batch(&graph, &token, requests).await.json();
    let part =
        |id: &str| body["responses"].as_array().unwrap().iter().find(|r| r["id"] == id).unwrap().clone();
    assert_eq!((&part("1")["status"], &part("1")["body"]["displayName"]), (&json!(200), &json!("Alice Kim")));
    assert_eq!(
        (&part("2")["status"], &part("2")["body"]["error"]["code"]),
        (&json!(403), &json!("ErrorAccessDenied"))
    );
    assert!(part("3")["body"].as_str().unwrap().starts_with("/9j/"), "a JPEG in base64");
    assert_eq!(part("3")["headers"]["Content-Type"], "image/jpeg");
    assert_eq!(part("4")["status"], 400);
    assert_eq!(part("5")["body"]["value"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn a_part_whose_predecessor_failed_is_not_tried() {
    let graph = GraphLab::start().await;
    let token = graph.daemon_token().await;
    let requests = json!([
        { "id": "a", "method": "GET", "url": "/users/nobody" },
        { "id": "b", "method": "GET", "url": "/users", "dependsOn": ["a"] },
    ]);
    let body = batch(&graph, &token, requests).await.json();
    assert_eq!(body["responses"][0]["status"], 404);
    assert_eq!(body["responses"][1]["status"], 424);
}

#[tokio::test]
async fn a_batch_that_is_none_is_refused_as_a_whole() {
    let graph = GraphLab::start().await;
    let token = graph.daemon_token().await;
    let one = |id: &str| json!({ "id": id, "method": "GET", "url": "/users" });
    let many: Vec<Value> = (0..21).map(|n| one(&n.to_string())).collect();
    for requests in [
        json!([]),
        json!(many),
        json!([one("1"), one("1")]),
        json!([{ "id": "1", "method": "GET", "url": "/users", "dependsOn": ["2"] }]),
        json!([{ "id": "1", "method": "POST", "url": "/$batch", "headers": { "Content-Type": "x" }, "body": {} }]),
        json!([{ "id": "1", "method": "POST", "url": "/applications", "body": {} }]),
        json!("no list"),
    ] {
        let answer = batch(&graph, &token, requests.clone()).await;
        assert_eq!(answer.error(), (400, "BadRequest".into()), "{requests}");
    }
    let refused = batch(&graph, "x", json!([one("1")])).await;
    assert_eq!(refused.error(), (401, "InvalidAuthenticationToken".into()));
}

#[tokio::test]
async fn throttling_is_ordered_and_says_how_long() {
    let graph = GraphLab::start().await;
    let token = graph.daemon_token().await;
    graph.lab.fault(Fault::new(Target::Graph, What::Status { status: 429, retry_after: Some(7) }).times(1));
    let answer = graph.get(&token, "/users").await;
    assert_eq!(answer.error(), (429, "TooManyRequests".into()));
    assert_eq!(answer.header("retry-after"), "7");
    assert_eq!(graph.get(&token, "/users").await.status, 200);
}
