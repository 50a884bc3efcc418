//! What a request can be told: capabilities beside a challenge, hints for the sign-in page, further parameters, the tenant,
//! the id; on every flow where it belongs, as it goes over the wire.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_lab::EntraLab;
use jiff::SignedDuration;
use serde_json::{Value, json};
use shared_auth::{
    AuthorizationResponse, ClientCredential, ConfidentialClient, EntraConfig, Error, TokenSource,
    UserAssertion,
};
use uuid::Uuid;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::support::{
    DAEMON, GRAPH_DEFAULT, WEB_APP, access_as_user, now, registration, sign_in, token_requests,
};

const TENANT: &str = "10000000-0000-4000-8000-000000000001";
const HOME: &str = "a0000000-0000-4000-8000-00000000000a.10000000-0000-4000-8000-000000000001";
const CHALLENGE: &str = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;

/// An authority that gives no tokens, and remembers what it was asked.
async fn authority() -> (MockServer, EntraConfig) {
    let server = MockServer::start().await;
    let host = server.uri();
    let document = json!({
        "issuer": format!("{host}/{TENANT}/v2.0"), "authorization_endpoint": format!("{host}/authorize"),
        "token_endpoint": format!("{host}/token"), "jwks_uri": format!("{host}/keys"),
    });
    Mock::given(method("GET"))
        .respond_with(ResponseTemplate::new(200).set_body_json(document))
        .mount(&server)
        .await;
    let no = json!({ "error": "invalid_request", "error_codes": [900144] });
    let refusal = ResponseTemplate::new(400).set_body_json(no);
    Mock::given(method("POST")).and(path("/token")).respond_with(refusal).mount(&server).await;
    let config = EntraConfig::new(host.parse().unwrap(), TENANT, WEB_APP, ClientCredential::secret("s"));
    (server, config)
}

/// The requests to the token endpoint: grant, a field of the body, the query.
async fn asked(server: &MockServer, field: &str) -> Vec<(String, Option<String>, String)> {
    let body = |request: &Request, name: &str| {
        url::form_urlencoded::parse(&request.body)
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    };
    let requests = server.received_requests().await.unwrap();
    requests
        .iter()
        .filter(|request| request.method == "POST")
        .map(|request| {
            let grant = body(request, "grant_type").unwrap();
            (grant, body(request, field), request.url.query().unwrap_or_default().to_owned())
        })
        .collect()
}

/// A client that holds a refresh token of Alice.
fn with_alice(config: EntraConfig) -> (ConfidentialClient, shared_auth::Account) {
    let client = ConfidentialClient::builder(config).client_capabilities(["cp1"]).build().unwrap();
    let refresh_token = json!({ "RefreshToken": { "x": {
        "credential_type": "RefreshToken", "secret": "rt", "home_account_id": HOME, "environment": "127.0.0.1",
        "client_id": WEB_APP,
    } } });
    let imported = client.import_msal_cache(refresh_token.to_string()).unwrap();
    let account = imported.accounts[0].clone();
    (client, account)
}

fn caller() -> UserAssertion {
    UserAssertion::new("a.b.c", now() + SignedDuration::from_hours(1))
}

fn redirect() -> url::Url {
    "http://localhost:3000/signin-oidc".parse().unwrap()
}

fn parameter(url: &url::Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// Every flow once, told the same.
macro_rules! every_flow {
    ($client:expr, $account:expr, |$request:ident| $told:expr) => {{
        let (client, account, assertion) = (&$client, &$account, caller());
        let $request = client.acquire_token_for_client(GRAPH_DEFAULT);
        assert!(matches!($told.await, Err(Error::Refused(_))));
        let $request = client.acquire_token_silent(account, "User.Read");
        assert!(matches!($told.await, Err(Error::Refused(_))));
        let $request = client.acquire_token_on_behalf_of(&assertion, "User.Read");
        assert!(matches!($told.await, Err(Error::Refused(_))));
        let $request = client.initiate_long_running_on_behalf_of(&assertion, "User.Read");
        assert!(matches!($told.await, Err(Error::Refused(_))));
    }};
}

#[tokio::test]
async fn capabilities_are_said_in_every_request_and_stand_beside_a_challenge() {
    let (server, config) = authority().await;
    let (client, alice) = with_alice(config);
    let cp1 = json!({ "xms_cc": { "values": ["cp1"] } });
    let both = json!({ "xms_cc": { "values": ["cp1"] }, "acrs": { "essential": true, "value": "c1" } });

    every_flow!(client, alice, |request| request);
    let flow = client.initiate_auth_code_flow("User.Read", &redirect()).await.unwrap();
    let plain: Value = parameter(flow.authorization_url(), "claims").unwrap().parse().unwrap();
    let state = parameter(flow.authorization_url(), "state").unwrap();
    let answer = AuthorizationResponse::parse(&format!("code=c&state={state}")).unwrap();
    client.acquire_token_by_authorization_code(flow, answer).await.unwrap_err();
    let plain_requests = asked(&server, "claims").await;
    every_flow!(client, alice, |request| request.claims(CHALLENGE));
    let flow = client.initiate_auth_code_flow("User.Read", &redirect()).claims(CHALLENGE).await.unwrap();
    let challenged: Value = parameter(flow.authorization_url(), "claims").unwrap().parse().unwrap();
    let state = parameter(flow.authorization_url(), "state").unwrap();
    // The flow waits in a session: what it carries survives that.
    let flow = serde_json::from_str(&serde_json::to_string(&flow).unwrap()).unwrap();
    let answer = AuthorizationResponse::parse(&format!("code=c&state={state}")).unwrap();
    client.acquire_token_by_authorization_code(flow, answer).await.unwrap_err();

    assert_eq!((&plain["access_token"], &challenged["access_token"]), (&cp1, &both));
    let all = asked(&server, "claims").await;
    let grants: Vec<&str> = all.iter().map(|(grant, _, _)| grant.as_str()).collect();
    let jwt_bearer = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    let each = ["client_credentials", "refresh_token", jwt_bearer, jwt_bearer, "authorization_code"];
    assert_eq!(grants, [each, each].concat());
    for (at, (grant, claims, _)) in all.iter().enumerate() {
        let claims: Value = claims.as_ref().unwrap().parse().unwrap();
        let expected = if at < plain_requests.len() { &cp1 } else { &both };
        assert_eq!(&claims["access_token"], expected, "{grant}");
    }
}

#[tokio::test]
async fn further_parameters_reach_the_address_and_none_of_the_protocols_own() {
    let (server, config) = authority().await;
    let (client, alice) = with_alice(config);

    every_flow!(client, alice, |request| request.extra_query_parameter("dc", "ESTS-PUB WUS2&x=1"));
    for (grant, _, query) in asked(&server, "dc").await {
        assert_eq!(query, "dc=ESTS-PUB+WUS2%26x%3D1", "{grant}");
    }
    let flow = client
        .initiate_auth_code_flow("User.Read", &redirect())
        .extra_query_parameter("dc", "x")
        .await
        .unwrap();
    assert_eq!(parameter(flow.authorization_url(), "dc").as_deref(), Some("x"));

    let before = asked(&server, "dc").await.len();
    for name in ["scope", "Client_Assertion", "claims", ""] {
        let refused = client.acquire_token_for_client(GRAPH_DEFAULT).extra_query_parameter(name, "x").await;
        assert!(matches!(refused, Err(Error::Config(_))), "{name}");
        let refused = client.initiate_auth_code_flow("x", &redirect()).extra_query_parameter(name, "x").await;
        assert!(matches!(refused, Err(Error::Config(_))), "{name}");
    }
    assert_eq!(asked(&server, "dc").await.len(), before);
}

#[tokio::test]
async fn a_challenge_that_is_none_is_refused_before_the_network() {
    let (server, config) = authority().await;
    let (client, alice) = with_alice(config);
    let encoded = URL_SAFE_NO_PAD.encode(CHALLENGE);

    for claims in [encoded.as_str(), "", "[]"] {
        let refused = client.acquire_token_silent(&alice, "User.Read").claims(claims).await.unwrap_err();
        assert!(matches!(refused, Error::Config(_)) && refused.to_string().contains("decoded"), "{refused}");
        assert!(client.initiate_auth_code_flow("User.Read", &redirect()).claims(claims).await.is_err());
    }
    assert!(asked(&server, "claims").await.is_empty());
}

#[tokio::test]
async fn the_sign_in_page_is_told_whom_to_expect_and_what_to_do() {
    let (server, config) = authority().await;
    let (client, _) = with_alice(config);
    let id = Uuid::new_v4();

    let flow = client
        .initiate_auth_code_flow("User.Read", &redirect())
        .login_hint("alice@contoso.test")
        .domain_hint("contoso.test")
        .prompt("select_account")
        .correlation_id(id)
        .await
        .unwrap();

    let url = flow.authorization_url();
    let told = |name: &str| parameter(url, name).unwrap_or_default();
    assert_eq!(told("login_hint"), "alice@contoso.test");
    assert_eq!(told("domain_hint"), "contoso.test");
    assert_eq!(told("prompt"), "select_account");
    assert_eq!(told("client-request-id"), id.to_string());
    let answer = AuthorizationResponse::parse(&format!("code=c&state={}", told("state"))).unwrap();
    client.acquire_token_by_authorization_code(flow, answer).await.unwrap_err();
    let sent = server.received_requests().await.unwrap();
    assert_eq!(sent.last().unwrap().headers["client-request-id"], id.to_string().as_str());
}

#[tokio::test]
async fn a_capable_client_gets_capable_tokens_and_still_has_a_cache() {
    let lab = EntraLab::start().await.unwrap();
    let client = |capable: bool| {
        let builder = ConfidentialClient::builder(registration(&lab, WEB_APP));
        if capable { builder.client_capabilities(["cp1"]) } else { builder }.build().unwrap()
    };
    for capable in [true, false] {
        let web_app = client(capable);
        let signed_in = sign_in(&web_app, "alice", &access_as_user()).await;
        let account = &signed_in.account;

        let again = web_app.acquire_token_silent(account, access_as_user()).await.unwrap();
        assert_eq!(again.source, TokenSource::Cache);
        let payload = again.access_token.expose_secret().split('.').nth(1).unwrap();
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
        assert_eq!(claims.get("xms_cc").is_some(), capable, "{claims}");

        let before = token_requests(&lab, "refresh_token");
        let nbf =
            format!(r#"{{"access_token":{{"nbf":{{"essential":true,"value":"{}"}}}}}}"#, now().as_second());
        let fresh = web_app.acquire_token_silent(account, access_as_user()).claims(nbf).await.unwrap();
        assert_eq!(
            (fresh.source, token_requests(&lab, "refresh_token")),
            (TokenSource::IdentityProvider, before + 1)
        );
    }
}

#[test]
fn what_a_client_says_about_itself_comes_from_a_file_with_microsofts_names() {
    let file = json!({ "AzureAd": {
        "TenantId": TENANT, "ClientId": DAEMON, "ClientSecret": "s", "ClientCapabilities": ["cp1"],
        "ClientName": "order book", "ClientVersion": "2.1.0",
    } });
    let settings = shared_auth::Settings::from_json(&file.to_string()).unwrap();

    assert_eq!(settings.entra.client_capabilities, ["cp1"]);
    assert_eq!(settings.entra.client_name.as_deref(), Some("order book"));
    assert_eq!(settings.entra.client_version.as_deref(), Some("2.1.0"));
    assert!(settings.ignored.is_empty(), "{:?}", settings.ignored);
}
