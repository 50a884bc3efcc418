//! What a client counts: each figure moves when, and only when, the thing happens.

use entra_lab::{EntraLab, Fault, Target, What};
use shared_auth::{ApiConfig, Check, ConfidentialClient};

use crate::support::{
    API, DAEMON, GRAPH_DEFAULT, WEB_APP, access_as_user, client, client_with_clock, sign_in, token_requests,
};

async fn acquire(client: &ConfidentialClient) -> bool {
    client.acquire_token_for_client(GRAPH_DEFAULT).await.is_ok()
}

#[tokio::test]
async fn acquisitions_are_counted_by_where_the_token_came_from_and_lookups_by_the_level_that_answered() {
    let lab = EntraLab::start().await.unwrap();
    let daemon = client(&lab, DAEMON);

    for _ in 0..3 {
        assert!(acquire(&daemon).await);
    }
    daemon.acquire_token_for_client(GRAPH_DEFAULT).force_refresh().await.unwrap();

    let metrics = daemon.metrics();
    assert_eq!((metrics.acquired_from_identity_provider, metrics.acquired_from_cache), (2, 2));
    assert_eq!((metrics.memory_hits, metrics.shared_hits, metrics.cache_misses), (2, 0, 1));
    assert_eq!(metrics.failed_acquisitions.total(), 0);
    assert_eq!(client(&lab, DAEMON).metrics().acquired_from_cache, 0, "each client counts for itself");
}

#[tokio::test]
async fn a_sign_in_and_what_is_got_silently_after_it_are_counted() {
    let lab = EntraLab::start().await.unwrap();
    let web_app = client(&lab, WEB_APP);

    let user = sign_in(&web_app, "alice", &access_as_user()).await;
    web_app.acquire_token_silent(&user.account, access_as_user()).await.unwrap();

    let metrics = web_app.metrics();
    assert_eq!((metrics.acquired_from_identity_provider, metrics.acquired_from_cache), (1, 1));
}

#[tokio::test]
async fn failures_are_counted_by_whose_turn_it_is() {
    let lab = EntraLab::start().await.unwrap();
    let (daemon, web_app) = (client(&lab, DAEMON), client(&lab, WEB_APP));
    let user = sign_in(&web_app, "alice", &access_as_user()).await;

    daemon.acquire_token_for_client("User.Read").await.unwrap_err();
    daemon.acquire_token_for_client("api://nobody/.default").await.unwrap_err();
    lab.fault(Fault::new(Target::Token, What::Status { status: 500, retry_after: None }));
    daemon.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap_err();
    web_app.remove_account(&user.account);
    web_app.acquire_token_silent(&user.account, "User.Read").await.unwrap_err();

    let failed = daemon.metrics().failed_acquisitions;
    assert_eq!((failed.config, failed.refused, failed.transport, failed.total()), (1, 1, 1, 3));
    assert_eq!(web_app.metrics().failed_acquisitions.interaction_required, 1);
}

#[tokio::test]
async fn every_request_to_the_token_endpoint_is_timed() {
    let lab = EntraLab::start().await.unwrap();
    let daemon = client(&lab, DAEMON);
    lab.fault(Fault::new(Target::Token, What::Status { status: 503, retry_after: None }).times(1));

    assert!(acquire(&daemon).await);

    let latency = daemon.metrics().token_requests;
    assert_eq!(latency.count, 2, "the second try is one more");
    assert_eq!(latency.classes.iter().sum::<u64>(), 2);
    assert!(!latency.total.is_zero());
}

#[tokio::test]
async fn being_told_to_wait_and_waiting_are_two_figures() {
    let lab = EntraLab::start().await.unwrap();
    let (daemon, clock) = client_with_clock(&lab, DAEMON);
    lab.fault(Fault::new(Target::Token, What::Status { status: 429, retry_after: Some(30) }).times(1));

    for _ in 0..3 {
        assert!(!acquire(&daemon).await);
    }
    clock.advance(jiff::SignedDuration::from_secs(31));
    assert!(acquire(&daemon).await);

    let metrics = daemon.metrics();
    assert_eq!((metrics.told_to_wait, metrics.kept_back), (1, 2));
    assert_eq!(metrics.failed_acquisitions.throttled, 3);
    assert_eq!(token_requests(&lab, "client_credentials"), 1, "the refused one has no grant in the record");
}

#[tokio::test]
async fn tokens_of_callers_are_counted_by_the_check_that_refused_them() {
    let lab = EntraLab::start().await.unwrap();
    let token = sign_in(&client(&lab, WEB_APP), "alice", &access_as_user()).await.result.access_token.clone();
    let (api, clock) = client_with_clock(&lab, API);
    let validator = api.access_token_validator(&ApiConfig::new(API));

    validator.validate(token.expose_secret()).await.unwrap();
    validator.validate("not a token").await.unwrap_err();
    clock.advance(jiff::SignedDuration::from_hours(48));
    validator.validate(token.expose_secret()).await.unwrap_err();

    let metrics = api.metrics();
    assert_eq!((metrics.tokens_accepted, metrics.tokens_refused), (1, 2));
    assert_eq!(metrics.tokens_refused_by(Check::Shape), 1);
    assert_eq!(metrics.tokens_refused_by(Check::Lifetime), 1);
}

#[cfg(feature = "redis")]
mod redis {
    use super::*;
    use crate::redis_server::{KEY, OLD_KEY, RedisServer, cache, cache_with_keys, replica, replica_with};

    #[tokio::test]
    async fn what_another_replica_got_is_a_hit_of_the_shared_level() {
        let (lab, redis) = (EntraLab::start().await.unwrap(), RedisServer::start().await);
        let (one, other) = (replica(&lab, DAEMON, &redis), replica(&lab, DAEMON, &redis));

        assert!(acquire(&one).await && acquire(&other).await && acquire(&other).await);

        let metrics = other.metrics();
        // When it begins to hear of changes, it looks again at what it has: the second time may be either.
        assert!(metrics.shared_hits >= 1, "{metrics:?}");
        assert_eq!((metrics.shared_hits + metrics.memory_hits, metrics.cache_misses), (2, 0));
        assert_eq!((metrics.acquired_from_cache, metrics.acquired_from_identity_provider), (2, 0));
        assert_eq!(one.metrics().cache_misses, 1);
    }

    #[tokio::test]
    async fn values_under_a_foreign_key_are_counted() {
        let (lab, redis) = (EntraLab::start().await.unwrap(), RedisServer::start().await);
        let one = replica_with(&lab, DAEMON, cache_with_keys(&redis, OLD_KEY));
        let other = replica_with(&lab, DAEMON, cache_with_keys(&redis, KEY));
        assert_eq!(other.metrics().redis.unwrap().unreadable, 0);

        assert!(acquire(&one).await && acquire(&other).await);

        let redis = other.metrics().redis.unwrap();
        assert!(redis.unreadable >= 1, "{redis:?}");
        assert_eq!(one.metrics().redis.unwrap().unreadable, 0);
    }

    #[tokio::test]
    async fn the_circuit_shows_as_open_while_redis_is_away_and_as_closed_when_it_is_back() {
        let (lab, mut redis) = (EntraLab::start().await.unwrap(), RedisServer::start().await);
        let client = replica_with(&lab, DAEMON, cache(&redis));
        let state = || client.metrics().redis.unwrap();
        assert!(acquire(&client).await && state().available);

        redis.stop();
        let mut tries = 0;
        while state().available {
            tries += 1;
            assert!(tries < 50, "not noticed: {:?}", state());
            client.acquire_token_for_client(GRAPH_DEFAULT).force_refresh().await.unwrap();
        }
        assert!(state().outages == 1 && state().failures >= 5, "{:?}", state());

        redis.start_again().await;
        while !state().available {
            tokio::task::yield_now().await;
        }
        assert_eq!(state().outages, 1);
    }
}
