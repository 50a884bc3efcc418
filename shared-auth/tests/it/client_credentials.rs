//! An application for itself (RFC 6749 §4.4), against the lab.

use entra_lab::EntraLab;
use jiff::SignedDuration;
use shared_auth::{ClientCredential, ConfidentialClient, DownstreamApi, Error, TokenSource};

use crate::support::{API, DAEMON, GRAPH_DEFAULT, client, client_with_clock, registration, token_requests};

#[tokio::test]
async fn the_first_token_comes_from_entra_and_the_second_from_the_cache() {
    let lab = EntraLab::start().await.unwrap();
    let daemon = client(&lab, DAEMON);

    let first = daemon.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();
    let second = daemon.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();

    assert_eq!((first.source, second.source), (TokenSource::IdentityProvider, TokenSource::Cache));
    assert_eq!(token_requests(&lab, "client_credentials"), 1);
    let graph = DownstreamApi::new("Graph", lab.graph_url().parse().unwrap(), &daemon);
    let users: serde_json::Value =
        graph.get("/users", &second.access_token).query("$top", "2").await.unwrap();
    assert_eq!(users["value"].as_array().unwrap().len(), 2);
    let next: serde_json::Value =
        graph.get_link(users["@odata.nextLink"].as_str().unwrap(), &second.access_token).await.unwrap();
    assert_ne!(users["value"][0], next["value"][0]);
}

#[tokio::test]
async fn each_resource_has_its_own_token() {
    let lab = EntraLab::start().await.unwrap();
    let daemon = client(&lab, DAEMON);

    let graph = daemon.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();
    let api = daemon.acquire_token_for_client(format!("api://{API}/.default")).await.unwrap();

    assert_ne!(graph.access_token.expose_secret(), api.access_token.expose_secret());
    assert_eq!(daemon.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap().source, TokenSource::Cache);
}

/// Checklist 103.
#[tokio::test]
async fn two_hundred_callers_ask_entra_once() {
    let lab = EntraLab::start().await.unwrap();
    let daemon = client(&lab, DAEMON);

    let callers = (0..200).map(|_| {
        let daemon = daemon.clone();
        tokio::spawn(async move { daemon.acquire_token_for_client(GRAPH_DEFAULT).await })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap().unwrap();
    }

    assert_eq!(token_requests(&lab, "client_credentials"), 1);
}

/// Checklist 121.
#[tokio::test]
async fn five_minutes_before_the_end_a_new_token_is_fetched() {
    let lab = EntraLab::start().await.unwrap();
    let (daemon, clock) = client_with_clock(&lab, DAEMON);
    let first = daemon.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();
    let left = first.expires_at.duration_since(crate::support::now());

    clock.advance(left - SignedDuration::from_mins(5) - SignedDuration::from_secs(5));
    assert_eq!(daemon.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap().source, TokenSource::Cache);
    clock.advance(SignedDuration::from_secs(10));
    let renewed = daemon.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();

    assert_eq!(renewed.source, TokenSource::IdentityProvider);
}

#[tokio::test]
async fn force_refresh_and_claims_go_past_the_cache() {
    let lab = EntraLab::start().await.unwrap();
    let daemon = client(&lab, DAEMON);
    daemon.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();

    let forced = daemon.acquire_token_for_client(GRAPH_DEFAULT).force_refresh().await.unwrap();
    let claims =
        daemon.acquire_token_for_client(GRAPH_DEFAULT).claims(r#"{"access_token":{}}"#).await.unwrap();

    assert_eq!(
        (forced.source, claims.source),
        (TokenSource::IdentityProvider, TokenSource::IdentityProvider)
    );
}

#[tokio::test]
async fn a_wrong_secret_keeps_every_field_of_entras_answer() {
    let lab = EntraLab::start().await.unwrap();
    let mut config = registration(&lab, DAEMON);
    config.credential = ClientCredential::secret("s3cret-but-wrong");
    let id = uuid::Uuid::new_v4();

    let error = ConfidentialClient::new(config)
        .unwrap()
        .acquire_token_for_client(GRAPH_DEFAULT)
        .correlation_id(id)
        .await;

    let error = error.unwrap_err();
    let refusal = error.refusal().unwrap();
    assert_eq!(
        (refusal.status, refusal.error.as_str(), refusal.codes.as_slice()),
        (401, "invalid_client", &[7000215][..])
    );
    assert_eq!(error.correlation_id(), Some(id.to_string().as_str()));
    assert!(refusal.trace_id.is_some() && refusal.timestamp.is_some());
    assert!(!error.is_interaction_required() && !error.is_retryable());
    assert!(error.to_string().contains("AADSTS7000215: Set AZURE_CLIENT_SECRET"), "{error}");
    assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
}

/// Checklist 140.
#[tokio::test]
async fn scopes_and_tenants_that_cannot_work_are_refused_before_the_network() {
    let lab = EntraLab::start().await.unwrap();
    let daemon = client(&lab, DAEMON);
    let mut config = registration(&lab, DAEMON);
    config.tenant_id = "common".to_owned();
    let homeless = ConfidentialClient::new(config).unwrap();

    for (client, scopes) in [(&daemon, "User.Read.All"), (&daemon, ""), (&homeless, GRAPH_DEFAULT)] {
        let error = client.acquire_token_for_client(scopes).await.unwrap_err();
        assert!(matches!(error, Error::Config(_)), "{scopes}: {error}");
    }
    assert!(lab.requests().is_empty());
}

/// Checklist 106.
#[tokio::test]
async fn a_resource_that_does_not_exist_and_a_failure_are_not_remembered() {
    let lab = EntraLab::start().await.unwrap();
    let daemon = client(&lab, DAEMON);

    for _ in 0..2 {
        let error = daemon.acquire_token_for_client("api://nobody/.default").await.unwrap_err();
        assert_eq!(error.codes(), [500011]);
    }

    assert_eq!(token_requests(&lab, "client_credentials"), 2);
}
