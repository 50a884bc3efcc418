//! Many replicas at once: they ask Entra once, hear of each other's changes, and wait for no dead one.

use std::net::TcpListener;
use std::time::Duration;

use entra_lab::EntraLab;
use shared_auth::{ClientCredential, ConfidentialClient, EntraConfig, TokenSource, UserAssertion};
use tokio::time::Instant;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::redis_server::{RedisServer, cache, patient, replica, replica_with, within_a_second};
use crate::redis_sharing::assertion_of;
use crate::support::{API, DAEMON, GRAPH_DEFAULT, WEB_APP, access_as_user, sign_in, token_requests};

const OBO: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// Checklist 103.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_replicas_that_miss_the_same_token_ask_entra_once() {
    let (lab, redis) = (EntraLab::start().await.unwrap(), RedisServer::start().await);
    let alice = assertion_of(&lab, "alice").await;
    let replicas: Vec<_> = (0..50).map(|_| replica_with(&lab, API, patient(&redis.url()))).collect();

    let calls: Vec<_> = replicas
        .iter()
        .map(|api| {
            let (api, alice) = (api.clone(), alice.clone());
            tokio::spawn(async move { api.acquire_token_on_behalf_of(&alice, "User.Read").await })
        })
        .collect();
    let mut sources = Vec::new();
    let mut tokens = std::collections::HashSet::new();
    for call in calls {
        let token = call.await.unwrap().unwrap();
        sources.push(token.source);
        tokens.insert(token.access_token.expose_secret().to_owned());
    }

    assert_eq!(token_requests(&lab, OBO), 1);
    assert_eq!(sources.iter().filter(|source| **source == TokenSource::IdentityProvider).count(), 1);
    assert_eq!(tokens.len(), 1);
}

#[tokio::test]
async fn replicas_that_want_different_things_do_not_wait_for_each_other() {
    let (lab, redis) = (EntraLab::start().await.unwrap(), RedisServer::start().await);
    let stuck = replica_that_hangs(&lab, &redis);
    let waiting = tokio::spawn(async move { stuck.acquire_token_for_client(GRAPH_DEFAULT).await });
    lease_taken(&redis).await;

    let asked = Instant::now();
    let alice = assertion_of(&lab, "alice").await;
    replica(&lab, API, &redis).acquire_token_on_behalf_of(&alice, "User.Read").await.unwrap();

    assert!(asked.elapsed() < Duration::from_millis(1_500), "{:?}", asked.elapsed());
    waiting.abort();
}

#[tokio::test]
async fn a_replica_that_died_while_it_asked_delays_nobody_by_more_than_its_lease() {
    let (lab, redis) = (EntraLab::start().await.unwrap(), RedisServer::start().await);
    let dead = replica_that_hangs(&lab, &redis);
    let dying = tokio::spawn(async move { dead.acquire_token_for_client(GRAPH_DEFAULT).await });
    lease_taken(&redis).await;
    dying.abort();

    let asked = Instant::now();
    let calls: Vec<_> = (0..10)
        .map(|_| {
            let daemon = replica(&lab, DAEMON, &redis);
            tokio::spawn(async move { daemon.acquire_token_for_client(GRAPH_DEFAULT).await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }

    assert!(asked.elapsed() < Duration::from_millis(2_800), "{:?}", asked.elapsed());
    assert!(asked.elapsed() > Duration::from_millis(500), "they waited for it: {:?}", asked.elapsed());
}

/// The same registration, at an authority that takes the connection and never answers.
fn replica_that_hangs(lab: &EntraLab, redis: &RedisServer) -> ConfidentialClient {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap());
    std::mem::forget(silent); // Open until the tests end.
    let config = EntraConfig::new(
        address.parse().unwrap(),
        lab.tenant_id().to_string(),
        DAEMON,
        ClientCredential::secret("x"),
    );
    ConfidentialClient::builder(config).shared_cache(cache(redis)).build().unwrap()
}

async fn lease_taken(redis: &RedisServer) {
    within_a_second("a lease is taken", || async {
        !redis.command::<Vec<String>>(&["KEYS", "auth:*:l:*"]).await.is_empty()
    })
    .await;
}

/// Checklist 107.
#[tokio::test]
async fn a_user_who_signs_out_at_one_replica_is_forgotten_by_the_others_within_a_second() {
    let (lab, redis) = (EntraLab::start().await.unwrap(), RedisServer::start().await);
    let (web_one, web_two) = (replica(&lab, WEB_APP, &redis), replica(&lab, WEB_APP, &redis));
    let signed_in = sign_in(&web_one, "alice", &access_as_user()).await;
    let account = signed_in.account;
    let alice =
        UserAssertion::new(signed_in.result.access_token.expose_secret(), signed_in.result.expires_at);
    // In the memory of both.
    web_two.acquire_token_silent(&account, access_as_user()).await.unwrap();
    let (api_one, api_two) = (replica(&lab, API, &redis), replica(&lab, API, &redis));
    for api in [&api_one, &api_two] {
        api.acquire_token_on_behalf_of(&alice, "User.Read").await.unwrap();
    }

    web_one.remove_account(&account);
    // The API is told in its own way; here, by its own first replica.
    api_one.remove_account(&account);

    within_a_second("the other web app forgets", || async {
        web_two.acquire_token_silent(&account, access_as_user()).await.is_err()
    })
    .await;
    within_a_second("the other API forgets", || async {
        let before = token_requests(&lab, OBO);
        api_two.acquire_token_on_behalf_of(&alice, "User.Read").await.unwrap();
        token_requests(&lab, OBO) > before
    })
    .await;
}

#[tokio::test]
async fn a_token_that_one_replica_renewed_is_soon_the_others_too() {
    let (lab, redis) = (EntraLab::start().await.unwrap(), RedisServer::start().await);
    let (one, other) = (replica(&lab, DAEMON, &redis), replica(&lab, DAEMON, &redis));
    one.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();
    other.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();

    // A second later, so that the tokens differ in their times.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let renewed = one.acquire_token_for_client(GRAPH_DEFAULT).force_refresh().await.unwrap();

    within_a_second("the other serves the new one", || async {
        let token = other.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();
        token.access_token.expose_secret() == renewed.access_token.expose_secret()
    })
    .await;
    assert_eq!(token_requests(&lab, "client_credentials"), 2);
}

#[tokio::test]
async fn what_was_missed_while_the_channel_was_away_is_noticed_when_it_is_back() {
    let (lab, redis) = (EntraLab::start().await.unwrap(), RedisServer::start().await);
    let (one, other) = (replica(&lab, WEB_APP, &redis), replica(&lab, WEB_APP, &redis));
    let account = sign_in(&one, "alice", &access_as_user()).await.account;
    other.acquire_token_silent(&account, access_as_user()).await.unwrap();

    // Every channel is cut while the user signs out.
    one.remove_account(&account);
    let _: i64 = redis.command(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;

    within_a_second("the other looks again", || async {
        other.acquire_token_silent(&account, access_as_user()).await.is_err()
    })
    .await;
}

/// A replica whose token endpoint takes its time.
async fn slow_replica(lab: &EntraLab, redis: &RedisServer) -> (ConfidentialClient, MockServer) {
    let (server, tenant) = (MockServer::start().await, lab.tenant_id().to_string());
    let at = |end: &str| format!("{}/{tenant}/{end}", server.uri());
    let document = serde_json::json!({
        "issuer": at("v2.0"), "authorization_endpoint": at("authorize"), "token_endpoint": at("token"),
        "jwks_uri": at("keys"), "end_session_endpoint": at("out"),
    });
    Mock::given(method("GET"))
        .and(path(format!("/{tenant}/v2.0/.well-known/openid-configuration")))
        .respond_with(ResponseTemplate::new(200).set_body_json(document))
        .mount(&server)
        .await;
    let tokens = serde_json::json!({
        "token_type": "Bearer", "access_token": "late", "refresh_token": "late", "expires_in": 3600, "scope": "User.Read",
    });
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(200).set_body_json(tokens).set_delay(Duration::from_millis(800)))
        .mount(&server)
        .await;
    let config =
        EntraConfig::new(server.uri().parse().unwrap(), tenant, WEB_APP, ClientCredential::secret("x"));
    (ConfidentialClient::builder(config).shared_cache(cache(redis)).build().unwrap(), server)
}

#[tokio::test]
async fn a_renewal_that_was_under_way_when_the_user_signed_out_brings_nothing_back() {
    let (lab, redis) = (EntraLab::start().await.unwrap(), RedisServer::start().await);
    let one = replica(&lab, WEB_APP, &redis);
    let (slow, _server) = slow_replica(&lab, &redis).await;
    let account = sign_in(&one, "alice", &access_as_user()).await.account;

    let under_way = {
        let (slow, account) = (slow.clone(), account.clone());
        tokio::spawn(async move { slow.acquire_token_silent(&account, "User.Read").await })
    };
    tokio::time::sleep(Duration::from_millis(300)).await;
    one.remove_account(&account);

    under_way.await.unwrap().expect("whoever asked before gets the token");
    for client in [&one, &slow, &replica(&lab, WEB_APP, &redis)] {
        let error = client.acquire_token_silent(&account, "User.Read").await.unwrap_err();
        assert!(error.is_interaction_required(), "{error}");
    }
}
