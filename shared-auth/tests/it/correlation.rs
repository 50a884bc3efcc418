//! One id on every request and in every error, and how the client introduces itself.

use entra_lab::{EntraLab, Fault, Target, What};
use serde_json::json;
use shared_auth::{ClientCredential, ConfidentialClient, DownstreamApi, EntraConfig, Error};
use uuid::Uuid;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{DAEMON, GRAPH_DEFAULT, client};

const OURS: Uuid = Uuid::from_u128(0x1111_1111_1111_4111_8111_1111_1111_1111);
const TENANT: &str = "10000000-0000-4000-8000-000000000001";

/// An authority that keeps every request, and answers the token endpoint with `answer`.
async fn authority(answer: ResponseTemplate) -> (MockServer, ConfidentialClient) {
    let server = MockServer::start().await;
    let host = server.uri();
    let document = json!({
        "issuer": format!("{host}/{TENANT}/v2.0"),
        "authorization_endpoint": format!("{host}/authorize"),
        "token_endpoint": format!("{host}/token"),
        "jwks_uri": format!("{host}/keys"),
    });
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(200).set_body_json(document))
        .mount(&server)
        .await;
    Mock::given(method("POST")).and(path("/token")).respond_with(answer).mount(&server).await;
    let secret = ClientCredential::secret("s3cret");
    let config = EntraConfig::new(host.parse().unwrap(), TENANT, DAEMON, secret);
    (server, ConfidentialClient::new(config).unwrap())
}

fn token() -> ResponseTemplate {
    let body = json!({ "access_token": "t", "token_type": "Bearer", "expires_in": 3600 });
    ResponseTemplate::new(200).set_body_json(body)
}

#[tokio::test]
async fn the_client_introduces_itself_under_its_own_name() {
    let (server, client) = authority(token()).await;

    client.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();
    client.acquire_token_for_client(GRAPH_DEFAULT).force_refresh().await.unwrap();

    let requests = server.received_requests().await.unwrap();
    let posts: Vec<_> = requests.iter().filter(|request| request.method == "POST").collect();
    for (post, telemetry) in posts.iter().zip(["4|730,2|", "4|730,1|"]) {
        let header = |name: &str| post.headers.get(name).unwrap().to_str().unwrap();
        assert_eq!(header("x-client-SKU"), "shared-auth.rust");
        assert_eq!(header("x-client-Ver"), env!("CARGO_PKG_VERSION"));
        assert_eq!(header("x-client-OS"), std::env::consts::OS);
        assert_eq!(header("x-client-CPU"), std::env::consts::ARCH);
        assert_eq!(header("x-ms-lib-capability"), "retry-after, h429");
        assert_eq!(header("return-client-request-id"), "true");
        assert_eq!(header("x-client-current-telemetry"), telemetry);
    }
    assert_eq!(posts.len(), 2);
}

#[tokio::test]
async fn a_program_that_has_a_name_and_a_version_says_them_in_every_token_request() {
    let (server, _) = authority(token()).await;
    let secret = ClientCredential::secret("s3cret");
    let config = EntraConfig::new(server.uri().parse().unwrap(), TENANT, DAEMON, secret);
    let named = |name: &str, version: &str| {
        let (client_name, client_version) = (Some(name.to_owned()), Some(version.to_owned()));
        ConfidentialClient::new(EntraConfig { client_name, client_version, ..config.clone() })
    };

    for client in [named("order book", "2.1.0").unwrap(), named("", "").unwrap()] {
        client.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();
    }

    let requests = server.received_requests().await.unwrap();
    let said = requests.iter().filter(|request| request.method == "POST").map(|post| {
        ["x-app-name", "x-app-ver"]
            .map(|name| post.headers.get(name).map(|value| value.to_str().unwrap().to_owned()))
    });
    let said: Vec<_> = said.collect();
    assert_eq!(said, [[Some("order book".to_owned()), Some("2.1.0".to_owned())], [None, None]]);
    for bad in ["a\r\nx: y", "\u{e9}t\u{e9}", &"x".repeat(65)] {
        let error = named(bad, "1").unwrap_err().to_string();
        assert!(error.contains("client_name") && !error.contains(bad), "{error}");
    }
}

#[tokio::test]
async fn every_request_carries_an_id_and_no_two_acquisitions_the_same() {
    let (server, client) = authority(token()).await;

    for _ in 0..2 {
        client.acquire_token_for_client(GRAPH_DEFAULT).force_refresh().await.unwrap();
    }

    let requests = server.received_requests().await.unwrap();
    let ids: Vec<Uuid> = requests
        .iter()
        .map(|request| request.headers["client-request-id"].to_str().unwrap().parse().unwrap())
        .collect();
    assert_eq!(ids.len(), 3, "the discovery document and two tokens");
    assert_ne!(ids[1], ids[2]);
}

#[tokio::test]
async fn the_id_that_the_caller_chose_is_sent_and_stands_in_every_error() {
    let lab = EntraLab::start().await.unwrap();
    let daemon = client(&lab, DAEMON);
    let asked = |scope: &'static str| daemon.acquire_token_for_client(scope).correlation_id(OURS);

    let refused = asked("api://nobody/.default").await.unwrap_err();
    lab.fault(Fault::new(Target::Token, What::Html { status: 200 }).times(1));
    let unusable = asked(GRAPH_DEFAULT).await.unwrap_err();
    lab.fault(Fault::new(Target::Token, What::Cut).times(2));
    let broken_off = asked(GRAPH_DEFAULT).await.unwrap_err();
    lab.fault(Fault::new(Target::Token, What::Status { status: 500, retry_after: None }).times(2));
    let in_trouble = asked(GRAPH_DEFAULT).await.unwrap_err();
    lab.fault(Fault::new(Target::Token, What::Status { status: 429, retry_after: Some(5) }).times(1));
    let throttled = asked(GRAPH_DEFAULT).await.unwrap_err();

    assert!(matches!(refused, Error::Refused(_)) && matches!(throttled, Error::Throttled(_)));
    for error in [refused, unusable, broken_off, in_trouble, throttled] {
        assert_eq!(error.correlation_id(), Some(OURS.to_string().as_str()), "{error}");
        assert!(error.to_string().contains(&OURS.to_string()), "{error}");
    }
    let recorded = lab.requests();
    assert!(recorded.iter().any(|request| request.correlation_id == Some(OURS)));
}

#[tokio::test]
async fn an_error_without_a_chosen_id_names_the_one_that_was_sent() {
    let (server, client) = authority(ResponseTemplate::new(500)).await;

    let error = client.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap_err();

    let requests = server.received_requests().await.unwrap();
    let sent = requests.last().unwrap().headers["client-request-id"].to_str().unwrap();
    assert_eq!(error.correlation_id(), Some(sent));
}

#[tokio::test]
async fn an_authority_that_is_away_is_an_error_with_an_id() {
    let config = EntraConfig::new(
        "http://127.0.0.1:9".parse().unwrap(),
        TENANT,
        DAEMON,
        ClientCredential::secret("s3cret"),
    );

    let error = ConfidentialClient::new(config).unwrap().connect().await.unwrap_err();

    error.correlation_id().unwrap().parse::<Uuid>().unwrap();
}

#[tokio::test]
async fn a_call_of_an_api_carries_the_callers_id_and_so_does_its_error() {
    let (server, client) = authority(token()).await;
    Mock::given(method("GET")).respond_with(ResponseTemplate::new(503)).with_priority(1).mount(&server).await;
    let client_of_lab = EntraLab::start().await.unwrap();
    let token = crate::support::client(&client_of_lab, DAEMON);
    let token = token.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap().access_token.clone();
    let api = DownstreamApi::new("the API", server.uri().parse().unwrap(), &client);

    let error = api.get::<(), _>("/thing", &token).correlation_id(OURS).await.unwrap_err();

    assert_eq!(error.correlation_id(), Some(OURS.to_string().as_str()));
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests[0].headers["client-request-id"], OURS.to_string().as_str());
}
