//! Redis away, paused, emptied or full: every acquisition is answered, in time, and Redis is found again.

use std::time::Duration;

use entra_lab::EntraLab;
use shared_auth::{ConfidentialClient, KeyRing, RedisCache, TokenSource};
use tokio::time::Instant;

use crate::redis_server::{KEY, RedisServer, cache, replica, replica_with};
use crate::redis_sharing::assertion_of;
use crate::support::{API, DAEMON, GRAPH_DEFAULT, WEB_APP, access_as_user, sign_in};

/// Reading, the lease and writing may each take the limit of 250 ms once, and a busy machine its share. What hangs takes
/// for ever.
const LONGEST: Duration = Duration::from_secs(5);

/// Acquires without help from memory, again and again, for as long as told. Returns the longest wait.
async fn acquire_for(lab: &EntraLab, cache: &RedisCache, time: Duration) -> Duration {
    let (started, mut longest) = (Instant::now(), Duration::ZERO);
    while started.elapsed() < time {
        let fresh = replica_with(lab, DAEMON, cache.clone());
        let asked = Instant::now();
        fresh.acquire_token_for_client(GRAPH_DEFAULT).await.expect("an answer");
        longest = longest.max(asked.elapsed());
    }
    longest
}

/// Goes on until the cache has noticed that its Redis does not answer: enough failures in a row, however slow we are.
async fn noticed(lab: &EntraLab, cache: &RedisCache) {
    let started = Instant::now();
    while cache.state().available {
        assert!(started.elapsed() < Duration::from_secs(20), "not noticed: {:?}", cache.state());
        replica_with(lab, DAEMON, cache.clone())
            .acquire_token_for_client(GRAPH_DEFAULT)
            .await
            .expect("an answer");
    }
}

async fn source(client: &ConfidentialClient) -> TokenSource {
    client.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap().source
}

async fn back(cache: &RedisCache) {
    let started = Instant::now();
    while !cache.state().available {
        assert!(started.elapsed() < Duration::from_secs(5), "Redis is not found again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Checklist 101.
#[tokio::test]
async fn a_redis_that_is_not_there_at_the_start_delays_nobody_and_is_found_later() {
    let (lab, mut redis) = (EntraLab::start().await.unwrap(), RedisServer::start().await);
    let cache = cache(&redis);
    redis.stop();

    let longest = acquire_for(&lab, &cache, Duration::from_secs(1)).await;

    assert!(longest < LONGEST, "{longest:?}");
    noticed(&lab, &cache).await;
    assert!(cache.state().failures >= 5);
    redis.start_again().await;
    back(&cache).await;
    source(&replica_with(&lab, DAEMON, cache.clone())).await;
    assert_eq!(source(&replica_with(&lab, DAEMON, cache.clone())).await, TokenSource::Cache);
}

/// Checklist 101.
#[tokio::test]
async fn a_redis_that_is_stopped_and_started_again_is_missed_by_nobody() {
    let (lab, mut redis) = (EntraLab::start().await.unwrap(), RedisServer::start().await);
    let cache = cache(&redis);
    let before = replica_with(&lab, DAEMON, cache.clone());
    source(&before).await;

    redis.stop();
    let longest = acquire_for(&lab, &cache, Duration::from_secs(2)).await;
    assert_eq!(source(&before).await, TokenSource::Cache, "memory goes on");
    noticed(&lab, &cache).await;
    assert_eq!(cache.state().outages, 1);
    redis.start_again().await;
    back(&cache).await;
    let after = acquire_for(&lab, &cache, Duration::from_millis(300)).await;

    assert!(longest.max(after) < LONGEST, "{longest:?} {after:?}");
    assert_eq!(source(&replica_with(&lab, DAEMON, cache.clone())).await, TokenSource::Cache);
    assert_eq!(source(&before).await, TokenSource::Cache, "memory outlives the loss");
}

#[tokio::test]
async fn a_short_restart_between_two_calls_is_not_even_noticed() {
    let (lab, mut redis) = (EntraLab::start().await.unwrap(), RedisServer::start().await);
    let cache = cache(&redis);
    let client = replica_with(&lab, DAEMON, cache.clone());
    source(&client).await;

    redis.stop();
    redis.start_again().await;
    client.acquire_token_for_client(GRAPH_DEFAULT).force_refresh().await.unwrap();

    assert_eq!(cache.state().failures, 0);
    assert_eq!(source(&replica(&lab, DAEMON, &redis)).await, TokenSource::Cache);
}

/// Checklist 101, 120.
#[tokio::test]
async fn a_redis_that_is_paused_costs_the_time_limit_and_then_nothing() {
    let (lab, redis) = (EntraLab::start().await.unwrap(), RedisServer::start().await);
    let cache = cache(&redis);
    source(&replica_with(&lab, DAEMON, cache.clone())).await;

    redis.pause();
    let longest = acquire_for(&lab, &cache, Duration::from_secs(3)).await;
    noticed(&lab, &cache).await;
    let state = cache.state();
    let asked = Instant::now();
    source(&replica_with(&lab, DAEMON, cache.clone())).await;
    let when_open = asked.elapsed();
    redis.resume();
    back(&cache).await;

    assert!(longest < LONGEST, "{longest:?}");
    assert!(!state.available && state.outages == 1, "{state:?}");
    assert!(when_open < Duration::from_millis(750), "nobody waits while the circuit is open: {when_open:?}");
    assert_eq!(source(&replica_with(&lab, DAEMON, cache.clone())).await, TokenSource::Cache);
}

/// Checklist 101.
#[tokio::test]
async fn a_redis_that_was_emptied_costs_one_request_to_entra() {
    let (lab, redis) = (EntraLab::start().await.unwrap(), RedisServer::start().await);
    let alice = assertion_of(&lab, "alice").await;
    let (one, other) = (replica(&lab, API, &redis), replica(&lab, API, &redis));
    one.acquire_token_on_behalf_of(&alice, "User.Read").await.unwrap();

    let _: String = redis.command(&["FLUSHALL"]).await;

    let memory = one.acquire_token_on_behalf_of(&alice, "User.Read").await.unwrap();
    assert_eq!(memory.source, TokenSource::Cache);
    let entra = other.acquire_token_on_behalf_of(&alice, "User.Read").await.unwrap();
    assert_eq!(entra.source, TokenSource::IdentityProvider);
    let shared = replica(&lab, API, &redis).acquire_token_on_behalf_of(&alice, "User.Read").await.unwrap();
    assert_eq!(shared.source, TokenSource::Cache);
}

/// Checklist 101.
#[tokio::test]
async fn a_redis_without_room_is_said_and_recovers_and_signing_out_still_works() {
    let (lab, redis) = (EntraLab::start().await.unwrap(), RedisServer::start().await);
    let cache = cache(&redis);
    let web_app = replica_with(&lab, WEB_APP, cache.clone());
    let account = sign_in(&web_app, "alice", &access_as_user()).await.account;
    let _: String = redis.command(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
    let _: String = redis.command(&["CONFIG", "SET", "maxmemory", "1mb"]).await;

    let longest = acquire_for(&lab, &cache, Duration::from_millis(500)).await;
    assert!(longest < LONGEST, "{longest:?}");
    assert!(cache.state().full && cache.state().available, "{:?}", cache.state());
    web_app.remove_account(&account);
    let started = Instant::now();
    while redis.command::<Vec<String>>(&["KEYS", "auth:*:p:*"]).await.len() > 1 {
        assert!(started.elapsed() < LONGEST, "still there");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    let _: String = redis.command(&["CONFIG", "SET", "maxmemory", "0"]).await;
    source(&replica_with(&lab, DAEMON, cache.clone())).await;
    assert!(!cache.state().full);
    assert_eq!(source(&replica_with(&lab, DAEMON, cache.clone())).await, TokenSource::Cache);
}

/// Checklist 108.
#[tokio::test]
async fn a_wrong_password_is_an_outage_and_is_not_shown() {
    let (lab, redis) = (EntraLab::start().await.unwrap(), RedisServer::start().await);
    let keys: KeyRing = KEY.parse().unwrap();
    let url = redis.url().replace("redis://", "redis://:s3cret@");
    let wrong = RedisCache::builder(&url, keys).time_limit(Duration::from_millis(50)).build().unwrap();
    assert!(!format!("{wrong:?}").contains("s3cret"));
    let _: String = redis.command(&["CONFIG", "SET", "requirepass", "another"]).await;

    let longest = acquire_for(&lab, &wrong, Duration::from_millis(500)).await;

    assert!(longest < LONGEST, "{longest:?}");
    noticed(&lab, &wrong).await;
}

/// Checklist 108.
#[tokio::test]
async fn a_redis_that_shows_a_certificate_of_nobody_we_trust_is_not_talked_to() {
    let (lab, folder) = (EntraLab::start().await.unwrap(), tempfile::tempdir().unwrap());
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let (cert, key) = (cert.to_str().unwrap(), key.to_str().unwrap());
    let redis = RedisServer::start_with(&[
        "--tls-port",
        "TLS",
        "--tls-cert-file",
        cert,
        "--tls-key-file",
        key,
        "--tls-auth-clients",
        "no",
    ])
    .await;
    let url = format!("rediss://localhost:{}", redis.tls_port());
    let untrusted = RedisCache::connect(&url, KEY.parse().unwrap()).unwrap();

    let longest = acquire_for(&lab, &untrusted, Duration::from_millis(500)).await;

    assert!(longest < LONGEST, "{longest:?}");
    noticed(&lab, &untrusted).await;
    assert!(redis.everything().await.is_empty());
}

#[tokio::test]
async fn a_user_who_signs_out_while_redis_is_away_is_forgotten_when_it_is_back() {
    let (lab, redis) = (EntraLab::start().await.unwrap(), RedisServer::start().await);
    let (one, other) = (replica(&lab, WEB_APP, &redis), replica(&lab, WEB_APP, &redis));
    let account = sign_in(&one, "alice", &access_as_user()).await.account;
    other.acquire_token_silent(&account, access_as_user()).await.unwrap();

    redis.pause();
    one.remove_account(&account);
    assert!(
        one.acquire_token_silent(&account, access_as_user()).await.unwrap_err().is_interaction_required()
    );
    tokio::time::sleep(Duration::from_millis(400)).await;
    redis.resume();

    let started = Instant::now();
    while other.acquire_token_silent(&account, access_as_user()).await.is_ok() {
        assert!(started.elapsed() < Duration::from_secs(5), "still there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
