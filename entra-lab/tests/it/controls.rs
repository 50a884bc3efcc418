//! The controls of the lab, and its recorder.

use serde_json::json;

use crate::support::{
    ALICE, API, DAEMON, Json, TENANT, WEB_APP, client, code, form, get, lab, redeem, token,
};

#[tokio::test]
async fn the_clock_moves_by_request() {
    let lab = lab().await;
    let code = code(&lab, &WEB_APP, ALICE, "openid").await;
    let clock = format!("{}/lab/clock", lab.url());
    let moved =
        Json::of(client().post(&clock).json(&json!({ "advance_seconds": 700 })).send().await.unwrap()).await;
    assert_eq!(moved.body["offset_seconds"], 700);
    redeem(&lab, &WEB_APP, &code, &[]).await.assert_refused(400, "invalid_grant", 70008);
    let back =
        Json::of(client().post(&clock).json(&json!({ "advance_seconds": -700 })).send().await.unwrap()).await;
    assert_eq!(back.body["offset_seconds"], 0);
    assert_eq!(redeem(&lab, &WEB_APP, &code, &[]).await.status, 200);
}

#[tokio::test]
async fn a_reset_forgets_consent_and_sets_the_clock_right() {
    let lab = lab().await;
    let issued = code(&lab, &WEB_APP, ALICE, "openid").await;
    lab.advance(jiff::SignedDuration::from_hours(5));
    let reset = client().post(format!("{}/lab/reset", lab.url())).json(&json!({})).send().await.unwrap();
    assert_eq!(reset.status().as_u16(), 200);
    redeem(&lab, &WEB_APP, &issued, &[]).await.assert_refused(400, "invalid_grant", 70000);
}

#[tokio::test]
async fn controls_take_json_only() {
    let lab = lab().await;
    for path in ["/lab/clock", "/lab/reset"] {
        let url = format!("{}{path}", lab.url());
        let form = client().post(&url).form(&[("advance_seconds", "5")]).send().await.unwrap();
        assert_eq!(form.status().as_u16(), 415);
        assert_eq!(client().get(&url).send().await.unwrap().status().as_u16(), 405);
    }
    for body in ["", "{}", "[]", "{\"advance_seconds\":\"x\"}", "{\"advance_seconds\":1e99}", "\u{0}"] {
        let post =
            client().post(format!("{}/lab/clock", lab.url())).header("content-type", "application/json");
        assert_eq!(post.body(body).send().await.unwrap().status().as_u16(), 400, "{body}");
    }
    let far = json!({ "advance_seconds": i64::MAX });
    for _ in 0..2 {
        let post = client().post(format!("{}/lab/clock", lab.url())).json(&far);
        assert_eq!(post.send().await.unwrap().status().as_u16(), 200);
    }
}

#[tokio::test]
async fn health_and_ca_are_there_for_the_asking() {
    let lab = lab().await;
    assert_eq!(get(&format!("{}/lab/health", lab.url())).await.body["status"], "ok");
    let pem = client().get(format!("{}/lab/ca.pem", lab.url())).send().await.unwrap().text().await.unwrap();
    assert_eq!(pem, lab.ca_pem());
    assert!(pem.starts_with("-----BEGIN CERTIFICATE-----"));
}

#[tokio::test]
async fn the_recorder_tells_what_was_asked_without_secrets() {
    let lab = lab().await;
    let scope = format!("api://{}/.default", API.id);
    let rest = [("grant_type", "client_credentials"), ("scope", scope.as_str())];
    token(&lab, &form(&DAEMON, &rest)).await;
    token(&lab, &form(&DAEMON, &[("grant_type", "made-up")])).await;
    get(&format!("{}/{TENANT}/discovery/v2.0/keys", lab.url())).await;
    let requests = lab.requests();
    assert_eq!(requests.iter().map(|r| r.number).collect::<Vec<_>>(), [1, 2, 3]);
    let [good, bad, keys] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!((good.method.as_str(), good.grant, good.status), ("POST", Some("client_credentials"), 200));
    assert_eq!(good.client_id.unwrap().to_string(), DAEMON.id);
    assert_eq!((bad.grant, bad.status, bad.error_code), (None, 400, Some(70003)));
    assert!(bad.correlation_id.is_some());
    assert_eq!(keys.path, format!("/{TENANT}/discovery/v2.0/keys"));
    assert!(!format!("{requests:?}").contains(DAEMON.secret));
}

#[tokio::test]
async fn the_recorder_keeps_a_bounded_number() {
    let lab = lab().await;
    let client = client();
    for _ in 0..510 {
        client.get(format!("{}/lab/ca.pem", lab.url())).send().await.unwrap();
    }
    let requests = lab.requests();
    assert_eq!((requests.len(), requests.last().map(|r| r.number)), (500, Some(510)));
}
