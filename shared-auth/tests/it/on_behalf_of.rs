//! An API calls Graph for its caller (RFC 7523 §2.1), against the lab.

use entra_lab::EntraLab;
use jiff::SignedDuration;
use shared_auth::{Check, DownstreamApi, Error, TokenSource, UserAssertion};

use crate::support::{
    API, DAEMON, OTHER_API, WEB_APP, access_as_user, client, client_with_clock, now, sign_in, token_requests,
};

/// What the web app would send to the API for this user.
async fn assertion_of(lab: &EntraLab, user: &str) -> UserAssertion {
    let token = sign_in(&client(lab, WEB_APP), user, &access_as_user()).await.result;
    UserAssertion::new(token.access_token.expose_secret(), token.expires_at)
}

/// Checklist 94.
#[tokio::test]
async fn each_caller_gets_their_own_data_and_the_second_call_is_cached() {
    let lab = EntraLab::start().await.unwrap();
    let api = client(&lab, API);
    let graph = DownstreamApi::new("Graph", lab.graph_url().parse().unwrap(), &api);
    let (alice, bob) = (assertion_of(&lab, "alice").await, assertion_of(&lab, "bob").await);

    for round in 0..2 {
        for (assertion, name) in [(&alice, "Alice Kim"), (&bob, "Bob Novak")] {
            let token = api.acquire_token_on_behalf_of(assertion, "User.Read").await.unwrap();
            let me: serde_json::Value = graph.get("/me", &token.access_token).await.unwrap();
            assert_eq!(me["displayName"], name);
            assert_eq!(token.source == TokenSource::Cache, round == 1);
        }
    }
    assert_eq!(token_requests(&lab, "urn:ietf:params:oauth:grant-type:jwt-bearer"), 2);
}

/// Checklist 103.
#[tokio::test]
async fn a_parallel_herd_of_one_caller_asks_entra_once() {
    let lab = EntraLab::start().await.unwrap();
    let api = client(&lab, API);
    let alice = assertion_of(&lab, "alice").await;

    let calls: Vec<_> = (0..100)
        .map(|_| {
            let (api, alice) = (api.clone(), alice.clone());
            tokio::spawn(async move { api.acquire_token_on_behalf_of(&alice, "User.Read").await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }

    assert_eq!(token_requests(&lab, "urn:ietf:params:oauth:grant-type:jwt-bearer"), 1);
}

/// Checklist 130.
#[tokio::test]
async fn a_missing_consent_of_the_api_needs_the_user_and_says_so() {
    let lab = EntraLab::start().await.unwrap();
    let carol = assertion_of(&lab, "carol").await;

    let error = client(&lab, API).acquire_token_on_behalf_of(&carol, "Mail.Read").await.unwrap_err();

    assert!(error.is_interaction_required(), "{error}");
    let refusal = error.refusal().unwrap();
    assert_eq!(
        (refusal.codes.as_slice(), refusal.suberror.as_deref()),
        (&[65001][..], Some("consent_required"))
    );
}

/// Checklist 96.
#[tokio::test]
async fn no_graph_token_is_served_after_the_callers_token_has_ended() {
    let lab = EntraLab::start().await.unwrap();
    let (api, clock) = client_with_clock(&lab, API);
    let alice = assertion_of(&lab, "alice").await;
    api.acquire_token_on_behalf_of(&alice, "User.Read").await.unwrap();

    let past_the_end = alice.expires_at().duration_since(now()) + SignedDuration::from_secs(30);
    clock.advance(past_the_end);
    lab.advance(past_the_end);
    let error = api.acquire_token_on_behalf_of(&alice, "User.Read").await.unwrap_err();

    // Refused here, with the fix; Entra is not asked.
    let Error::InvalidToken(rejection) = error else { panic!("no page helps here: {error}") };
    assert_eq!(rejection.check, Check::Lifetime);
    assert!(rejection.detail.contains("AADSTS500133"), "{rejection}");
    assert_eq!(token_requests(&lab, "urn:ietf:params:oauth:grant-type:jwt-bearer"), 1);
}

/// Checklist 136, 137.
#[tokio::test]
async fn an_application_token_and_somebody_elses_assertion_are_refused() {
    let lab = EntraLab::start().await.unwrap();
    let app_only =
        client(&lab, DAEMON).acquire_token_for_client(format!("api://{API}/.default")).await.unwrap();
    let app_only = UserAssertion::new(app_only.access_token.expose_secret(), app_only.expires_at);
    let alice = assertion_of(&lab, "alice").await;

    let not_a_user = client(&lab, API).acquire_token_on_behalf_of(&app_only, "User.Read").await.unwrap_err();
    let not_for_us =
        client(&lab, OTHER_API).acquire_token_on_behalf_of(&alice, "User.Read").await.unwrap_err();

    assert!(not_a_user.to_string().contains("AADSTS7000114"), "{not_a_user}");
    assert!(not_for_us.to_string().contains("AADSTS500131"), "{not_for_us}");
    for error in [not_a_user, not_for_us] {
        assert!(matches!(error, Error::InvalidToken(_)), "{error}");
        assert!(!format!("{error:?}").contains("eyJ"), "no token in an error");
    }
    assert_eq!(
        token_requests(&lab, "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        0,
        "nothing left the process"
    );
}
