//! What the other end of a connection can do wrong: an authority that breaks its answers, an API that sends the token
//! elsewhere, a server that is not the one it should be.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::{App, HttpServer, web};
use rcgen::{CertificateParams, CertifiedIssuer, DnType, KeyPair, date_time_ymd};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use shared_auth::{
    AccessToken, App as AppOnly, ClientCredential, ConfidentialClient, DownstreamApi, EntraConfig, Error,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{DAEMON, GRAPH_DEFAULT};

const TENANT: &str = "10000000-0000-4000-8000-000000000001";

fn config(host: &str) -> EntraConfig {
    EntraConfig::new(host.parse().unwrap(), TENANT, DAEMON, ClientCredential::secret("s3cret"))
}

fn document(host: &str, token_endpoint: &str) -> Value {
    json!({
        "issuer": format!("{host}/{TENANT}/v2.0"),
        "authorization_endpoint": format!("{host}/authorize"),
        "token_endpoint": token_endpoint,
        "jwks_uri": format!("{host}/keys"),
    })
}

/// An authority whose token endpoint writes these bytes, whatever they are, and closes; how often it was asked.
async fn authority_that_answers(bytes: Vec<u8>) -> (ConfidentialClient, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = format!("http://{}", listener.local_addr().unwrap());
    let discovery = http("application/json", &document(&host, &format!("{host}/token")).to_string());
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 16 * 1024];
            let _ = stream.read(&mut request).await;
            let token = request.starts_with(b"POST");
            counted.fetch_add(usize::from(token), Ordering::SeqCst);
            let _ = stream.write_all(if token { &bytes } else { &discovery }).await;
        }
    });
    (ConfidentialClient::new(config(&host)).unwrap(), asked)
}

fn http(content_type: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
        .into_bytes()
}

fn token(access_token: &Value) -> String {
    json!({"access_token": access_token, "token_type": "Bearer", "expires_in": 3599}).to_string()
}

/// Checklist 113, 115, 127, 128.
#[tokio::test]
async fn a_token_endpoint_that_breaks_its_answers_is_an_error_and_nothing_is_kept() {
    let json = "application/json";
    let good = token(&json!("a-token"));
    let answers = [
        ("a reset", Vec::new()),
        ("half a head", b"HTTP/1.1 200 OK\r\ncontent-ty".to_vec()),
        ("half a body", http(json, &good)[..140].to_vec()),
        ("no HTTP", b"SSH-2.0-OpenSSH_9.9\r\n".to_vec()),
        ("20,000 deep", http(json, &format!("{}{}", "[".repeat(20_000), "]".repeat(20_000)))),
        (
            "20,000 deep inside",
            http(json, &format!(r#"{{"x":{}{}}}"#, "[".repeat(20_000), "]".repeat(20_000))),
        ),
        ("half of JSON", http(json, &good[..20])),
        ("32 MB", http(json, &" ".repeat(32 * 1024 * 1024))),
        ("null", http(json, "null")),
        ("a list", http(json, "[]")),
        ("a page", http("text/html", "<html>please sign in to the hotel's network</html>")),
        ("a token of 1 MB", http(json, &token(&json!("x".repeat(1024 * 1024))))),
        ("a token that is a number", http(json, &token(&json!(7)))),
        ("a token that is an object", http(json, &token(&json!({"a": 1})))),
        ("an empty token", http(json, &token(&json!("")))),
        ("a token with a line break", http(json, &token(&json!("a\r\nset-cookie: x")))),
    ];

    for (what, bytes) in answers {
        let (client, asked) = authority_that_answers(bytes).await;
        let error = client.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap_err();
        assert!((1..=2).contains(&asked.load(Ordering::SeqCst)), "{what}: {error}");
        assert!(matches!(error, Error::Transport(_)), "{what}: {error}");
        assert_eq!(client.metrics().acquired_from_cache, 0, "{what}");
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{what}");
    }
    // The type is not looked at, only whether it can be read: some proxies change it.
    let (client, _) = authority_that_answers(http("text/plain", &good)).await;
    client.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();
}

/// An API that answers everything like this, and what to call it with.
async fn api_that_answers(answer: ResponseTemplate) -> (MockServer, DownstreamApi, AccessToken<AppOnly>) {
    let (client, _) = authority_that_answers(http("application/json", &token(&json!("a-token")))).await;
    let token = client.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap().access_token.clone();
    let server = MockServer::start().await;
    Mock::given(any()).respond_with(answer).mount(&server).await;
    let api = DownstreamApi::new("the API", format!("{}/v1.0", server.uri()).parse().unwrap(), &client);
    (server, api, token)
}

/// Checklist 123, 135.
#[tokio::test]
async fn an_api_that_redirects_or_refuses_sees_the_token_once_and_nobody_else_does() {
    let thief = MockServer::start().await;
    let answer = |status: u16| ResponseTemplate::new(status).insert_header("location", thief.uri());
    let rows = [
        ("a redirect", answer(302)),
        ("a redirect that keeps the method", answer(307)),
        ("a redirect for good", answer(308)),
        ("401 without a word", answer(401)),
        (
            "401 with claims",
            answer(401)
                .insert_header("www-authenticate", r#"Bearer error="insufficient_claims", claims="e30""#),
        ),
        ("403", answer(403)),
        ("429", answer(429).insert_header("retry-after", "30")),
    ];

    for (what, answer) in rows {
        let (server, api, token) = api_that_answers(answer).await;
        let outcome: Result<Value, Error> = api.get("/me", &token).await;
        assert!(outcome.is_err(), "{what}");
        assert_eq!(server.received_requests().await.unwrap().len(), 1, "{what}: asked again");
    }
    assert!(thief.received_requests().await.unwrap().is_empty(), "somebody went where the redirect led");
}

/// Checklist 139.
#[tokio::test]
async fn text_from_outside_stays_in_its_place_of_an_address() {
    let (server, api, token) = api_that_answers(ResponseTemplate::new(200).set_body_json(json!({}))).await;
    #[rustfmt::skip]
    let rows = [
        // asked for, on the wire
        ("/users/../admin",          "/v1.0/users/admin"),
        ("/users/%2e%2e/admin",      "/v1.0/users/%252e%252e/admin"),
        ("/users/x?$select=secret",  "/v1.0/users/x%3F$select=secret"),
        ("/users/x#y",               "/v1.0/users/x%23y"),
        ("//evil.test/x",            "/v1.0/evil.test/x"),
        ("/users/x\r\nhost: evil",   "/v1.0/users/xhost:%20evil"),
    ];

    for (path, expected) in rows {
        let _: Value = api.get(path, &token).await.unwrap();
        let requests = server.received_requests().await.unwrap();
        let url = &requests.last().unwrap().url;
        assert_eq!((url.path(), url.query()), (expected, None), "{path:?}");
    }
    let _: Value = api.get("/me", &token).query("$select", "mail&$filter=x eq 'y'#").await.unwrap();
    let requests = server.received_requests().await.unwrap();
    let pairs: Vec<_> = requests.last().unwrap().url.query_pairs().into_owned().collect();
    assert_eq!(pairs, [("$select".to_owned(), "mail&$filter=x eq 'y'#".to_owned())]);

    let asked = requests.len();
    for link in ["http://evil.test/v1.0/me", "https://127.0.0.1/", "//evil.test", "/v1.0/me", "javascript:1"]
    {
        let outcome: Result<Value, Error> = api.get_link(link, &token).await;
        assert!(matches!(outcome, Err(Error::Transport(_))), "{link}");
    }
    assert_eq!(server.received_requests().await.unwrap().len(), asked);
}

/// An https server with a certificate for this name and these years, and how often somebody got to talk to it.
fn https(
    authority: &CertifiedIssuer<'_, KeyPair>,
    name: &str,
    years: (i32, i32),
) -> (String, Arc<AtomicUsize>) {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    (params.not_before, params.not_after) = (date_time_ymd(years.0, 1, 1), date_time_ymd(years.1, 1, 1));
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, authority).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let asked = Arc::new(AtomicUsize::new(0));
    let (counted, own) = (asked.clone(), host.clone());
    let server = HttpServer::new(move || {
        let (counted, own) = (counted.clone(), own.clone());
        App::new().default_service(web::to(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            let answer = document(&own, &format!("{own}/token"));
            async move { web::Json(answer) }
        }))
    });
    let server = server.workers(1).disable_signals().listen_rustls_0_23(listener, tls).unwrap();
    actix_web::rt::spawn(server.run());
    (host, asked)
}

fn certificate_authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "an authority of the tests");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Checklist 117, 127.
#[actix_web::test]
async fn a_server_that_is_not_who_it_should_be_gets_no_word_of_ours() {
    let (ours, foreign) = (certificate_authority(), certificate_authority());
    let rows = [
        ("as it should be", https(&ours, "localhost", (2020, 2050)), true),
        ("for another name", https(&ours, "login.example", (2020, 2050)), false),
        ("for an address that only looks alike", https(&ours, "localhost.evil.test", (2020, 2050)), false),
        ("ended", https(&ours, "localhost", (2019, 2020)), false),
        ("not valid yet", https(&ours, "localhost", (2090, 2091)), false),
        ("of an authority that nobody trusts", https(&foreign, "localhost", (2020, 2050)), false),
    ];

    for (what, (host, asked), good) in rows {
        let mut config = config(&host);
        config.extra_ca_certs = Some(ours.pem().into_bytes());
        let client = ConfidentialClient::new(config).unwrap();

        let outcome = client.connect().await;

        assert_eq!(outcome.is_ok(), good, "a certificate {what}: {outcome:?}");
        assert_eq!(asked.load(Ordering::SeqCst), usize::from(good), "a certificate {what}");
    }
}
