//! What a result tells about how its token was got: source, reason, level, times, the ids of the request.

use std::time::Duration;

use entra_lab::EntraLab;
use jiff::SignedDuration;
use shared_auth::{CacheLevel, CacheRefreshReason, Durations, TokenSource, UserAssertion};
use uuid::Uuid;

use crate::support::{
    API, DAEMON, GRAPH_DEFAULT, WEB_APP, access_as_user, client, client_with_clock, sign_in,
};

#[tokio::test]
async fn a_token_from_entra_says_under_which_id_where_and_how_long_and_one_from_memory_only_that() {
    let lab = EntraLab::start().await.unwrap();
    let (daemon, clock) = client_with_clock(&lab, DAEMON);
    let id = Uuid::new_v4();

    let first = daemon.acquire_token_for_client(GRAPH_DEFAULT).correlation_id(id).await.unwrap();
    let second = daemon.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();
    let forced = daemon.acquire_token_for_client(GRAPH_DEFAULT).force_refresh().await.unwrap();

    assert_eq!((first.source, first.cache_level), (TokenSource::IdentityProvider, CacheLevel::None));
    assert_eq!(first.refresh_reason, CacheRefreshReason::NoCachedAccessToken);
    assert_eq!(first.correlation_id(), Some(id));
    assert!(first.token_endpoint().unwrap().path().ends_with("/token"));
    assert!(first.durations.total >= first.durations.in_http && first.durations.in_http > Duration::ZERO);
    assert_eq!((second.source, second.cache_level), (TokenSource::Cache, CacheLevel::Memory));
    assert_eq!(second.refresh_reason, CacheRefreshReason::NotApplicable);
    assert_eq!((second.correlation_id(), second.token_endpoint()), (None, None));
    assert_eq!(second.durations, Durations::default());
    assert_eq!(second.cached_at(), first.cached_at());
    assert_eq!(forced.refresh_reason, CacheRefreshReason::ForceRefreshOrClaims);
    assert_ne!(forced.correlation_id(), Some(id));

    clock.advance(SignedDuration::from_hours(24));
    let late = daemon.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();
    assert_eq!(late.refresh_reason, CacheRefreshReason::Expired);
}

#[tokio::test]
async fn who_waits_for_another_callers_request_does_not_call_it_its_own() {
    let lab = EntraLab::start().await.unwrap();
    let daemon = client(&lab, DAEMON);

    let (one, other) =
        tokio::join!(async { daemon.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap() }, async {
            daemon.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap()
        },);

    assert_eq!((one.source, other.source), (TokenSource::IdentityProvider, TokenSource::Cache));
    assert_eq!((other.cache_level, other.correlation_id()), (CacheLevel::None, None));
    assert_eq!(other.durations.in_http, Duration::ZERO);
    assert!(one.correlation_id().is_some() && other.durations.total > Duration::ZERO);
}

#[tokio::test]
async fn a_users_token_says_whose_it_is_and_an_applications_is_nobodys() {
    let lab = EntraLab::start().await.unwrap();
    let signed_in = sign_in(&client(&lab, WEB_APP), "alice", &access_as_user()).await;
    let api = client(&lab, API);
    let assertion =
        UserAssertion::new(signed_in.result.access_token.expose_secret(), signed_in.result.expires_at);
    let alice = Some(signed_in.account.home_account_id.as_str());

    for source in [TokenSource::IdentityProvider, TokenSource::Cache] {
        let token = api.acquire_token_on_behalf_of(&assertion, "User.Read").await.unwrap();
        assert_eq!((token.source, token.home_account_id.as_deref()), (source, alice));
    }
    assert_eq!(signed_in.result.home_account_id.as_deref(), alice);
    assert!(signed_in.result.correlation_id().is_some());
    let app = client(&lab, DAEMON).acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();
    assert_eq!(app.home_account_id, None);
}

#[tokio::test]
async fn the_header_carries_the_token_and_debug_shows_neither() {
    let lab = EntraLab::start().await.unwrap();

    let result = client(&lab, DAEMON).acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();

    let (header, text) = (result.authorization_header(), result.access_token.expose_secret());
    assert_eq!(header.to_str().unwrap(), format!("{} {text}", result.token_type()));
    assert!(!format!("{header:?} {result:?}").contains(text));
}

#[cfg(feature = "redis")]
#[tokio::test]
async fn what_another_replica_got_comes_from_the_shared_level_which_took_its_time() {
    use crate::redis_server::{RedisServer, replica};

    let (lab, redis) = (EntraLab::start().await.unwrap(), RedisServer::start().await);
    let (one, other) = (replica(&lab, DAEMON, &redis), replica(&lab, DAEMON, &redis));
    let asked = one.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();

    let found = other.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();

    assert!(asked.durations.in_cache > Duration::ZERO);
    assert!(asked.durations.total >= asked.durations.in_cache + asked.durations.in_http);
    assert_eq!((found.source, found.cache_level), (TokenSource::Cache, CacheLevel::Shared));
    assert_eq!(found.refresh_reason, CacheRefreshReason::NotApplicable);
    assert!(found.durations.in_cache > Duration::ZERO && found.durations.in_http == Duration::ZERO);
}
