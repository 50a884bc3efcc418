//! The same request again and again: stopped here, before Entra stops it for everybody (AADSTS50196). The clock is moved.

use entra_lab::EntraLab;
use jiff::SignedDuration;
use shared_auth::{ClientCredential, ConfidentialClient, Error};

use crate::support::{
    API, DAEMON, GRAPH_DEFAULT, WEB_APP, access_as_user, client, client_with_clock, registration, sign_in,
    token_requests,
};

#[tokio::test]
async fn tokens_that_are_fetched_again_and_again_are_a_loop_until_five_minutes_have_passed() {
    let lab = EntraLab::start().await.unwrap();
    let (daemon, clock) = client_with_clock(&lab, DAEMON);
    for _ in 0..15 {
        daemon.acquire_token_for_client(GRAPH_DEFAULT).force_refresh().await.unwrap();
        clock.advance(SignedDuration::from_secs(1));
    }

    let error = daemon.acquire_token_for_client(GRAPH_DEFAULT).force_refresh().await.unwrap_err();

    let Error::Loop(repeated) = &error else { panic!("{error}") };
    assert_eq!((repeated.answers, repeated.scopes.to_string()), (15, GRAPH_DEFAULT.to_owned()));
    assert!(repeated.refused.is_none() && !error.is_retryable());
    let text = error.to_string();
    assert!(
        text.contains(GRAPH_DEFAULT) && text.contains("AADSTS50196") && text.contains("force_refresh"),
        "{text}"
    );
    assert_eq!(token_requests(&lab, "client_credentials"), 15, "the sixteenth was not sent");
    // What is cached still serves, and so does everything else.
    daemon.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();
    daemon.acquire_token_for_client(format!("api://{API}/.default")).force_refresh().await.unwrap();

    clock.advance(SignedDuration::from_mins(5));
    daemon.acquire_token_for_client(GRAPH_DEFAULT).force_refresh().await.unwrap();
}

/// Checklist 111.
#[tokio::test]
async fn a_refusal_that_is_asked_for_again_and_again_names_the_refusal() {
    let lab = EntraLab::start().await.unwrap();
    let mut config = registration(&lab, DAEMON);
    config.credential = ClientCredential::secret("s3cret");
    let daemon = ConfidentialClient::new(config).unwrap();
    for _ in 0..15 {
        let refused = daemon.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap_err();
        assert!(matches!(refused, Error::Refused(_)), "{refused}");
    }

    let error = daemon.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap_err();

    assert!(matches!(error, Error::Loop(_)), "{error}");
    assert_eq!(error.codes(), [7000215]);
    assert!(error.to_string().contains("AADSTS7000215") && !error.to_string().contains("s3cret"), "{error}");
    assert_eq!(token_requests(&lab, "client_credentials"), 15);
}

#[tokio::test]
async fn who_needs_the_user_still_says_so_and_a_sign_in_begins_anew() {
    let lab = EntraLab::start().await.unwrap();
    let web_app = client(&lab, WEB_APP);
    let account = sign_in(&web_app, "alice", &access_as_user()).await.account;
    for _ in 0..20 {
        let needed = web_app.acquire_token_silent(&account, "User.Read").await.unwrap_err();
        assert!(needed.is_interaction_required(), "{needed}");
    }
    assert_eq!(token_requests(&lab, "refresh_token"), 15, "Entra was not asked more often than it likes");

    // Another user is not concerned, and whoever consents is not made to wait.
    let bob = sign_in(&web_app, "bob", &access_as_user()).await.account;
    assert!(web_app.acquire_token_silent(&bob, "User.Read").await.is_err());
    assert_eq!(token_requests(&lab, "refresh_token"), 16);
    sign_in(&web_app, "alice", &format!("{} User.Read", access_as_user())).await;
    web_app.acquire_token_silent(&account, "User.Read").await.unwrap();
}
