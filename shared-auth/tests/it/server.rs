//! The limits of a server, by the attacks on it: raw sockets that are slow, greedy or lie about who they are.
//!
//! `slow.rs` has the clients that are cut off for their pace. The limits in these tests are short; what the samples have
//! stands in their own tests.

mod slow;

use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroU32;

use actix_web::{App, HttpResponse, web};
use reqwest::header::RETRY_AFTER;
use reqwest::{Client, Response};
use serde_json::Value;
use shared_auth::Env;
use shared_auth::actix::{self, BearerAuth, ServerLimits, UserCaller};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::tokens::{FOREIGN_KEY, KEY, TestAuthority};

/// A site with a few routes on a port of its own.
fn site(limits: ServerLimits) -> SocketAddr {
    serve(limits, |app| {
        app.route("/hello", web::to(|| async { "hello" }))
            .route("/read", web::post().to(|body: web::Bytes| async move { body.len().to_string() }))
            .route("/panic", web::get().to(broken));
    })
}

fn serve(
    limits: ServerLimits,
    routes: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = actix::server(listener, limits, move || App::new().configure(routes.clone())).unwrap();
    actix_web::rt::spawn(server);
    address
}

async fn broken() -> HttpResponse {
    panic!("the key is hunter2")
}

async fn get(address: SocketAddr, path: &str) -> Response {
    client().get(format!("http://{address}{path}")).send().await.unwrap()
}

fn client() -> Client {
    Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap()
}

async fn says_hello(address: SocketAddr) {
    assert_eq!(get(address, "/hello").await.text().await.unwrap(), "hello");
}

/// Sends this, and reads until the server closes. What was sent may be more than it wants to read.
async fn until_closed(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let _ = stream.write_all(request).await;
    rest(&mut stream).await
}

async fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// Checklist 156.
#[actix_web::test]
async fn a_handler_that_panics_costs_its_own_request_and_nothing_else() {
    let address = site(ServerLimits::default());

    for _ in 0..20 {
        let answer = get(address, "/panic").await;
        assert_eq!(answer.status(), 500);
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["error"], "internal_error");
        assert!(!body.to_string().contains("hunter2"), "{body}");
        says_hello(address).await;
    }
}

/// Checklist 151.
#[actix_web::test]
async fn heads_that_are_too_large_are_refused() {
    let address = site(ServerLimits::default());
    let head = |path: &str, headers: &str| {
        format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n")
    };
    let long = "a".repeat(9 * 1024);
    let many: String = (0..2000).map(|n| format!("x-{n}: 1\r\n")).collect();
    let requests = [
        ("the usual", head("/hello", ""), "200"),
        ("an address of 9 KiB", head(&format!("/hello?{long}"), ""), "414"),
        ("a header of 36 KiB", head("/hello", &format!("x-a: {}\r\n", long.repeat(4))), "431"),
        (
            "four headers of 9 KiB",
            head("/hello", &(0..4).map(|n| format!("x-{n}: {long}\r\n")).collect::<String>()),
            "431",
        ),
        (
            "a token of 512 KiB",
            head("/hello", &format!("authorization: Bearer {}\r\n", "a.".repeat(256 * 1024))),
            "431",
        ),
        ("2000 headers", head("/hello", &many), "431"),
    ];

    for (what, request, status) in requests {
        let answer = until_closed(address, request.as_bytes()).await;
        assert_eq!(answer.split(' ').nth(1), Some(status), "{what}: {answer:.60}");
        says_hello(address).await;
    }
}

/// Checklist 153.
#[actix_web::test]
async fn a_body_ends_at_its_limit() {
    let address = site(ServerLimits::default());
    let chunks = |kib: usize| {
        let chunk = format!("400\r\n{}\r\n", "x".repeat(1024)).repeat(kib);
        format!(
            "POST /read HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n{chunk}0\r\n\r\n"
        )
    };

    let fits = until_closed(address, chunks(64).as_bytes()).await;
    let more = until_closed(address, chunks(65).as_bytes()).await;

    assert!(fits.starts_with("HTTP/1.1 200") && fits.ends_with("65536"), "{fits}");
    assert!(more.starts_with("HTTP/1.1 413"), "{more}");
    // A length that nobody will wait for; and a route that does not want a body at all.
    for path in ["/read", "/hello"] {
        let greedy = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 10000000000\r\n\r\n");
        let answer = until_closed(address, greedy.as_bytes()).await;
        let status = if path == "/read" { "413" } else { "200" };
        assert_eq!(answer.split(' ').nth(1), Some(status), "{path}: {answer}");
    }
    says_hello(address).await;
}

/// An API where each address may show three bad tokens a minute.
async fn strict_api(proxies: &str) -> (TestAuthority, SocketAddr) {
    let authority = TestAuthority::start().await;
    let auth = BearerAuth::new(authority.validator.clone());
    let limits = Env::from_pairs([("TRUSTED_PROXIES", proxies)]).read(ServerLimits::from_env).unwrap();
    let address = serve(limits.attempts_per_minute(NonZeroU32::new(3).unwrap()), move |app| {
        let user = |caller: UserCaller| async move { caller.object_id.clone() };
        app.service(web::resource("/api").wrap(auth.require_scope("access_as_user")).get(user));
    });
    (authority, address)
}

async fn call(address: SocketAddr, token: &str, forwarded_for: &str) -> Response {
    let request = client().get(format!("http://{address}/api")).header("x-forwarded-for", forwarded_for);
    request.bearer_auth(token).send().await.unwrap()
}

#[actix_web::test]
async fn an_address_that_shows_bad_tokens_is_told_to_wait_and_its_good_tokens_still_get_in() {
    let (authority, address) = strict_api("").await;
    let (bad, good) = (FOREIGN_KEY.token(&authority.user_claims()), KEY.token(&authority.user_claims()));

    for _ in 0..3 {
        assert_eq!(call(address, &bad, "").await.status(), 401);
    }
    // Whoever it says that it is: nobody here is a proxy.
    for name in ["", "203.0.113.9", "198.51.100.1, 127.0.0.1"] {
        let answer = call(address, &bad, name).await;
        assert_eq!(answer.status(), 429, "{name:?}");
        let seconds: u64 = answer.headers()[RETRY_AFTER].to_str().unwrap().parse().unwrap();
        assert!((1..=20).contains(&seconds), "{seconds}");
        assert_eq!(answer.json::<Value>().await.unwrap()["error"], "too_many_requests");
    }
    assert_eq!(get(address, "/api").await.status(), 429, "no token at all");
    assert_eq!(call(address, &good, "").await.status(), 200);
}

#[actix_web::test]
async fn behind_a_trusted_proxy_each_client_counts_for_itself() {
    let (authority, address) = strict_api("127.0.0.0/8").await;
    let bad = FOREIGN_KEY.token(&authority.user_claims());

    for _ in 0..3 {
        assert_eq!(call(address, &bad, "203.0.113.9").await.status(), 401);
    }

    assert_eq!(call(address, &bad, "203.0.113.9").await.status(), 429);
    assert_eq!(
        call(address, &bad, "192.0.2.1, 203.0.113.9").await.status(),
        429,
        "the left one is its own word"
    );
    assert_eq!(call(address, &bad, "203.0.113.10").await.status(), 401, "another client");
}

#[test]
fn settings_that_would_trust_everybody_or_nobody_are_named() {
    let wrong = [
        ("TRUSTED_PROXIES", "0.0.0.0/0"),
        ("TRUSTED_PROXIES", "::/0"),
        ("TRUSTED_PROXIES", "proxy.example"),
        ("ATTEMPTS_PER_MINUTE", "0"),
        ("ATTEMPTS_PER_MINUTE", "-1"),
    ];
    for (name, value) in wrong {
        let error = Env::from_pairs([(name, value)]).read(ServerLimits::from_env).unwrap_err();
        assert_eq!(error.problems[0].name, name, "{value}");
    }
    let right =
        Env::from_pairs([("TRUSTED_PROXIES", "10.0.0.0/8, 192.0.2.7,::1")]).read(ServerLimits::from_env);
    assert!(right.is_ok());
}
