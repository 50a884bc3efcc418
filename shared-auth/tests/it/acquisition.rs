//! What every acquisition does around its request: one retry, times to wait, renewal ahead of time, declined scopes.
//! Against a token endpoint that misbehaves on purpose.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};
use shared_auth::{
    CacheRefreshReason, ClientCredential, ConfidentialClient, EntraConfig, Error, ManualClock, TokenSource,
    UserAssertion,
};
use wiremock::matchers::{body_string_contains, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{DAEMON, GRAPH_DEFAULT, now};

const TENANT: &str = "10000000-0000-4000-8000-000000000001";

/// A token endpoint under our control, and a client of it.
struct Sts {
    server: MockServer,
    client: ConfidentialClient,
    clock: ManualClock,
}

impl Sts {
    async fn start() -> Self {
        let server = MockServer::start().await;
        let host = server.uri();
        let document = json!({
            "issuer": format!("{host}/{TENANT}/v2.0"),
            "authorization_endpoint": format!("{host}/authorize"),
            "token_endpoint": format!("{host}/token"),
            "jwks_uri": format!("{host}/keys"),
        });
        Mock::given(method("GET"))
            .respond_with(ResponseTemplate::new(200).set_body_json(document))
            .mount(&server)
            .await;
        let clock = ManualClock::at(now());
        let config =
            EntraConfig::new(host.parse().unwrap(), TENANT, DAEMON, ClientCredential::secret("s3cret"));
        let client = ConfidentialClient::builder(config).clock(Arc::new(clock.clone())).build().unwrap();
        Self { server, client, clock }
    }

    /// The next `times` requests get this answer.
    async fn answers(&self, times: u64, answer: ResponseTemplate) {
        let token_endpoint = Mock::given(method("POST")).and(path("/token"));
        token_endpoint.respond_with(answer).up_to_n_times(times).mount(&self.server).await;
    }

    async fn requests(&self) -> usize {
        self.server
            .received_requests()
            .await
            .unwrap()
            .iter()
            .filter(|request| request.method == "POST")
            .count()
    }

    async fn until_requests(&self, count: usize) {
        while self.requests().await < count {
            tokio::task::yield_now().await;
        }
    }
}

fn token(text: &str, more: Value) -> ResponseTemplate {
    let mut body = json!({ "access_token": text, "token_type": "Bearer", "expires_in": 3 * 3600 });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    ResponseTemplate::new(200).set_body_json(body)
}

#[tokio::test]
async fn a_server_in_trouble_is_asked_once_more() {
    let sts = Sts::start().await;
    sts.answers(1, ResponseTemplate::new(503)).await;
    sts.answers(1, token("good", json!({}))).await;

    let result = sts.client.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();

    assert_eq!(result.access_token.expose_secret(), "good");
    assert_eq!(sts.requests().await, 2);
}

#[tokio::test]
async fn a_server_that_stays_in_trouble_is_not_asked_a_third_time() {
    let sts = Sts::start().await;
    sts.answers(9, ResponseTemplate::new(500).set_body_string("<html>")).await;

    let error = sts.client.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap_err();

    assert!(matches!(error, Error::Transport(_)) && error.is_retryable(), "{error}");
    assert_eq!(sts.requests().await, 2);
}

#[tokio::test]
async fn who_is_told_to_wait_waits_and_nobody_else_does() {
    let sts = Sts::start().await;
    sts.answers(1, ResponseTemplate::new(429).insert_header("Retry-After", "30")).await;
    sts.answers(9, token("good", json!({}))).await;
    let start = now();

    for _ in 0..3 {
        let error = sts.client.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap_err();
        let Error::Throttled(throttled) = &error else { panic!("{error}") };
        assert!((29..=31).contains(&throttled.until.duration_since(start).as_secs()), "{error}");
        assert!(error.is_retryable());
    }
    assert_eq!(sts.requests().await, 1, "the times to wait are kept");

    sts.client.acquire_token_for_client("api://other/.default").await.unwrap();
    sts.clock.advance(SignedDuration::from_secs(31));
    sts.client.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();
    assert_eq!(sts.requests().await, 3);
}

#[tokio::test]
async fn one_users_time_to_wait_does_not_stop_another() {
    let sts = Sts::start().await;
    let throttled = Mock::given(method("POST")).and(body_string_contains("assertion=alice"));
    throttled
        .respond_with(ResponseTemplate::new(503).insert_header("Retry-After", "120"))
        .mount(&sts.server)
        .await;
    sts.answers(9, token("good", json!({}))).await;
    let assertion = |name: &str| UserAssertion::new(name, now() + SignedDuration::from_hours(1));

    let alice = sts.client.acquire_token_on_behalf_of(&assertion("alice"), "User.Read").await;
    let bob = sts.client.acquire_token_on_behalf_of(&assertion("bob"), "User.Read").await;

    assert!(matches!(alice.unwrap_err(), Error::Throttled(_)));
    bob.unwrap();
}

#[tokio::test]
async fn no_time_to_wait_is_longer_than_an_hour_and_without_one_it_is_a_minute() {
    for (header, seconds) in [(Some("86400"), 3600), (None, 60), (Some("soon"), 60)] {
        let sts = Sts::start().await;
        let answer = ResponseTemplate::new(429);
        sts.answers(9, header.map_or(answer.clone(), |value| answer.insert_header("Retry-After", value)))
            .await;

        let error = sts.client.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap_err();

        let Error::Throttled(throttled) = error else { panic!("{error}") };
        let wait = throttled.until.duration_since(now()).as_secs();
        assert!((seconds - 3..=seconds).contains(&wait), "{header:?}: {wait}");
    }
}

#[tokio::test]
async fn a_token_is_renewed_in_the_background_once_and_no_caller_waits() {
    let sts = Sts::start().await;
    sts.answers(1, token("first", json!({ "refresh_in": 5400 }))).await;
    let slow =
        token("second", json!({ "refresh_in": 5400 })).set_delay(std::time::Duration::from_millis(300));
    sts.answers(9, slow).await;
    sts.client.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();

    sts.clock.advance(SignedDuration::from_secs(5400 - 60));
    let early = sts.client.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();
    assert_eq!(early.refresh_reason, CacheRefreshReason::NotApplicable);

    sts.clock.advance(SignedDuration::from_secs(60 + 301));
    for _ in 0..100 {
        // Each caller goes away at once; the renewal does not go with it.
        let caller = sts.client.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();
        assert_eq!((caller.source, caller.access_token.expose_secret()), (TokenSource::Cache, "first"));
        assert_eq!(caller.refresh_reason, CacheRefreshReason::ProactivelyRefreshed);
    }
    sts.until_requests(2).await;
    loop {
        let next = sts.client.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();
        if next.access_token.expose_secret() == "second" {
            assert_eq!(next.refresh_reason, CacheRefreshReason::NotApplicable);
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(sts.requests().await, 2);
}

#[tokio::test]
async fn a_renewal_that_fails_leaves_the_token_serving_and_pauses() {
    let sts = Sts::start().await;
    sts.answers(1, token("first", json!({ "refresh_in": 600 }))).await;
    sts.answers(99, ResponseTemplate::new(400).set_body_json(json!({ "error": "invalid_client" }))).await;
    sts.client.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();
    sts.clock.advance(SignedDuration::from_secs(1000));

    sts.client.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();
    sts.until_requests(2).await;
    loop {
        let result = sts.client.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();
        assert_eq!(result.access_token.expose_secret(), "first");
        if result.refresh_reason == CacheRefreshReason::NotApplicable {
            break; // The pause has begun.
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(sts.requests().await, 2);

    sts.clock.advance(SignedDuration::from_secs(61));
    sts.client.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();
    sts.until_requests(3).await;
}

#[tokio::test]
async fn less_than_was_asked_is_reported_and_does_not_loop() {
    let sts = Sts::start().await;
    sts.answers(9, token("some", json!({ "scope": "User.Read openid profile" }))).await;
    let assertion = UserAssertion::new("alice", now() + SignedDuration::from_hours(1));
    let ask = || sts.client.acquire_token_on_behalf_of(&assertion, "User.Read Mail.Read");

    for _ in 0..3 {
        let result = ask().await.unwrap();
        assert_eq!(result.declined_scopes.to_string(), "Mail.Read");
        assert!(!result.scopes.contains_all(&"Mail.Read".into()));
    }

    assert_eq!(sts.requests().await, 1);
    assert!(
        sts.client.acquire_token_on_behalf_of(&assertion, "User.Read").await.unwrap().source
            == TokenSource::Cache
    );
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_cancel_the_rest() {
    let sts = Sts::start().await;
    sts.answers(9, token("good", json!({})).set_delay(std::time::Duration::from_millis(200))).await;
    let ask = |client: ConfidentialClient| {
        tokio::spawn(async move { client.acquire_token_for_client(GRAPH_DEFAULT).await })
    };

    let first = ask(sts.client.clone());
    sts.until_requests(1).await;
    let second = ask(sts.client.clone());
    first.abort();

    assert_eq!(second.await.unwrap().unwrap().access_token.expose_secret(), "good");
    assert_eq!(sts.requests().await, 1);
}
