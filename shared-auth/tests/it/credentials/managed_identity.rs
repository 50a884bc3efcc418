//! Managed identities against fakes of the machine's two endpoints.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::json;
use shared_auth::{
    CacheRefreshReason, ClientCredential, Env, Error, ManagedIdentity, ManagedIdentityBuilder,
    ManagedIdentityId, ManualClock, TokenSource,
};
use wiremock::matchers::{header, method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::sts::{Sts, ask};
use crate::support::now;

const IMDS_PATH: &str = "/metadata/identity/oauth2/token";
const GRAPH: &str = "https://graph.microsoft.com";

fn imds_token(text: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({
        "access_token": text, "expires_in": "3599", "expires_on": "1506484173", "resource": GRAPH, "token_type": "Bearer",
    }))
}

async fn imds(template: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path(IMDS_PATH))
        .and(header("Metadata", "true"))
        .respond_with(template)
        .mount(&server)
        .await;
    server
}

fn at(server: &MockServer, id: ManagedIdentityId) -> ManagedIdentityBuilder {
    ManagedIdentity::builder(id)
        .imds_endpoint(server.uri().parse().unwrap())
        .retry_pause(Duration::from_millis(1))
}

fn system_at(server: &MockServer) -> ManagedIdentity {
    at(server, ManagedIdentityId::SystemAssigned).build().unwrap()
}

fn query(request: &Request) -> Vec<(String, String)> {
    request.url.query_pairs().into_owned().collect()
}

#[tokio::test]
async fn the_metadata_service_is_asked_once_and_then_the_cache() {
    let server = imds(imds_token("s3cret-t0ken")).await;
    let identity = system_at(&server);

    let first = identity.acquire_token(GRAPH).await.unwrap();
    let second = identity.acquire_token("https://graph.microsoft.com/.default").await.unwrap();

    assert_eq!(first.access_token.expose_secret(), "s3cret-t0ken");
    assert_eq!((first.source, second.source), (TokenSource::IdentityProvider, TokenSource::Cache));
    let asked = server.received_requests().await.unwrap();
    assert_eq!(asked.len(), 1);
    assert_eq!(
        query(&asked[0]),
        [("api-version", "2018-02-01"), ("resource", GRAPH)].map(|(k, v)| (k.to_owned(), v.to_owned()))
    );
    assert!(!format!("{first:?} {identity:?}").contains("s3cret"));
}

#[tokio::test]
async fn five_minutes_before_the_end_the_machine_is_asked_again() {
    let server = imds(imds_token("t")).await;
    let clock = ManualClock::at(now());
    let identity =
        at(&server, ManagedIdentityId::SystemAssigned).clock(Arc::new(clock.clone())).build().unwrap();
    identity.acquire_token(GRAPH).await.unwrap();

    clock.advance(SignedDuration::from_secs(3599 - 301));
    assert_eq!(identity.acquire_token(GRAPH).await.unwrap().source, TokenSource::Cache);
    clock.advance(SignedDuration::from_secs(2));

    assert_eq!(identity.acquire_token(GRAPH).await.unwrap().source, TokenSource::IdentityProvider);
}

#[tokio::test]
async fn a_token_for_a_day_is_renewed_from_the_middle_of_its_life_on_while_it_serves() {
    let long = |text: &str| {
        ResponseTemplate::new(200).set_body_json(json!({ "access_token": text, "expires_in": "86400" }))
    };
    let server = MockServer::start().await;
    for text in ["first", "second"] {
        Mock::given(method("GET")).respond_with(long(text)).up_to_n_times(1).mount(&server).await;
    }
    let clock = ManualClock::at(now());
    let identity =
        at(&server, ManagedIdentityId::SystemAssigned).clock(Arc::new(clock.clone())).build().unwrap();
    identity.acquire_token(GRAPH).await.unwrap();

    clock.advance(SignedDuration::from_secs(43_199));
    assert_eq!(
        identity.acquire_token(GRAPH).await.unwrap().refresh_reason,
        CacheRefreshReason::NotApplicable
    );
    clock.advance(SignedDuration::from_secs(1));
    let in_the_middle = identity.acquire_token(GRAPH).await.unwrap();
    assert_eq!(in_the_middle.access_token.expose_secret(), "first", "nobody waits");
    assert_eq!(in_the_middle.refresh_reason, CacheRefreshReason::ProactivelyRefreshed);
    while identity.acquire_token(GRAPH).await.unwrap().access_token.expose_secret() != "second" {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.received_requests().await.unwrap().len(), 2);
}

#[tokio::test]
async fn fifty_callers_make_one_request_and_each_resource_has_its_own_token() {
    let server = imds(imds_token("t").set_delay(Duration::from_millis(50))).await;
    let identity = system_at(&server);

    let asking = (0..50).map(|_| {
        let identity = identity.clone();
        tokio::spawn(async move { identity.acquire_token(GRAPH).await })
    });
    for one in asking.collect::<Vec<_>>() {
        one.await.unwrap().unwrap();
    }
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
    identity.acquire_token("https://vault.azure.net").await.unwrap();

    assert_eq!(server.received_requests().await.unwrap().len(), 2);
}

#[tokio::test]
async fn user_assigned_identities_are_named_as_each_endpoint_wants_it() {
    use ManagedIdentityId::{UserAssignedClientId, UserAssignedObjectId, UserAssignedResourceId};
    let server = MockServer::start().await;
    Mock::given(method("GET")).respond_with(imds_token("t")).mount(&server).await;
    let app_service: url::Url = format!("{}/msi/token", server.uri()).parse().unwrap();

    for (id, on_imds, on_app_service) in [
        (UserAssignedClientId("x".into()), "client_id", "client_id"),
        (UserAssignedObjectId("x".into()), "object_id", "principal_id"),
        (UserAssignedResourceId("x".into()), "msi_res_id", "mi_res_id"),
    ] {
        at(&server, id.clone()).build().unwrap().acquire_token(GRAPH).await.unwrap();
        let there = ManagedIdentity::builder(id).app_service(app_service.clone(), "h").build().unwrap();
        there.acquire_token(GRAPH).await.unwrap();

        let asked = server.received_requests().await.unwrap();
        let [.., imds, app] = asked.as_slice() else { panic!("{asked:?}") };
        assert_eq!(query(imds)[2], (on_imds.to_owned(), "x".to_owned()));
        assert_eq!(query(app)[2], (on_app_service.to_owned(), "x".to_owned()));
    }
}

#[tokio::test]
async fn app_service_is_asked_with_its_header_and_its_date_is_understood() {
    let server = MockServer::start().await;
    let end = now().as_second() + 7200;
    Mock::given(method("GET"))
        .and(path("/msi/token"))
        .and(header("X-IDENTITY-HEADER", "s3cret-header"))
        .respond_with(ResponseTemplate::new(200).set_body_json(
            json!({ "access_token": "t", "expires_on": end.to_string(), "resource": GRAPH, "token_type": "Bearer" }),
        ))
        .mount(&server)
        .await;
    let endpoint = format!("{}/msi/token", server.uri());
    let mut env =
        Env::from_pairs([("IDENTITY_ENDPOINT", endpoint.as_str()), ("IDENTITY_HEADER", "s3cret-header")]);
    let identity = env.read(|env| ManagedIdentity::from_env(env, ManagedIdentityId::SystemAssigned)).unwrap();

    let token = identity.acquire_token(GRAPH).await.unwrap();

    assert_eq!(token.expires_at.as_second(), end);
    assert_eq!(query(&server.received_requests().await.unwrap()[0])[0].1, "2019-08-01");
    assert!(!format!("{identity:?}").contains("s3cret"), "{identity:?}");
}

#[tokio::test]
async fn while_the_metadata_service_is_updated_it_is_asked_again() {
    for status in [404, 410, 429, 503] {
        let server = imds(imds_token("t")).await;
        Mock::given(method("GET"))
            .respond_with(ResponseTemplate::new(status))
            .with_priority(1)
            .up_to_n_times(3)
            .mount(&server)
            .await;

        system_at(&server).acquire_token(GRAPH).await.unwrap();

        assert_eq!(server.received_requests().await.unwrap().len(), 4, "{status}");
    }
}

#[tokio::test]
async fn retries_end_and_an_identity_that_does_not_exist_is_not_asked_for_again() {
    for (status, requests) in [(410, 8), (503, 4)] {
        let server = imds(ResponseTemplate::new(status)).await;
        let error = system_at(&server).acquire_token(GRAPH).await.unwrap_err();
        assert!(matches!(error, Error::Transport(_)), "{error:?}");
        assert_eq!(server.received_requests().await.unwrap().len(), requests);
    }
    let server = imds(
        ResponseTemplate::new(400)
            .set_body_json(json!({ "error": "invalid_request", "error_description": "Identity not found" })),
    );
    let server = server.await;

    let error = system_at(&server).acquire_token(GRAPH).await.unwrap_err();

    assert!(matches!(error, Error::Refused(_)), "{error:?}");
    assert!(error.to_string().contains("Identity not found"), "{error}");
    assert_eq!(server.received_requests().await.unwrap().len(), 1);
}

#[tokio::test]
async fn answers_that_are_no_tokens_are_refused_without_being_quoted() {
    for body in [
        json!({ "access_token": "s3cret", "token_type": "Bearer" }),
        json!({ "access_token": "s3cret\nX: y", "expires_in": 10 }),
        json!({ "access_token": 7, "expires_in": "s3cret" }),
        json!([]),
    ] {
        let server = imds(ResponseTemplate::new(200).set_body_json(&body)).await;
        let error = system_at(&server).acquire_token(GRAPH).await.unwrap_err();
        assert!(matches!(error, Error::Transport(_)), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
    }
}

#[tokio::test]
async fn as_a_federated_credential_its_token_is_the_assertion() {
    let (server, sts) = (imds(imds_token("machine.to.ken")).await, Sts::start().await);
    let (client, _) = sts.client(ClientCredential::managed_identity(system_at(&server)));

    ask(&client).await.unwrap();
    ask(&client).await.unwrap();

    assert_eq!(sts.last_assertion(), "machine.to.ken");
    let asked = server.received_requests().await.unwrap();
    assert_eq!(asked.len(), 1);
    assert_eq!(query(&asked[0])[1].1, "api://AzureADTokenExchange");
}

#[tokio::test]
async fn off_azure_the_next_credential_of_the_list_is_used() {
    let sts = Sts::start().await;
    let nobody = ManagedIdentity::builder(ManagedIdentityId::SystemAssigned)
        .imds_endpoint("http://127.0.0.1:1".parse().unwrap())
        .build()
        .unwrap();
    let (client, _) =
        sts.client(ClientCredential::first_of([nobody.into(), ClientCredential::secret("s3cret")]));

    ask(&client).await.unwrap();

    assert_eq!(sts.forms()[0]["client_secret"], "s3cret");
}
