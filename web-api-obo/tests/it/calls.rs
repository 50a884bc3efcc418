//! Who gets in, who does not, and what a refusal says.

use entra_lab::{Fault, Target, What};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, SERVER, WWW_AUTHENTICATE};
use serde_json::Value;

use crate::api::{Api, OTHER, OURS};

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_every_protected_route_asks_for_one() {
    let api = Api::start().await;

    for path in ["/api/profile", "/api/photo", "/api/messages", "/api/directory"] {
        let answer = api.get(path).send().await.unwrap();

        assert_eq!(answer.status(), 401, "{path}");
        assert_eq!(answer.headers()[WWW_AUTHENTICATE], "Bearer", "{path}");
        assert!(answer.headers().get(SERVER).is_none());
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["error"], "token_missing");
        assert_eq!(body["correlationId"].as_str().map(str::len), Some(36));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_with_the_role_reads_the_directory() {
    let api = Api::start().await;
    let token = api.app_token(OURS).await;

    let answer = api.get("/api/directory").bearer_auth(token).send().await.unwrap();

    assert_eq!(answer.status(), 200);
    let body: Value = answer.json().await.unwrap();
    let users = body["users"].as_array().unwrap();
    assert!(users.len() > 6, "{body}");
    assert!(
        users.iter().any(|user| user["displayName"] == "Alice Kim" && user["jobTitle"] == "Engineer"),
        "{body}"
    );
}

/// Checklist 50.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_is_refused_where_a_user_is_wanted() {
    let api = Api::start().await;
    let token = api.app_token(OURS).await;

    for path in ["/api/profile", "/api/photo", "/api/messages"] {
        let answer = api.get(path).bearer_auth(&token).send().await.unwrap();

        assert_eq!(answer.status(), 403, "{path}");
        let challenge = answer.headers()[WWW_AUTHENTICATE].to_str().unwrap().to_owned();
        assert!(
            challenge.contains("insufficient_scope") && challenge.contains("access_as_user"),
            "{challenge}"
        );
    }
    let on_behalf = api.lab.requests().iter().filter(|request| request.client_id.is_some_and(is_api)).count();
    assert_eq!(on_behalf, 0, "the guard stands before the exchange");
}

fn is_api(client: impl std::fmt::Display) -> bool {
    client.to_string() == "c0ffee00-0000-4000-8000-000000004000"
}

#[tokio::test(flavor = "multi_thread")]
async fn for_several_tenants_it_serves_those_on_its_list_and_nobody_else() {
    for (listed, status) in
        [("10000000-0000-4000-8000-000000000001", 200), (OTHER.trim_start_matches("api://"), 401)]
    {
        let settings = [("AZURE_TENANT_ID", "organizations"), ("ALLOWED_TENANTS", listed)];
        let api = Api::start_with(&settings).await;
        let token = api.user_token("alice").await;

        let answer = api.get("/api/profile").bearer_auth(token).send().await.unwrap();

        assert_eq!(answer.status(), status, "{listed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_another_api_is_refused() {
    let api = Api::start().await;
    let token = api.app_token(OTHER).await;

    let answer = api.get("/api/directory").bearer_auth(&token).send().await.unwrap();

    assert_eq!(answer.status(), 401);
    let body = answer.text().await.unwrap();
    assert!(body.contains("invalid_token") && !body.contains(&token), "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_token_is_refused() {
    let api = Api::start().await;
    let token = api.app_token(OURS).await;
    let dot = token.find('.').unwrap() + 12;
    let other = if &token[dot..=dot] == "A" { "B" } else { "A" };
    let changed = format!("{}{other}{}", &token[..dot], &token[dot + 1..]);

    let answer = api.get("/api/directory").bearer_auth(changed).send().await.unwrap();

    assert_eq!(answer.status(), 401);
}

/// Checklist 57.
#[tokio::test(flavor = "multi_thread")]
async fn garbage_is_the_senders_fault_and_never_ours() {
    let api = Api::start().await;
    let queries = ["?%ff=%00", "?a=&&&=b", "?access_token=x", "?%", "?'%22<script>"];
    let headers =
        ["", "Bearer", "Bearer a b", "Bearer ..", "Bearer eyJhbGciOiJub25lIn0.e30.", "Basic YTpi", "\u{7f}"];

    for path in ["/api/profile", "/api/directory", "/api/%00", "/api/profile/..%2f..", "//", "/api/profile/"]
    {
        for query in queries {
            let answer = api.get(&format!("{path}{query}")).send().await.unwrap();
            assert!(answer.status().is_client_error(), "{path}{query} answered {}", answer.status());
        }
        for header in headers {
            let Ok(value) = reqwest::header::HeaderValue::from_bytes(header.as_bytes()) else { continue };
            let answer =
                api.get(path).header(AUTHORIZATION, value).header("cookie", "a=%00;;=").send().await.unwrap();
            assert!(answer.status().is_client_error(), "{path} with {header} answered {}", answer.status());
        }
    }
    let long = format!("Bearer {}", "a.".repeat(20_000));
    let answer = api.get("/api/profile").header(AUTHORIZATION, long).send().await.unwrap();
    assert!(answer.status().is_client_error());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_path_is_a_json_404() {
    let api = Api::start().await;

    let answer = api.get("/nothing/here").send().await.unwrap();

    assert_eq!(answer.status(), 404);
    assert!(answer.headers()[CONTENT_TYPE].to_str().unwrap().starts_with("application/json"));
    assert_eq!(answer.json::<Value>().await.unwrap()["error"], "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_names_every_route_with_its_refusals() {
    let api = Api::start().await;

    let document: Value = api.get("/openapi.json").send().await.unwrap().json().await.unwrap();

    for path in ["/api/profile", "/api/photo", "/api/messages", "/api/directory"] {
        let responses = &document["paths"][path]["get"]["responses"];
        for status in ["200", "401", "403"] {
            assert!(responses[status].is_object(), "{path} does not describe {status}");
        }
        assert!(document["paths"][path]["get"]["security"][0]["entra"].is_array(), "{path}");
    }
    assert_eq!(document["components"]["securitySchemes"]["entra"]["scheme"], "bearer");
}

/// Checklist 124.
#[tokio::test(flavor = "multi_thread")]
async fn health_is_asked_by_the_subcommand() {
    let mut api = Api::start().await;
    let healthy = |address: &str| {
        let mut command = crate::api::command();
        command.env("LISTEN_ADDR", address).arg("healthcheck").status().unwrap().success()
    };

    for path in ["/health/live", "/health/ready"] {
        assert_eq!(api.get(path).send().await.unwrap().status(), 200, "{path}");
    }
    assert!(healthy(api.address()));

    #[cfg(unix)]
    assert_eq!(api.terminate(), Some(0), "SIGTERM is a good end");
    #[cfg(unix)]
    assert!(!healthy(api.address()));
}

/// Checklist 124.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn asked_twice_to_stop_it_does_not_wait_for_what_is_under_way() {
    let mut api = Api::start().await;
    let alice = api.user_token("alice").await;
    api.lab.fault(Fault::new(Target::Graph, What::Slow { milliseconds: 60_000 }));
    let under_way = tokio::spawn(api.get("/api/profile").bearer_auth(alice).send());
    // The exchange was answered, so Graph is asked now.
    let exchanged = || api.lab.requests().iter().any(|request| request.client_id.is_some_and(is_api));
    while !exchanged() {
        tokio::task::yield_now().await;
    }

    api.begin_to_stop().await;

    assert_eq!(api.terminate(), Some(143), "0 would mean that it waited");
    assert!(under_way.await.unwrap().is_err(), "its answer never came");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_ready_without_its_redis_says_so_and_serves() {
    const KEYS: &str = "YSBrZXkgZm9yIHRoZSBsYWIgb25seSwgMzIgYnl0ZXM=";
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("redis://:s3cret@{nobody}");
    let api = Api::start_with(&[("REDIS_URL", &url), ("CACHE_KEYS", KEYS)]).await;

    for _ in 0..6 {
        let answer = api.get("/health/ready").send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.text().await.unwrap(), r#"{"redis":"away","status":"degraded"}"#);
    }
    let mut healthcheck = crate::api::command();
    assert!(healthcheck.env("LISTEN_ADDR", api.address()).arg("healthcheck").status().unwrap().success());
    let alice = api.user_token("alice").await;
    let profile = api.get("/api/profile").bearer_auth(alice).send().await.unwrap();
    assert_eq!(profile.status(), 200);
}
