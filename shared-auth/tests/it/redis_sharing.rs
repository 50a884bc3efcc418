//! Two replicas share what they get, through a real Redis; what lies there tells nothing and cannot be tampered with.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use deadpool_redis::redis::cmd;
use entra_lab::EntraLab;
use jiff::SignedDuration;
use shared_auth::{Account, ConfidentialClient, Env, KeyRing, RedisCache, TokenSource, UserAssertion};

use crate::redis_server::{
    KEY, OLD_KEY, RedisServer, cache, cache_with_keys, replica, replica_with, replica_with_clock,
    within_a_second,
};
use crate::support::{
    API, DAEMON, GRAPH_DEFAULT, OTHER_API, WEB_APP, access_as_user, client, registration, sign_in,
    token_requests,
};

const OBO: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const APP: &str = "client_credentials";

pub async fn assertion_of(lab: &EntraLab, user: &str) -> UserAssertion {
    let token = sign_in(&client(lab, WEB_APP), user, &access_as_user()).await.result;
    UserAssertion::new(token.access_token.expose_secret(), token.expires_at)
}

async fn source_of(api: &ConfidentialClient, assertion: &UserAssertion) -> TokenSource {
    api.acquire_token_on_behalf_of(assertion, "User.Read").await.unwrap().source
}

/// Checklist 94.
#[tokio::test]
async fn what_one_replica_got_the_other_has() {
    let (lab, redis) = (EntraLab::start().await.unwrap(), RedisServer::start().await);
    let (one, other) = (replica(&lab, API, &redis), replica(&lab, API, &redis));
    let (alice, bob) = (assertion_of(&lab, "alice").await, assertion_of(&lab, "bob").await);

    assert_eq!(source_of(&one, &alice).await, TokenSource::IdentityProvider);
    let of_alice = other.acquire_token_on_behalf_of(&alice, "User.Read").await.unwrap();
    assert_eq!(of_alice.source, TokenSource::Cache);
    assert_eq!(source_of(&other, &bob).await, TokenSource::IdentityProvider);
    let of_bob = one.acquire_token_on_behalf_of(&bob, "User.Read").await.unwrap();
    assert_eq!(of_bob.source, TokenSource::Cache);

    assert_ne!(of_alice.access_token.expose_secret(), of_bob.access_token.expose_secret());
    assert_eq!(token_requests(&lab, OBO), 2);
}

#[tokio::test]
async fn an_application_and_another_application_do_not_share() {
    let (lab, redis) = (EntraLab::start().await.unwrap(), RedisServer::start().await);
    let (cache, to_api) = (cache(&redis), format!("{OTHER_API}/.default"));
    for (client_id, source) in [
        (DAEMON, TokenSource::IdentityProvider),
        (OTHER_API, TokenSource::IdentityProvider),
        (DAEMON, TokenSource::Cache),
        (OTHER_API, TokenSource::Cache),
    ] {
        let fresh = replica_with(&lab, client_id, cache.clone());
        assert_eq!(fresh.acquire_token_for_client(&to_api[..]).await.unwrap().source, source, "{client_id}");
    }
}

#[tokio::test]
async fn a_user_signed_in_at_one_replica_is_served_by_another_and_its_rotated_refresh_token_comes_along() {
    let (lab, redis) = (EntraLab::start().await.unwrap(), RedisServer::start().await);
    let (one, other) = (replica(&lab, WEB_APP, &redis), replica(&lab, WEB_APP, &redis));
    let account = sign_in(&one, "alice", &format!("{} User.Read", access_as_user())).await.account;

    let token = other.acquire_token_silent(&account, access_as_user()).await.unwrap();
    assert_eq!(token.source, TokenSource::Cache);
    // By the refresh token that the other one got.
    let graph = other.acquire_token_silent(&account, "User.Read").await.unwrap();
    assert_eq!(graph.source, TokenSource::IdentityProvider);
    let third = replica(&lab, WEB_APP, &redis);
    assert_eq!(third.acquire_token_silent(&account, "User.Read").await.unwrap().source, TokenSource::Cache);
    assert!(third.acquire_token_silent(&account, access_as_user()).force_refresh().await.is_ok());
}

#[tokio::test]
async fn a_hit_in_memory_asks_redis_nothing_and_a_miss_asks_once() {
    let (lab, redis) = (EntraLab::start().await.unwrap(), RedisServer::start().await);
    let alice = assertion_of(&lab, "alice").await;
    let (one, other) = (replica(&lab, API, &redis), replica(&lab, API, &redis));
    source_of(&one, &alice).await;

    let (before, looked) = (redis.calls().await, lookups(&redis).await);
    for _ in 0..100 {
        assert_eq!(source_of(&one, &alice).await, TokenSource::Cache);
    }
    assert_eq!(redis.calls().await, before, "memory answers alone");

    assert_eq!(source_of(&other, &alice).await, TokenSource::Cache);
    let after = redis.calls().await;
    assert_eq!(lookups(&redis).await, looked + 1);
    let sum = |calls: &[(String, u64)]| calls.iter().map(|(_, n)| n).sum::<u64>();
    assert_eq!(sum(&after), sum(&before) + 1, "one command: {before:?} {after:?}");
}

/// How often the server has read from a connection: each round trip begins with one.
async fn reads(redis: &RedisServer) -> u64 {
    let info: String = redis.command(&["INFO", "stats"]).await;
    let figure = info.lines().find_map(|line| line.strip_prefix("total_reads_processed:")).unwrap();
    figure.trim().parse().unwrap()
}

#[tokio::test]
async fn a_lookup_is_one_round_trip_and_so_is_a_write_as_the_server_counts_them() {
    const TIMES: u64 = 3; // All together fewer than what counts as a loop.
    let (lab, redis) = (EntraLab::start().await.unwrap(), RedisServer::start().await);
    let builder = ConfidentialClient::builder(registration(&lab, DAEMON)).shared_cache(cache(&redis));
    let small = builder.memory_limit_bytes(1).build().unwrap();
    small.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();
    let round_trips = async |writes: bool, client: &ConfidentialClient| {
        let (before, measured) = (reads(&redis).await, reads(&redis).await);
        for _ in 0..TIMES {
            let asked = client.acquire_token_for_client(GRAPH_DEFAULT);
            let token = if writes { asked.force_refresh().await } else { asked.await }.unwrap();
            assert_eq!(token.source == TokenSource::Cache, !writes);
        }
        reads(&redis).await - measured - (measured - before)
    };

    // Only the connection that listens says something of its own accord, rarely: what it says comes on top.
    let mut seen = Vec::new();
    while seen.last() != Some(&TIMES) {
        assert!(seen.len() < 5, "{TIMES} lookups in {seen:?} round trips");
        seen.push(round_trips(false, &small).await);
    }
    // It looks for the latest refresh token first, then writes: two.
    let usual = replica(&lab, DAEMON, &redis);
    usual.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(500)).await; // It listens by now.
    let mut seen = Vec::new();
    while seen.last() != Some(&(2 * TIMES)) {
        assert!(seen.len() < 4, "{TIMES} lookups and writes in {seen:?} round trips");
        seen.push(round_trips(true, &usual).await);
    }
}

#[tokio::test]
async fn a_replica_whose_memory_has_no_room_is_served_by_redis() {
    let (lab, redis) = (EntraLab::start().await.unwrap(), RedisServer::start().await);
    let alice = assertion_of(&lab, "alice").await;
    let builder = ConfidentialClient::builder(registration(&lab, API)).shared_cache(cache(&redis));
    let small = builder.memory_limit_bytes(1).build().unwrap();

    assert_eq!(source_of(&small, &alice).await, TokenSource::IdentityProvider);
    for _ in 0..3 {
        assert_eq!(source_of(&small, &alice).await, TokenSource::Cache);
    }
    assert_eq!(token_requests(&lab, OBO), 1);
}

/// Checklist 97.
#[tokio::test]
async fn whoever_reads_redis_learns_nothing_and_everything_ends() {
    let (lab, redis) = (EntraLab::start().await.unwrap(), RedisServer::start().await);
    let web_app = replica(&lab, WEB_APP, &redis);
    let signed_in = sign_in(&web_app, "alice", &format!("{} User.Read", access_as_user())).await;
    web_app.acquire_token_silent(&signed_in.account, "User.Read").await.unwrap();
    let alice =
        UserAssertion::new(signed_in.result.access_token.expose_secret(), signed_in.result.expires_at);
    let api = replica(&lab, API, &redis);
    source_of(&api, &alice).await;
    api.initiate_long_running_on_behalf_of(&alice, "User.Read").await.unwrap();
    replica(&lab, DAEMON, &redis).acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();

    let all = redis.everything().await;
    assert!(all.len() > 15, "{}", all.len());
    let tenant = lab.tenant_id().to_string();
    let (oid, _) = signed_in.account.home_account_id.split_once('.').unwrap();
    for telling in
        ["eyJ", "alice", "Alice", "Kim", "contoso", "User.Read", "graph", oid, &tenant, API, WEB_APP]
    {
        for text in &all {
            let found = text.windows(telling.len()).any(|window| window == telling.as_bytes());
            assert!(!found, "{telling} in {}", String::from_utf8_lossy(text));
        }
    }
    let mut connection = redis.connection().await;
    let keys: Vec<String> = cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
    for key in keys {
        let ttl: i64 = cmd("PTTL").arg(&key).query_async(&mut connection).await.unwrap();
        assert!(ttl > 0, "{key} ends");
    }
}

/// The hash that holds what `api` got for a user, and its only field that is a token.
async fn partition(redis: &RedisServer, known: &[String]) -> String {
    let keys: Vec<String> = redis.command(&["KEYS", "auth:*:p:*"]).await;
    keys.into_iter().find(|key| !known.contains(key)).unwrap()
}

/// Checklist 98.
#[tokio::test]
async fn values_that_were_swapped_cut_or_forged_count_as_absent_and_are_replaced() {
    let (lab, redis) = (EntraLab::start().await.unwrap(), RedisServer::start().await);
    let (alice, bob) = (assertion_of(&lab, "alice").await, assertion_of(&lab, "bob").await);
    let first = replica(&lab, API, &redis);
    source_of(&first, &alice).await;
    let of_alice = partition(&redis, &[]).await;
    source_of(&first, &bob).await;
    let of_bob = partition(&redis, std::slice::from_ref(&of_alice)).await;
    let field: Vec<String> = redis.command(&["HKEYS", &of_alice]).await;
    let field = field[0].as_str();
    let mut connection = redis.connection().await;
    let value: Vec<u8> = cmd("HGET").arg(&of_bob).arg(field).query_async(&mut connection).await.unwrap();

    let mut turned = value.clone();
    *turned.last_mut().unwrap() ^= 1;
    let mut later = value.clone();
    later[..15].copy_from_slice(b"999999999999999");
    let other_values: Vec<Vec<u8>> = vec![
        value.clone(), // Bob's under Alice's name.
        vec![],
        b"{\"token\":\"eyJ\"}".to_vec(),
        later,
        turned,
        value[..value.len() - 1].to_vec(),
        vec![b'9'; 8_000_000],
    ];
    for (number, forged) in other_values.iter().enumerate() {
        let () =
            cmd("HSET").arg(&of_alice).arg(field).arg(forged).query_async(&mut connection).await.unwrap();
        let cache = cache(&redis);
        let fresh = replica_with(&lab, API, cache.clone());
        let token = fresh.acquire_token_on_behalf_of(&alice, "User.Read").await.unwrap();
        assert_eq!(token.source, TokenSource::IdentityProvider, "forgery {number}");
        assert!(cache.state().unreadable > 0, "it is counted");
        let next = replica(&lab, API, &redis).acquire_token_on_behalf_of(&alice, "User.Read").await.unwrap();
        assert_eq!(next.source, TokenSource::Cache, "forgery {number} was replaced");
        assert_eq!(next.access_token.expose_secret(), token.access_token.expose_secret());
    }

    // Another type under the name, and a copy of the right value under another field.
    let () = cmd("DEL").arg(&of_alice).query_async(&mut connection).await.unwrap();
    let () = cmd("SET").arg(&of_alice).arg("x").query_async(&mut connection).await.unwrap();
    assert_eq!(source_of(&replica(&lab, API, &redis), &alice).await, TokenSource::IdentityProvider);
    assert_eq!(source_of(&replica(&lab, API, &redis), &alice).await, TokenSource::Cache);
    let value: Vec<u8> = cmd("HGET").arg(&of_alice).arg(field).query_async(&mut connection).await.unwrap();
    let () = cmd("HSET").arg(&of_alice).arg("r").arg(value).query_async(&mut connection).await.unwrap();
    assert_eq!(source_of(&replica(&lab, API, &redis), &alice).await, TokenSource::Cache);
}

/// Checklist 100.
#[tokio::test]
async fn keys_are_rotated_without_losing_the_cache() {
    let (lab, redis) = (EntraLab::start().await.unwrap(), RedisServer::start().await);
    let alice = assertion_of(&lab, "alice").await;
    let with = |keys: &str| replica_with(&lab, API, cache_with_keys(&redis, keys));
    source_of(&with(OLD_KEY), &alice).await;

    assert_eq!(source_of(&with(&format!("{KEY},{OLD_KEY}")), &alice).await, TokenSource::Cache);
    assert_eq!(
        source_of(&with(KEY), &alice).await,
        TokenSource::IdentityProvider,
        "a foreign key opens nothing"
    );
    assert_eq!(
        source_of(&with(&format!("{KEY} {OLD_KEY}")), &alice).await,
        TokenSource::Cache,
        "the new one seals"
    );
    assert_eq!(token_requests(&lab, OBO), 2);
}

/// Checklist 109.
#[tokio::test]
async fn a_token_from_redis_ends_when_it_ends_and_not_when_redis_forgets_it() {
    let (lab, redis) = (EntraLab::start().await.unwrap(), RedisServer::start().await);
    let (one, _) = replica_with_clock(&lab, DAEMON, &redis);
    one.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();

    let (later, clock) = replica_with_clock(&lab, DAEMON, &redis);
    clock.advance(SignedDuration::from_mins(50));
    assert_eq!(later.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap().source, TokenSource::Cache);
    let (latest, clock) = replica_with_clock(&lab, DAEMON, &redis);
    clock.advance(SignedDuration::from_hours(2));
    lab.advance(SignedDuration::from_hours(2));
    let token = latest.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();
    assert_eq!(token.source, TokenSource::IdentityProvider);
    assert_eq!(token_requests(&lab, APP), 2);
}

/// Somebody who can write to Redis and kept a copy of what had been there: it opens, for it is genuine.
#[tokio::test]
async fn what_is_put_back_at_its_own_place_replaces_nothing_newer_and_ends_when_it_ends() {
    let (lab, redis) = (EntraLab::start().await.unwrap(), RedisServer::start().await);
    let one = replica(&lab, DAEMON, &redis);
    let first = one.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();
    let (key, mut connection) = (partition(&redis, &[]).await, redis.connection().await);
    let copied: Vec<(String, Vec<u8>)> = cmd("HGETALL").arg(&key).query_async(&mut connection).await.unwrap();
    let second = one.acquire_token_for_client(GRAPH_DEFAULT).force_refresh().await.unwrap();
    let () = cmd("HSET").arg(&key).arg(&copied).query_async(&mut connection).await.unwrap();

    // The one who knows better looks again, and is not talked into the older one.
    let (namespace, id) = key.trim_end_matches('}').split_once(":p:{").unwrap();
    let message = [b"c".as_slice(), &[0; 16], &URL_SAFE_NO_PAD.decode(id).unwrap()].concat();
    let before = lookups(&redis).await;
    let channel = format!("{namespace}:changes");
    let () = cmd("PUBLISH").arg(channel).arg(message).query_async(&mut connection).await.unwrap();
    within_a_second("it looks again", || async {
        let token = one.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();
        assert_eq!(token.access_token.expose_secret(), second.access_token.expose_secret());
        lookups(&redis).await > before
    })
    .await;
    // Others take it for what it is, until it ends.
    let (other, clock) = replica_with_clock(&lab, DAEMON, &redis);
    let token = other.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();
    assert_eq!(token.access_token.expose_secret(), first.access_token.expose_secret());
    clock.advance(SignedDuration::from_hours(2));
    lab.advance(SignedDuration::from_hours(2));
    let token = other.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();
    assert_eq!(token.source, TokenSource::IdentityProvider);
}

async fn lookups(redis: &RedisServer) -> u64 {
    redis.calls().await.iter().find(|(name, _)| name == "hgetall").map_or(0, |(_, count)| *count)
}

/// Checklist 98.
#[tokio::test]
async fn a_refresh_token_that_was_tampered_with_is_absent_and_memory_goes_on() {
    let (lab, redis) = (EntraLab::start().await.unwrap(), RedisServer::start().await);
    let one = replica(&lab, WEB_APP, &redis);
    let account: Account = sign_in(&one, "alice", &format!("{} User.Read", access_as_user())).await.account;
    let key = partition(&redis, &[]).await;
    let () = redis.command(&["HSET", &key, "r", "garbage"]).await;

    let other = replica(&lab, WEB_APP, &redis);
    let error = other.acquire_token_silent(&account, "User.Read").await.unwrap_err();
    assert!(error.is_interaction_required(), "{error}");
    assert!(one.acquire_token_silent(&account, "User.Read").await.is_ok(), "memory still has it");
}

/// Checklist 108.
#[test]
fn an_address_that_is_none_is_not_repeated() {
    let keys: KeyRing = KEY.parse().unwrap();

    let error = RedisCache::connect("http://user:s3cret@host", keys).unwrap_err().to_string();

    assert!(error.contains("REDIS_URL") && !error.contains("s3cret"), "{error}");
}

#[test]
fn redis_comes_from_the_environment_with_its_keys_or_not_at_all() {
    let read = |pairs: &[(&str, &str)]| Env::from_pairs(pairs.iter().copied()).read(RedisCache::from_env);
    let url = ("REDIS_URL", "redis://:s3cret@127.0.0.1:6379");

    assert!(read(&[]).unwrap().is_none());
    assert!(read(&[("CACHE_KEYS", KEY)]).unwrap().is_none());
    assert!(read(&[url, ("CACHE_KEYS", KEY)]).unwrap().is_some());
    let without = read(&[url]).unwrap_err().to_string();
    assert!(without.contains("CACHE_KEYS_FILE") && !without.contains("s3cret"), "{without}");
    let malformed = read(&[("REDIS_URL", "s3cret"), ("CACHE_KEYS", "s3cret")]).unwrap_err().to_string();
    assert!(!malformed.contains("s3cret"), "{malformed}");
}

#[test]
fn a_runtime_that_ends_does_not_take_redis_along() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (first, second) = (runtime(), runtime());
    let (lab, redis) =
        first.block_on(async { (EntraLab::start().await.unwrap(), RedisServer::start().await) });
    let cache = cache(&redis);
    let client = replica_with(&lab, DAEMON, cache.clone());
    first.block_on(async { client.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap() });
    drop(first);

    second.block_on(async {
        for _ in 0..3 {
            let fresh = replica_with(&lab, DAEMON, cache.clone());
            fresh.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();
        }
        let fresh = replica_with(&lab, DAEMON, cache.clone());
        let token = fresh.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();
        assert_eq!(token.source, TokenSource::Cache);
    });
}
