//! What every acquisition does around its request: one retry, times to wait, renewal ahead of time, declined scopes.
//! Against a token endpoint that misbehaves on purpose.

use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::SignedDuration;
use serde_json::{Value, json};
use shared_auth::{
    Account, CacheRefreshReason, ClientCredential, ConfidentialClient, ConfidentialClientBuilder,
    EntraConfig, Error, ManualClock, TokenSource, UserAssertion,
};
use tokio::time::Instant;
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
        Self::start_with(|builder| builder).await
    }

    async fn start_with(more: impl FnOnce(ConfidentialClientBuilder) -> ConfidentialClientBuilder) -> Self {
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
        let builder = ConfidentialClient::builder(config).clock(Arc::new(clock.clone()));
        let client = more(builder).build().unwrap();
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

const HALF_A_SECOND: Duration = Duration::from_millis(500);

fn account(user: &str) -> Account {
    let home_account_id = format!("{user}.{TENANT}");
    Account { home_account_id, tenant_id: TENANT.to_owned(), username: String::new() }
}

/// A token of a user, with a refresh token.
fn token_of(user: &str, more: Value) -> ResponseTemplate {
    let client_info = URL_SAFE_NO_PAD.encode(json!({ "uid": user, "utid": TENANT }).to_string());
    let mut body = json!({ "client_info": client_info, "refresh_token": "r" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    token(user, body)
}

fn token(text: &str, more: Value) -> ResponseTemplate {
    let mut body = json!({ "access_token": text, "token_type": "Bearer", "expires_in": 3 * 3600 });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    ResponseTemplate::new(200).set_body_json(body)
}

/// Checklist 111.
#[tokio::test]
async fn a_server_in_trouble_is_asked_once_more() {
    let sts = Sts::start().await;
    sts.answers(1, ResponseTemplate::new(503)).await;
    sts.answers(1, token("good", json!({}))).await;

    let result = sts.client.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();

    assert_eq!(result.access_token.expose_secret(), "good");
    assert_eq!(sts.requests().await, 2);
}

/// Checklist 111.
#[tokio::test]
async fn a_server_that_stays_in_trouble_is_not_asked_a_third_time() {
    let sts = Sts::start().await;
    sts.answers(9, ResponseTemplate::new(500).set_body_string("<html>")).await;

    let asked = Instant::now();
    let error = sts.client.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap_err();

    assert!(matches!(error, Error::Transport(_)) && error.is_retryable(), "{error}");
    assert_eq!(sts.requests().await, 2);
    assert!(asked.elapsed() >= Duration::from_millis(200), "the second try left it no time");
}

/// Checklist 110.
#[tokio::test]
async fn who_is_told_to_wait_waits_and_nobody_else_does() {
    let sts = Sts::start().await;
    sts.answers(1, ResponseTemplate::new(429).insert_header("Retry-After", "30")).await;
    sts.answers(9, token("good", json!({}))).await;
    let start = shared_auth::Clock::now(&sts.clock);

    for _ in 0..3 {
        let error = sts.client.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap_err();
        let Error::Throttled(throttled) = &error else { panic!("{error}") };
        assert_eq!(throttled.until.duration_since(start).as_secs(), 30, "{error}");
        assert!(error.is_retryable());
    }
    assert_eq!(sts.requests().await, 1, "the times to wait are kept");

    sts.client.acquire_token_for_client("api://other/.default").await.unwrap();
    sts.clock.advance(SignedDuration::from_secs(31));
    sts.client.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();
    assert_eq!(sts.requests().await, 3);
}

/// Checklist 106.
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

/// Checklist 110.
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

/// Checklist 121.
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

/// Checklist 107.
#[tokio::test]
async fn signing_out_beats_a_request_on_behalf_of_the_user_that_is_under_way() {
    let sts = Sts::start().await;
    sts.answers(99, token_of("alice", json!({})).set_delay(HALF_A_SECOND)).await;
    let assertion = UserAssertion::new("alice", now() + SignedDuration::from_hours(1));
    let ask = || sts.client.acquire_token_on_behalf_of(&assertion, "User.Read").into_future();

    let (under_way, long_running) = (
        tokio::spawn(ask()),
        tokio::spawn(sts.client.initiate_long_running_on_behalf_of(&assertion, "User.Read").into_future()),
    );
    sts.until_requests(2).await;
    sts.client.remove_account(&account("alice"));

    under_way.await.unwrap().expect("whoever asked gets the token");
    let (_, key) = long_running.await.unwrap().unwrap();
    assert_eq!(ask().await.unwrap().source, TokenSource::IdentityProvider, "it was not cached");
    assert_eq!(ask().await.unwrap().source, TokenSource::Cache, "what begins after the sign-out is");
    let error = sts.client.acquire_token_in_long_running_process(&key, "User.Read").await.unwrap_err();
    assert!(error.is_interaction_required(), "{error}");
}

#[tokio::test]
async fn signing_out_beats_a_refresh_that_is_under_way_ahead_of_time_or_not() {
    for ahead_of_time in [true, false] {
        let sts = Sts::start().await;
        sts.answers(1, token_of("alice", json!({ "refresh_in": 600 }))).await;
        sts.answers(99, token_of("alice", json!({})).set_delay(HALF_A_SECOND)).await;
        let assertion = UserAssertion::new("alice", now() + SignedDuration::from_hours(1));
        let (_, key) = sts.client.initiate_long_running_on_behalf_of(&assertion, "User.Read").await.unwrap();
        sts.clock.advance(SignedDuration::from_secs(1000));
        let ask = || sts.client.acquire_token_in_long_running_process(&key, "User.Read");

        let under_way = if ahead_of_time {
            assert_eq!(ask().await.unwrap().refresh_reason, CacheRefreshReason::ProactivelyRefreshed);
            None
        } else {
            Some(tokio::spawn(ask().force_refresh().into_future()))
        };
        sts.until_requests(2).await;
        sts.client.remove_account(&account("alice"));

        match under_way {
            Some(under_way) => drop(under_way.await.unwrap().expect("whoever asked gets the token")),
            None => tokio::time::sleep(HALF_A_SECOND * 2).await,
        }
        for _ in 0..2 {
            let error = ask().await.unwrap_err();
            assert!(error.is_interaction_required(), "{error}");
        }
        assert_eq!(sts.requests().await, 2);
    }
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn signing_out_beats_a_request_that_is_under_way_for_all_replicas() {
    use crate::redis_server::{RedisServer, cache};

    let redis = RedisServer::start().await;
    let sts = Sts::start_with(|builder| builder.shared_cache(cache(&redis))).await;
    sts.answers(99, token_of("alice", json!({})).set_delay(HALF_A_SECOND)).await;
    let assertion = UserAssertion::new("alice", now() + SignedDuration::from_hours(1));
    let ask = || sts.client.acquire_token_on_behalf_of(&assertion, "User.Read").into_future();

    let under_way = tokio::spawn(ask());
    sts.until_requests(1).await;
    sts.client.remove_account(&account("alice"));
    under_way.await.unwrap().expect("whoever asked gets the token");

    assert_eq!(ask().await.unwrap().source, TokenSource::IdentityProvider, "it is not in Redis either");
}

#[tokio::test]
async fn somebody_elses_sign_out_does_not_keep_a_token_out_of_the_cache() {
    let sts = Sts::start().await;
    sts.answers(99, token_of("alice", json!({})).set_delay(HALF_A_SECOND)).await;
    let assertion = UserAssertion::new("alice", now() + SignedDuration::from_hours(1));
    let ask = || sts.client.acquire_token_on_behalf_of(&assertion, "User.Read").into_future();

    let under_way = tokio::spawn(ask());
    sts.until_requests(1).await;
    sts.client.remove_account(&account("bob"));
    under_way.await.unwrap().unwrap();

    assert_eq!(ask().await.unwrap().source, TokenSource::Cache);
}

/// Checklist 110.
#[tokio::test]
async fn a_time_to_wait_counts_however_the_next_request_comes_about() {
    let sts = Sts::start().await;
    sts.answers(1, token("first", json!({ "refresh_in": 600 }))).await;
    sts.answers(99, ResponseTemplate::new(429).insert_header("Retry-After", "3600")).await;
    let ask = || sts.client.acquire_token_for_client(GRAPH_DEFAULT);
    ask().await.unwrap();

    // Learned ahead of time.
    sts.clock.advance(SignedDuration::from_secs(1000));
    while ask().await.unwrap().refresh_reason == CacheRefreshReason::ProactivelyRefreshed {
        tokio::task::yield_now().await;
    }
    assert_eq!(sts.requests().await, 2);
    assert!(matches!(ask().force_refresh().await.unwrap_err(), Error::Throttled(_)));
    assert_eq!(sts.requests().await, 2, "who forces a refresh waits too");

    // Learned by force, with the token at its end.
    sts.clock.advance(SignedDuration::from_secs(3 * 3600 - 1000 - 600));
    assert!(matches!(ask().force_refresh().await.unwrap_err(), Error::Throttled(_)));
    assert_eq!(sts.requests().await, 3);
    sts.clock.advance(SignedDuration::from_secs(600));
    assert!(matches!(ask().await.unwrap_err(), Error::Throttled(_)));
    assert_eq!(sts.requests().await, 3, "who has no token any more waits too");

    // A challenge is another question.
    assert!(ask().claims("{}").await.is_err());
    assert_eq!(sts.requests().await, 4);
}

#[test]
fn a_renewal_ahead_of_time_is_begun_by_the_first_poll_and_needs_no_runtime_before() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let sts = runtime.block_on(async {
        let sts = Sts::start().await;
        sts.answers(1, token("first", json!({ "refresh_in": 600 }))).await;
        sts.answers(9, token("second", json!({}))).await;
        sts.client.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();
        sts
    });
    sts.clock.advance(SignedDuration::from_secs(1000));

    drop(sts.client.acquire_token_for_client(GRAPH_DEFAULT).into_future());
    let hit = sts.client.acquire_token_for_client(GRAPH_DEFAULT).into_future();
    let hit = runtime.block_on(hit).unwrap();

    assert_eq!(hit.refresh_reason, CacheRefreshReason::ProactivelyRefreshed);
    runtime.block_on(sts.until_requests(2));
    runtime.block_on(async { drop(sts) });
}
