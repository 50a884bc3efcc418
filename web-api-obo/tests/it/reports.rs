//! Journey 6: a report that a worker finishes when the request is over.

use reqwest::header::{LOCATION, RETRY_AFTER};
use serde_json::Value;

use crate::api::Api;

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_accepted_finished_by_the_worker_and_shown_to_its_owner_alone() {
    let api = Api::start().await;
    let (alice, bob) = (api.user_token("alice").await, api.user_token("bob").await);

    let accepted =
        api.http.post(format!("{}/api/reports", api.url)).bearer_auth(&alice).send().await.unwrap();
    assert_eq!(accepted.status(), 202);
    assert_eq!(accepted.headers()[RETRY_AFTER], "1");
    let place = accepted.headers()[LOCATION].to_str().unwrap().to_owned();
    let body: Value = accepted.json().await.unwrap();
    assert_eq!(
        (body["status"].as_str(), body["statusUrl"].as_str()),
        (Some("accepted"), Some(place.as_str()))
    );

    let report = loop {
        let answer = api.get(&place).bearer_auth(&alice).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let body: Value = answer.json().await.unwrap();
        match body["status"].as_str().unwrap() {
            "accepted" | "running" => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
            "done" => break body["report"].clone(),
            other => panic!("{other}: {body}"),
        }
    };
    let count = report["messages"].as_u64().unwrap();
    let senders: u64 = report["senders"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert!(count > 0 && senders == count, "{report}");
    assert!(report["latest"].as_str().unwrap().starts_with("20"), "{report}");

    for (place, token) in [(place.as_str(), &bob), ("/api/reports/AAAAAAAAAAAAAAAAAAAAAA", &alice)] {
        assert_eq!(api.get(place).bearer_auth(token).send().await.unwrap().status(), 404);
    }
    assert_eq!(api.get(&place).send().await.unwrap().status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_for_which_consent_is_missing_is_refused_at_the_start() {
    let api = Api::start().await;
    let carol = api.user_token("carol").await;

    let refused = api.http.post(format!("{}/api/reports", api.url)).bearer_auth(carol).send().await.unwrap();

    assert_eq!(refused.status(), 403);
    assert_eq!(refused.json::<Value>().await.unwrap()["error"], "consent_required");
}
