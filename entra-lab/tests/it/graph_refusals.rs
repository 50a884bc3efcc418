//! What all of Graph has in common: tokens it does not take, the shape of its errors, its headers.

use jiff::SignedDuration;
use reqwest::Method;

use crate::graph_lab::GraphLab;

const NO: (u16, &str) = (401, "InvalidAuthenticationToken");

fn no() -> (u16, String) {
    (NO.0, NO.1.to_owned())
}

#[tokio::test]
async fn without_a_bearer_token_nothing_is_shown() {
    let graph = GraphLab::start().await;

    for headers in [
        vec![],
        vec![("authorization", "Basic YTpi")],
        vec![("authorization", "Bearer")],
        vec![("authorization", "Bearer  ")],
    ] {
        let answer = graph.get_with(&headers, "/me").await;

        assert_eq!(answer.error(), no(), "{headers:?}");
        let challenge = answer.header("www-authenticate");
        assert!(
            challenge.starts_with("Bearer realm=\"\", authorization_uri=\"http://127.0.0.1:"),
            "{challenge}"
        );
        assert!(challenge.contains("client_id=\"00000003-0000-0000-c000-000000000000\""), "{challenge}");
    }
}

#[tokio::test]
async fn garbage_is_no_token() {
    let graph = GraphLab::start().await;
    let good = graph.daemon_token().await;
    let (head, rest) = good.split_once('.').unwrap();
    let (_, signature) = rest.split_once('.').unwrap();
    let long = "a".repeat(20_000);
    let cases = [
        "garbage".to_owned(),
        "a.b.c".to_owned(),
        "..".to_owned(),
        format!("{good}x"),
        format!("{head}.e30.{signature}"),
        format!("{head}.{rest}.{rest}"),
        // {"alg":"none"}
        format!("eyJhbGciOiJub25lIn0.{rest}"),
        long,
    ];
    for token in cases {
        let answer = graph.get(&token, "/users").await;

        assert_eq!(answer.error(), no());
        assert!(!String::from_utf8_lossy(&answer.bytes).contains(&token), "the token is not repeated");
    }
}

#[tokio::test]
async fn two_bearer_headers_are_not_a_choice() {
    let graph = GraphLab::start().await;
    let bearer = format!("Bearer {}", graph.daemon_token().await);

    let answer = graph.get_with(&[("authorization", &bearer), ("authorization", &bearer)], "/users").await;

    assert_eq!(answer.error(), no());
}

#[tokio::test]
async fn a_token_for_another_audience_is_refused() {
    let graph = GraphLab::start().await;
    let token = graph.api_token().await;

    let answer = graph.get(&token, "/users").await;

    assert_eq!(answer.error(), no());
    assert!(answer.json()["error"]["message"].as_str().unwrap().contains("another audience"));
}

#[tokio::test]
async fn an_id_token_is_refused() {
    let graph = GraphLab::start().await;
    let answer = graph.sign_in("alice@contoso.test", "User.Read").await;

    let id_token = answer.text("id_token");

    assert_eq!(graph.get(id_token, "/me").await.error(), no());
}

#[tokio::test]
async fn a_token_outside_its_lifetime_is_refused() {
    let graph = GraphLab::start().await;
    let token = graph.daemon_token().await;

    graph.lab.advance(SignedDuration::from_hours(2));
    let expired = graph.get(&token, "/users").await;
    graph.lab.advance(SignedDuration::from_hours(-4));
    let too_early = graph.get(&token, "/users").await;
    graph.lab.advance(SignedDuration::from_hours(2));

    assert_eq!((expired.error(), too_early.error()), (no(), no()));
    assert!(expired.json()["error"]["message"].as_str().unwrap().contains("expired"));
    // Expiry is no claims challenge.
    assert!(!expired.header("www-authenticate").contains("insufficient_claims"));
    assert_eq!(graph.get(&token, "/users").await.status, 200);
}

#[tokio::test]
async fn every_answer_carries_the_headers_of_graph() {
    let graph = GraphLab::start().await;
    let bearer = format!("Bearer {}", graph.daemon_token().await);
    let mine = "5f3b5a52-7b1e-4f0c-9a0c-0f6b2d0c4d11";

    for (path, status) in [("/users?$top=1", 200), ("/me", 400), ("/users/nobody", 404), ("/nothing", 400)] {
        let answer = graph.get_with(&[("authorization", &bearer), ("client-request-id", mine)], path).await;

        assert_eq!(answer.status.as_u16(), status, "{path}");
        assert_eq!(answer.header("client-request-id"), mine, "{path}");
        assert_eq!(answer.header("request-id").len(), 36, "{path}");
        assert_ne!(answer.header("request-id"), mine, "{path}");
        assert_eq!(answer.header("odata-version"), "4.0", "{path}");
        assert_eq!(answer.header("cache-control"), "no-cache", "{path}");
        assert!(
            answer.header("x-ms-ags-diagnostic").starts_with(r#"{"ServerInfo":{"DataCenter":"#),
            "{path}"
        );
        assert!(
            answer.header("content-type").starts_with("application/json;odata.metadata=minimal;"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn an_error_has_the_shape_of_graph_and_repeats_the_ids() {
    let graph = GraphLab::start().await;

    // An id that is none is not repeated.
    let answer = graph.get_with(&[("client-request-id", "<script>")], "/me").await;

    let error = &answer.json()["error"];
    assert_eq!(error["innerError"]["request-id"], answer.header("request-id"));
    assert_eq!(error["innerError"]["client-request-id"], answer.header("request-id"));
    let date = error["innerError"]["date"].as_str().unwrap();
    assert!(date.parse::<jiff::civil::DateTime>().is_ok() && date.len() == 19, "{date}");
    assert!(error["message"].as_str().unwrap().ends_with('.'));
}

#[tokio::test]
async fn other_verbs_are_refused() {
    let graph = GraphLab::start().await;
    let token = graph.daemon_token().await;

    for method in [Method::POST, Method::PATCH, Method::PUT, Method::DELETE, Method::OPTIONS] {
        for path in ["/users", "/me/photo/$value"] {
            let answer = graph.send(method.clone(), &token, path).await;

            assert_eq!(answer.error(), (405, "Request_BadRequest".to_owned()), "{method} {path}");
            assert_eq!(answer.header("allow"), "GET, HEAD", "{method} {path}");
        }
    }
}

#[tokio::test]
async fn an_unknown_path_is_answered_in_the_same_shape() {
    let graph = GraphLab::start().await;

    for path in ["", "/", "/planner", "/me/", "/me/photos", "/users/x/y/z", "/%ff%00", "//"] {
        assert_eq!(graph.get("x", path).await.error(), (400, "BadRequest".to_owned()), "'{path}'");
    }
}

#[tokio::test]
async fn no_input_is_answered_with_a_server_error() {
    let graph = GraphLab::start().await;
    let token = graph.daemon_token().await;
    let long = "x".repeat(5_000);
    let odd = [
        "%00",
        "%ff%fe",
        "%",
        "%zz",
        "'",
        "\"",
        "$",
        "&&&=",
        "%F0%9F%92%A9",
        "-1",
        "1e9",
        ",,,",
        long.as_str(),
    ];

    for value in odd {
        for path in ["/users?$top=", "/users?$select=", "/users?$skiptoken=", "/users/", "/users?", "/"] {
            let status = graph.get(&token, &format!("{path}{value}")).await.status.as_u16();
            assert!(status < 500, "{path}{value}: {status}");
        }
    }
}
