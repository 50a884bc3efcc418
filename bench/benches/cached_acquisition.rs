//! A token that is in the cache: how long until the caller has it, beside `azure_identity`, in one run.
//!
//! `cargo bench --manifest-path bench/Cargo.toml`. What counts is the ratio between the lines of one run: machines are
//! noisy. Nobody asks the network while the clock runs; each case checks that the token came from the cache.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark that cannot start should say so and stop")]

use std::sync::Arc;

use std::future::IntoFuture;

use azure_core::credentials::TokenCredential;
use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, ClientOptions, HttpClient, Request, StatusCode, Transport};
use azure_identity::{ClientSecretCredential, ClientSecretCredentialOptions};
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use jiff::{SignedDuration, Timestamp};
use shared_auth::{
    ClientCredential, Clock, ConfidentialClient, EntraConfig, Scopes, SystemClock, TokenSource, UserAssertion,
};
use tokio::runtime::Runtime;

const TENANT: &str = "0000071d-0000-4000-8000-000000000001";
const CLIENT: &str = "000000a9-0000-4000-8000-000000000001";
const SCOPE: &str = "https://graph.microsoft.com/.default";
/// As long as an access token of Entra with a few claims.
const TOKEN_BYTES: usize = 2152;

fn token_body(text: &str) -> String {
    let token = format!("{text}{}", "x".repeat(TOKEN_BYTES - text.len()));
    serde_json::json!({ "token_type": "Bearer", "expires_in": 3599, "access_token": token }).to_string()
}

/// A token service on loopback that hands out tokens as fast as it can.
fn start_sts() -> String {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            use actix_web::{App, HttpResponse, HttpServer, web};
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let host = format!("http://{}", listener.local_addr().unwrap());
            let document = serde_json::json!({
                "issuer": format!("{host}/{TENANT}/v2.0"),
                "authorization_endpoint": format!("{host}/authorize"),
                "token_endpoint": format!("{host}/token"),
                "jwks_uri": format!("{host}/keys"),
            });
            tell.send(host).unwrap();
            let server = HttpServer::new(move || {
                let document = document.clone();
                App::new()
                    .route("/token", web::post().to(|| async { HttpResponse::Ok().content_type("application/json").body(token_body("t")) }))
                    .default_service(web::to(move || {
                        let document = document.clone();
                        async move { HttpResponse::Ok().json(document) }
                    }))
            });
            server.workers(1).listen(listener).unwrap().run().await.unwrap();
        });
    });
    told.recv().unwrap()
}

fn ours(host: &str) -> ConfidentialClient {
    let config = EntraConfig::new(host.parse().unwrap(), TENANT, CLIENT, ClientCredential::secret("s3cret"));
    // Room for all users of the largest case.
    ConfidentialClient::builder(config).memory_limit_bytes(2 * 1024 * 1024 * 1024).build().unwrap()
}

#[derive(Debug)]
struct Canned;

#[async_trait::async_trait]
impl HttpClient for Canned {
    async fn execute_request(&self, _: &Request) -> azure_core::Result<AsyncRawResponse> {
        Ok(AsyncRawResponse::from_bytes(StatusCode::Ok, Headers::default(), token_body("t").into_bytes()))
    }
}

fn theirs() -> Arc<ClientSecretCredential> {
    let client_options = ClientOptions { transport: Some(Transport::new(Arc::new(Canned))), ..Default::default() };
    let options = ClientSecretCredentialOptions { client_options };
    ClientSecretCredential::new(TENANT, CLIENT.into(), "s3cret".to_owned().into(), Some(options)).unwrap()
}

fn app_token(c: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let mut group = c.benchmark_group("cached app token");

    let (client, scopes) = (ours(&start_sts()), Scopes::from(SCOPE));
    runtime.block_on(async { client.acquire_token_for_client(&scopes).await.unwrap() });
    group.bench_function("shared-auth", |bencher| {
        bencher.iter(|| {
            let result = runtime.block_on(async { client.acquire_token_for_client(&scopes).await.unwrap() });
            assert_eq!(result.source, TokenSource::Cache);
        });
    });

    let credential = theirs();
    runtime.block_on(async { credential.get_token(&[SCOPE], None).await.unwrap() });
    group.bench_function("azure_identity", |bencher| {
        bencher.iter(|| runtime.block_on(async { credential.get_token(&[SCOPE], None).await.unwrap() }));
    });
    group.finish();
}

fn on_behalf_of(c: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let mut group = c.benchmark_group("cached on-behalf-of token, by number of users");
    let host = start_sts();
    let ends = SystemClock.now() + SignedDuration::from_hours(1);
    for users in [1_usize, 1_000, 100_000] {
        let (client, scopes) = (ours(&host), Scopes::from("User.Read"));
        let assertions: Vec<UserAssertion> = (0..users).map(|user| assertion(user, ends)).collect();
        runtime.block_on(async {
            for chunk in assertions.chunks(64) {
                let asked: Vec<_> = chunk
                    .iter()
                    .map(|assertion| tokio::spawn(client.acquire_token_on_behalf_of(assertion, &scopes).into_future()))
                    .collect();
                for one in asked {
                    one.await.unwrap().unwrap();
                }
            }
        });
        let mut next = 0;
        group.bench_function(BenchmarkId::from_parameter(users), |bencher| {
            bencher.iter(|| {
                next = (next + 7919) % users;
                let asked = async { client.acquire_token_on_behalf_of(&assertions[next], &scopes).await.unwrap() };
                assert_eq!(runtime.block_on(asked).source, TokenSource::Cache);
            });
        });
    }
    group.finish();
}

/// Text as long as a real incoming token; no two alike.
fn assertion(user: usize, ends: Timestamp) -> UserAssertion {
    UserAssertion::new(format!("{user:08}.{}", "a".repeat(1_600)), ends)
}

criterion_group!(benches, app_token, on_behalf_of);
criterion_main!(benches);
