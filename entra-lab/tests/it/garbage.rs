//! Garbage at every endpoint: always a 4xx, and the lab lives on.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{DAEMON, OBO, TENANT, client, lab};

const GARBAGE: [&str; 8] = [
    "%",
    "%00",
    "%ff%fe",
    "a=b&a=c&&&===",
    "grant_type[]=x&client_id[a]=b",
    "client_id=%F0%9F%A6%80&redirect_uri=%0d%0aX:1&state=%00",
    "client_id=c0ffee00-0000-4000-8000-000000003000&redirect_uri=http://localhost:3000/signin-oidc%00",
    "transaction=%00&form_token=%F0&action=accept",
];

#[tokio::test]
async fn queries_of_garbage_are_refused() {
    let lab = lab().await;
    for path in ["common/discovery/instance", "contoso.test/oauth2/v2.0/authorize", "error"] {
        for query in GARBAGE {
            let response = client().get(format!("{}/{path}?{query}", lab.url())).send().await.unwrap();
            assert!(response.status().is_client_error(), "{path}?{query} {}", response.status());
        }
    }
}

#[tokio::test]
async fn forms_of_garbage_are_refused() {
    let lab = lab().await;
    let paths = [
        format!("{TENANT}/oauth2/v2.0/token"),
        format!("{TENANT}/login"),
        "lab/clock".into(),
        "lab/reset".into(),
    ];
    for path in paths {
        for body in GARBAGE {
            for content_type in
                ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data", "\u{7f}x"]
            {
                let post = client().post(format!("{}/{path}", lab.url()));
                let Ok(post) = post.header("content-type", content_type.as_bytes()).body(body).build() else {
                    continue;
                };
                let response = client().execute(post).await.unwrap();
                assert!(response.status().is_client_error(), "{path} {body} {}", response.status());
            }
        }
    }
}

#[tokio::test]
async fn values_of_garbage_in_every_field_are_refused() {
    let lab = lab().await;
    let url = format!("{}/{TENANT}/oauth2/v2.0/token", lab.url());
    let grants = ["authorization_code", "refresh_token", "client_credentials", OBO];
    let long = "x".repeat(20_000);
    for grant in grants {
        for value in [
            "\u{0}",
            "🦀",
            "' or 1=1",
            "../../..",
            "\r\nx: y",
            "eyJ.eyJ.x",
            "....",
            "/",
            " / ",
            long.as_str(),
        ] {
            let mut form =
                vec![("grant_type", grant), ("client_id", DAEMON.id), ("client_secret", DAEMON.secret)];
            form.push(("requested_token_use", "on_behalf_of"));
            for name in [
                "scope",
                "code",
                "redirect_uri",
                "code_verifier",
                "refresh_token",
                "assertion",
                "client_info",
            ] {
                form.push((name, value));
            }
            let response = client().post(&url).form(&form).send().await.unwrap();
            assert!(response.status().is_client_error(), "{grant} {value} {}", response.status());
        }
    }
}

#[tokio::test]
async fn paths_cookies_and_headers_of_garbage_do_no_harm() {
    let lab = lab().await;
    for path in [
        "%00",
        "%ff/v2.0/.well-known/openid-configuration",
        "..%2f..%2fetc",
        "a/b/c/d",
        "lab/assets/..%2f..%2fCargo.toml",
        "%F0%9F%A6%80/oauth2/v2.0/authorize",
    ] {
        let response = client().get(format!("{}/{path}", lab.url())).send().await.unwrap();
        assert!(response.status().is_client_error(), "{path} {}", response.status());
    }
    for cookie in ["entra_lab_session", "entra_lab_session=%00", "=;=;", "entra_lab_session=\"x", "\u{7f}"] {
        let get = client().get(format!("{}/{TENANT}/oauth2/v2.0/logout", lab.url()));
        let response = get.header("cookie", cookie.as_bytes()).send();
        assert!(response.await.map_or(400, |r| r.status().as_u16()) < 500, "{cookie}");
    }
}

#[tokio::test]
async fn bytes_that_are_no_http_do_not_stop_the_lab() {
    let lab = lab().await;
    let address = lab.url().strip_prefix("http://").unwrap().to_owned();
    for bytes in [
        b"\x16\x03\x01\x00\xff".as_slice(),
        b"GET\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        &[0xff; 64],
    ] {
        let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{answer:?}");
    }
    let health = client().get(format!("{}/lab/health", lab.url())).send().await.unwrap();
    assert_eq!(health.status().as_u16(), 200);
}
