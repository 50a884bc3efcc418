//! Discovery: who answers, whether it is the one we meant, and what it may not talk us into.

use std::sync::Arc;

use entra_lab::EntraLab;
use serde_json::json;
use shared_auth::{ApiConfig, ClientCredential, ConfidentialClient, EntraConfig, Error};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{DAEMON, GRAPH_DEFAULT, client, registration};

const TENANT: &str = "10000000-0000-4000-8000-000000000001";
const DISCOVERY: &str = "/10000000-0000-4000-8000-000000000001/v2.0/.well-known/openid-configuration";

pub fn config(host: &str) -> EntraConfig {
    EntraConfig::new(host.parse().unwrap(), TENANT, DAEMON, ClientCredential::secret("s3cret"))
}

pub fn document(issuer: &str, endpoints: &str) -> serde_json::Value {
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{endpoints}/authorize"),
        "token_endpoint": format!("{endpoints}/token"),
        "jwks_uri": format!("{endpoints}/keys"),
    })
}

async fn serving(template: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(method("GET")).and(path(DISCOVERY)).respond_with(template).mount(&server).await;
    server
}

#[tokio::test]
async fn a_tenant_that_entra_does_not_know_is_refused_with_its_code() {
    let lab = EntraLab::start().await.unwrap();
    let mut config = registration(&lab, DAEMON);
    config.tenant_id = "99999999-9999-4999-8999-999999999999".to_owned();

    let error = ConfidentialClient::new(config).unwrap().connect().await.unwrap_err();

    assert_eq!(error.codes(), [90002]);
    assert!(!error.is_retryable());
}

#[tokio::test]
async fn a_tenant_may_be_named_by_its_domain() {
    let lab = EntraLab::start().await.unwrap();
    let mut config = registration(&lab, DAEMON);
    config.tenant_id = "Contoso.Test".to_owned();

    ConfidentialClient::new(config).unwrap().acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();
}

#[tokio::test]
async fn the_document_is_fetched_once_however_many_ask() {
    let lab = EntraLab::start().await.unwrap();
    let daemon = client(&lab, DAEMON);

    let asking: Vec<_> = (0..50)
        .map(|_| {
            let daemon = daemon.clone();
            tokio::spawn(async move { daemon.connect().await })
        })
        .collect();
    for one in asking {
        one.await.unwrap().unwrap();
    }

    assert_eq!(lab.requests().len(), 1);
}

/// Checklist 26, 76, 116.
#[tokio::test]
async fn a_document_of_another_issuer_is_not_used_and_no_secret_is_sent() {
    let server = MockServer::start().await;
    let thief = document("https://evil.example/10000000-0000-4000-8000-000000000001/v2.0", &server.uri());
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(200).set_body_json(thief))
        .mount(&server)
        .await;

    let error =
        ConfidentialClient::new(config(&server.uri())).unwrap().acquire_token_for_client(GRAPH_DEFAULT).await;

    assert!(error.unwrap_err().to_string().contains("issuer"));
    // Nor are its keys: the document is refused as a whole.
    let client = ConfidentialClient::new(config(&server.uri())).unwrap();
    let validator = client.access_token_validator(&ApiConfig::new(DAEMON));
    let token = format!("{}.e30.AAAA", "eyJhbGciOiJSUzI1NiIsImtpZCI6ImsifQ");
    let error = validator.validate(&token).await.unwrap_err();
    assert!(matches!(&error, Error::Transport(error) if error.to_string().contains("issuer")), "{error}");
    for request in server.received_requests().await.unwrap() {
        assert_eq!((request.method.as_str(), request.url.path()), ("GET", DISCOVERY));
    }
}

/// Checklist 127.
#[tokio::test]
async fn a_token_endpoint_in_the_clear_on_another_machine_is_not_used() {
    let server = MockServer::start().await;
    let issuer = format!("{}/{TENANT}/v2.0", server.uri());
    let body = document(&issuer, "http://elsewhere.example");
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(200).set_body_json(body))
        .mount(&server)
        .await;

    let error = ConfidentialClient::new(config(&server.uri())).unwrap().connect().await.unwrap_err();

    assert!(error.to_string().contains("neither https nor loopback"), "{error}");
}

#[tokio::test]
async fn garbage_is_an_error_that_says_where_and_never_a_panic() {
    let bodies: [(u16, &[u8], bool); 8] = [
        (200, b"<html>proxy</html>", false),
        (200, b"", false),
        (200, b"null", false),
        (200, b"{\"issuer\":", false),
        (200, b"{\"issuer\":7}", false),
        (404, b"not here", false),
        (503, b"later", true),
        (302, b"", false),
    ];
    for (status, body, retryable) in bodies {
        let template = ResponseTemplate::new(status)
            .insert_header("location", "http://127.0.0.1:9/thief")
            .set_body_bytes(body);
        let server = serving(template).await;

        let error = ConfidentialClient::new(config(&server.uri())).unwrap().connect().await.unwrap_err();

        assert!(matches!(error, Error::Transport(_)), "{status}: {error}");
        assert_eq!(error.is_retryable(), retryable, "{status}: {error}");
        assert!(error.to_string().contains(DISCOVERY), "{error}");
    }
}

/// Checklist 116.
#[tokio::test]
async fn a_failure_is_not_remembered() {
    let server = MockServer::start().await;
    let down = Mock::given(method("GET")).respond_with(ResponseTemplate::new(500)).up_to_n_times(1);
    down.mount(&server).await;
    let issuer = format!("{}/{TENANT}/v2.0", server.uri());
    let up = ResponseTemplate::new(200).set_body_json(document(&issuer, &server.uri()));
    Mock::given(method("GET")).respond_with(up).mount(&server).await;
    let client = ConfidentialClient::new(config(&server.uri())).unwrap();

    assert!(client.connect().await.unwrap_err().is_retryable());
    client.connect().await.unwrap();
}

/// Checklist 127.
#[tokio::test]
async fn plain_http_needs_loopback_or_a_back_channel() {
    let refused = ConfidentialClient::new(config("http://login.example")).unwrap_err();
    assert!(refused.to_string().contains("AZURE_AUTHORITY_HOST"), "{refused}");

    for host in
        ["http://127.0.0.1:8400", "http://localhost:8400", "http://[::1]:8400", "https://login.example"]
    {
        ConfidentialClient::new(config(host)).unwrap();
    }
}

#[tokio::test]
async fn by_the_back_channel_the_same_authority_is_asked_elsewhere() {
    let front = "https://login.example";
    let server =
        serving(ResponseTemplate::new(200).set_body_json(document(&format!("{front}/{TENANT}/v2.0"), front)))
            .await;
    let token = json!({ "access_token": "a.b.c", "token_type": "Bearer", "expires_in": 3599 });
    Mock::given(method("POST"))
        .and(path("/token"))
        .respond_with(ResponseTemplate::new(200).set_body_json(token))
        .mount(&server)
        .await;
    let mut config = config(front);
    config.backchannel = Some(server.uri().parse().unwrap());
    let client = ConfidentialClient::new(config).unwrap();

    client.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();

    let metadata = client.authority().metadata().await.unwrap();
    assert_eq!(
        metadata.authorization_endpoint.as_str(),
        "https://login.example/authorize",
        "the browser's stays"
    );
    assert!(metadata.token_endpoint.as_str().starts_with(&server.uri()));
}

#[tokio::test]
async fn the_https_listener_needs_its_authority_and_then_works() {
    let lab = EntraLab::start().await.unwrap();
    let mut config = registration(&lab, DAEMON);
    config.authority_host = lab.https_url().parse().unwrap();

    let without = ConfidentialClient::new(config.clone()).unwrap().connect().await.unwrap_err();
    config.extra_ca_certs = Some(lab.ca_pem().as_bytes().to_vec());
    let with = ConfidentialClient::new(config).unwrap().acquire_token_for_client(GRAPH_DEFAULT).await;

    assert!(without.to_string().contains("no connection"), "{without}");
    with.unwrap();
}

/// Checklist 113, 114.
#[tokio::test]
async fn answers_of_the_token_endpoint_that_nobody_can_use_are_errors_without_the_body() {
    let bodies: [(u16, &str); 12] = [
        (200, "<html>s3cret</html>"),
        (200, ""),
        (200, "[]"),
        (200, r#"{"access_token":"s3cret","token_type":"Bearer"}"#),
        (200, r#"{"access_token":"s3cret","token_type":"Bearer","expires_in":-5}"#),
        (200, r#"{"access_token":"s3cret","token_type":"Bearer","expires_in":"soon"}"#),
        (200, r#"{"access_token":"s3cret","token_type":"mac","expires_in":5}"#),
        (200, r#"{"access_token":"s3c ret\r\n","token_type":"Bearer","expires_in":5}"#),
        (500, r#"{"error":"server_error"}"#),
        (302, "s3cret"),
        (307, "s3cret"),
        (308, "s3cret"),
    ];
    for (status, body) in bodies {
        let server = MockServer::start().await;
        let issuer = format!("{}/{TENANT}/v2.0", server.uri());
        let up = ResponseTemplate::new(200).set_body_json(document(&issuer, &server.uri()));
        Mock::given(method("GET")).respond_with(up).mount(&server).await;
        let answer = ResponseTemplate::new(status)
            .insert_header("location", format!("{}/thief", server.uri()))
            .set_body_string(body);
        Mock::given(method("POST")).respond_with(answer).mount(&server).await;
        let client = ConfidentialClient::builder(config(&server.uri()))
            .clock(Arc::new(shared_auth::SystemClock))
            .build();

        let error = client.unwrap().acquire_token_for_client(GRAPH_DEFAULT).await.unwrap_err();

        assert!(matches!(error, Error::Transport(_)), "{status} {body}: {error}");
        assert!(!format!("{error} {error:?}").contains("s3c"), "{error:?}");
        let asked = server.received_requests().await.unwrap();
        assert!(
            asked.iter().all(|request| request.url.path() != "/thief"),
            "{status}: the credential went along"
        );
    }
}
