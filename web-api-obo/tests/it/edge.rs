//! What stands at the door of the built API: limits, headers, and lies about who is asking.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, ORIGIN, RETRY_AFTER, SERVER};

use crate::api::{Api, OURS};

/// Checklist 149, 150.
#[tokio::test(flavor = "multi_thread")]
async fn every_answer_stays_out_of_caches_and_says_nothing_about_the_server() {
    let api = Api::start().await;
    let token = api.app_token(OURS).await;

    for (path, status) in [
        ("/api/directory", 200),
        ("/api/profile", 403),
        ("/nothing", 404),
        ("/openapi.json", 200),
        ("/health/ready", 200),
    ] {
        let answer = api.get(path).bearer_auth(&token).send().await.unwrap();
        assert_eq!(answer.status(), status, "{path}");
        assert_eq!(answer.headers()[CACHE_CONTROL], "no-store", "{path}");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff", "{path}");
        assert!(
            answer.headers().get(SERVER).is_none() && answer.headers().get("x-powered-by").is_none(),
            "{path}"
        );
    }
}

/// Checklist 148.
#[tokio::test(flavor = "multi_thread")]
async fn no_other_origin_is_allowed_to_read_an_answer() {
    let api = Api::start().await;
    let token = api.app_token(OURS).await;

    for origin in ["https://evil.test", "null", "http://localhost:3000"] {
        let asked =
            api.get("/api/directory").bearer_auth(&token).header(ORIGIN, origin).send().await.unwrap();
        let preflight = api
            .http
            .request(reqwest::Method::OPTIONS, format!("{}/api/directory", api.url))
            .header(ORIGIN, origin)
            .header("access-control-request-method", "GET")
            .header("access-control-request-headers", "authorization");
        let preflight = preflight.send().await.unwrap();

        assert!(preflight.status().is_client_error(), "{origin}: {}", preflight.status());
        for answer in [asked, preflight] {
            assert!(answer.headers().get(ACCESS_CONTROL_ALLOW_ORIGIN).is_none(), "{origin}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_tokens_are_limited_whatever_the_headers_say_and_good_ones_are_not() {
    let api = Api::start_with(&[("ATTEMPTS_PER_MINUTE", "5")]).await;
    let good = api.app_token(OURS).await;
    let bad = format!("{good}x");
    let mut statuses = Vec::new();

    for n in 0..10 {
        let spoofed = api
            .get("/api/directory")
            .header("x-forwarded-for", format!("203.0.113.{n}"))
            .header("forwarded", format!("for=203.0.113.{n}"))
            .header("x-real-ip", format!("203.0.113.{n}"));
        let answer = spoofed.bearer_auth(&bad).send().await.unwrap();
        if answer.status() == StatusCode::TOO_MANY_REQUESTS {
            let seconds: u64 = answer.headers()[RETRY_AFTER].to_str().unwrap().parse().unwrap();
            assert!((1..=12).contains(&seconds), "{seconds}");
        }
        statuses.push(answer.status().as_u16());
    }

    assert_eq!(statuses[..5], [401; 5]);
    assert!(statuses[5..].contains(&429), "{statuses:?}");
    let answer = api.get("/api/directory").bearer_auth(&good).send().await.unwrap();
    assert_eq!(answer.status(), 200, "a good token from the same address");
}

/// Checklist 152.
#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_connections_with_half_a_head_do_not_stop_the_others_and_are_closed() {
    let api = Api::start().await;
    let token = api.app_token(OURS).await;
    let slow: Vec<_> = (0..200)
        .map(|_| {
            let mut stream = TcpStream::connect(api.address()).unwrap();
            stream.write_all(b"GET /api/directory HTTP/1.1\r\nhost: x\r\nx-slow: ").unwrap();
            stream
        })
        .collect();

    for _ in 0..50 {
        assert_eq!(api.get("/api/directory").bearer_auth(&token).send().await.unwrap().status(), 200);
    }

    let closed = tokio::task::spawn_blocking(move || {
        slow.into_iter()
            .map(|mut stream| {
                stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
                let mut answer = String::new();
                stream.read_to_string(&mut answer).map(|_| answer)
            })
            .collect::<Result<Vec<_>, _>>()
    });
    for answer in closed.await.unwrap().unwrap() {
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
}

/// Checklist 157.
#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_requests_at_once_are_all_answered() {
    let api = Api::start().await;
    let token = api.app_token(OURS).await;

    let requests = (0..200).map(|_| {
        let request = api.get("/api/directory").bearer_auth(&token);
        tokio::spawn(async move { request.send().await.unwrap().status().as_u16() })
    });
    for request in requests.collect::<Vec<_>>() {
        assert_eq!(request.await.unwrap(), 200);
    }
}

/// Checklist 153.
#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_nobody_wants_is_not_read() {
    let api = Api::start().await;
    let token = api.user_token("alice").await;
    let post = |length: &str| {
        format!(
            "POST /api/reports HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-length: {length}\r\n\r\nx"
        )
    };

    for length in ["10000000000", "99999999999999999999999", "-1", "1,2"] {
        let (address, request) = (api.address().to_owned(), post(length));
        let answer = tokio::task::spawn_blocking(move || {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).map(|_| answer)
        });
        let answer = answer.await.unwrap().unwrap();
        assert!(answer.starts_with("HTTP/1.1 202") || answer.starts_with("HTTP/1.1 4"), "{length}: {answer}");
    }
}
