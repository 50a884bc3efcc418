//! A worker goes on for a user whose request and token are gone, against the lab.

use entra_lab::EntraLab;
use jiff::SignedDuration;
use shared_auth::{DownstreamApi, TokenSource, UserAssertion};

use crate::support::{API, WEB_APP, access_as_user, client, client_with_clock, sign_in, token_requests};

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

#[tokio::test]
async fn the_worker_goes_on_after_the_incoming_token_has_ended() {
    let lab = EntraLab::start().await.unwrap();
    let (api, clock) = client_with_clock(&lab, API);
    let signed_in = sign_in(&client(&lab, WEB_APP), "alice", &access_as_user()).await.result;
    let assertion = UserAssertion::new(signed_in.access_token.expose_secret(), signed_in.expires_at);
    let (first, key) = api.initiate_long_running_on_behalf_of(&assertion, "User.Read").await.unwrap();
    assert_eq!(first.source, TokenSource::IdentityProvider);
    let cached = api.acquire_token_in_long_running_process(&key, "User.Read").await.unwrap();
    assert_eq!(cached.source, TokenSource::Cache);

    for _ in 0..3 {
        lab.advance(SignedDuration::from_hours(3));
        clock.advance(SignedDuration::from_hours(3));
        let token = api.acquire_token_in_long_running_process(&key, "User.Read").await.unwrap();
        assert_eq!(token.source, TokenSource::IdentityProvider);
        let graph = DownstreamApi::new("Graph", lab.graph_url().parse().unwrap(), &api);
        let me: serde_json::Value = graph.get("/me", &token.access_token).await.unwrap();
        assert_eq!(me["displayName"], "Alice Kim");
    }
    assert_eq!((token_requests(&lab, JWT_BEARER), token_requests(&lab, "refresh_token")), (1, 3));
}

#[tokio::test]
async fn a_stopped_process_and_a_signed_out_user_get_nothing_more() {
    let lab = EntraLab::start().await.unwrap();
    let api = client(&lab, API);
    let signed_in = sign_in(&client(&lab, WEB_APP), "alice", &access_as_user()).await;
    let result = &signed_in.result;
    let assertion = UserAssertion::new(result.access_token.expose_secret(), result.expires_at);
    let (_, stopped) = api.initiate_long_running_on_behalf_of(&assertion, "User.Read").await.unwrap();
    let (_, signed_out) = api.initiate_long_running_on_behalf_of(&assertion, "User.Read").await.unwrap();
    api.acquire_token_on_behalf_of(&assertion, "User.Read").await.unwrap();

    assert!(api.stop_long_running_process(&stopped));
    assert!(!api.stop_long_running_process(&stopped));
    assert!(
        api.acquire_token_in_long_running_process(&stopped, "User.Read")
            .await
            .unwrap_err()
            .is_interaction_required()
    );
    api.acquire_token_in_long_running_process(&signed_out, "User.Read").await.unwrap();

    api.remove_account(&signed_in.account);

    let error = api.acquire_token_in_long_running_process(&signed_out, "User.Read").await.unwrap_err();
    assert!(error.is_interaction_required(), "{error}");
    let again = api.acquire_token_on_behalf_of(&assertion, "User.Read").await.unwrap();
    assert_eq!(again.source, TokenSource::IdentityProvider, "the on-behalf-of entry is gone as well");
    assert_eq!(format!("{signed_out:?}"), "LongRunningKey(…)");
}
