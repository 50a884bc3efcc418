//! The guards of an API, over real HTTP: who gets in, and what everybody else is told.
//!
//! Token and permission stand here; `demands.rs` has what a route can demand besides, `explained.rs` what the log says.

mod demands;
mod explained;

use std::net::SocketAddr;

use actix_web::{App, HttpServer, web};
use reqwest::header::{AUTHORIZATION, CACHE_CONTROL, COOKIE, WWW_AUTHENTICATE};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use shared_auth::actix::{AppCaller, BearerAuth, UserCaller};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wiremock::ResponseTemplate;

use crate::tokens::{DAEMON, DAEMON_OBJECT, FOREIGN_KEY, KEY, TestAuthority, USER};

async fn profile(user: UserCaller) -> String {
    user.object_id.clone()
}

async fn directory(app: AppCaller) -> String {
    app.object_id.clone()
}

fn routes(config: &mut web::ServiceConfig, auth: &BearerAuth) {
    let scope = auth.require_scope("access_as_user");
    let role = auth.require_role("Directory.Read");
    config
        .service(web::resource("/api/profile").wrap(scope.clone()).to(profile))
        .service(web::resource("/api/directory").wrap(role.clone()).to(directory))
        // Three mistakes that a program can contain.
        .service(web::resource("/mistake/no-guard").to(profile))
        .service(web::resource("/mistake/wrong-guard").wrap(scope).to(directory))
        .service(web::resource("/mistake/other-wrong-guard").wrap(role).to(profile));
}

/// An API with the two kinds of routes, and an authority that it trusts.
struct Api {
    authority: TestAuthority,
    address: SocketAddr,
    client: Client,
}

impl Api {
    async fn start() -> Self {
        Self::start_with(routes).await
    }

    async fn start_with(routes: fn(&mut web::ServiceConfig, &BearerAuth)) -> Self {
        let authority = TestAuthority::start().await;
        let auth = BearerAuth::new(authority.validator.clone());
        let server = HttpServer::new(move || {
            let auth = auth.clone();
            App::new().configure(move |config| routes(config, &auth))
        })
        .workers(1)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .unwrap();
        let address = server.addrs()[0];
        actix_web::rt::spawn(server.run());
        // A connection for each request: the server may close one after a refusal.
        let client = Client::builder().pool_max_idle_per_host(0).build().unwrap();
        Self { authority, address, client }
    }

    fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("http://{}{path}", self.address))
    }

    async fn get_with(&self, path: &str, token: &str) -> Response {
        self.get(path).bearer_auth(token).send().await.unwrap()
    }

    fn user_token(&self) -> String {
        KEY.token(&self.authority.user_claims())
    }

    fn app_token(&self) -> String {
        KEY.token(&self.authority.app_claims())
    }

    /// A user's token with one claim changed.
    fn user_token_with(&self, name: &str, value: Value) -> String {
        let mut claims = self.authority.user_claims();
        claims[name] = value;
        KEY.token(&claims)
    }

    fn app_token_with(&self, name: &str, value: Value) -> String {
        let mut claims = self.authority.app_claims();
        claims[name] = value;
        KEY.token(&claims)
    }
}

fn challenge(response: &Response) -> Option<&str> {
    response.headers().get(WWW_AUTHENTICATE).map(|value| value.to_str().unwrap())
}

/// Status, challenge and class are these, and the body has the form that every error of an API has.
async fn refused(what: &str, response: Response, status: u16, expected: &str, class: &str) {
    assert_eq!(response.status().as_u16(), status, "{what}");
    assert_eq!(challenge(&response), Some(expected), "{what}");
    assert_eq!(response.headers()[CACHE_CONTROL], "no-store", "{what}");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error"], class, "{what}");
    assert!(body["message"].as_str().unwrap().ends_with('.'), "{what}: {body}");
    assert_eq!(body["correlationId"].as_str().unwrap().len(), 36, "{what}: {body}");
    assert_eq!(body.as_object().unwrap().len(), 3, "{what}: {body}");
}

#[actix_web::test]
async fn users_and_applications_get_in_at_their_own_doors() {
    let api = Api::start().await;

    let user = api.get_with("/api/profile", &api.user_token()).await;
    let app = api.get_with("/api/directory", &api.app_token()).await;

    assert_eq!((user.status(), user.text().await.unwrap().as_str()), (StatusCode::OK, USER));
    assert_eq!((app.status(), app.text().await.unwrap().as_str()), (StatusCode::OK, DAEMON_OBJECT));
}

/// Checklist 55, 56.
#[actix_web::test]
async fn without_a_token_one_is_asked_for() {
    let api = Api::start().await;
    let token = api.user_token();

    let path = "/api/profile";
    let requests = [
        ("nothing", api.get(path)),
        ("Basic", api.get(path).basic_auth("alice", Some("secret"))),
        ("another scheme", api.get(path).header(AUTHORIZATION, format!("BearerX {token}"))),
        ("no scheme", api.get(path).header(AUTHORIZATION, &token)),
        ("an empty header", api.get(path).header(AUTHORIZATION, "")),
        ("in the query", api.get(&format!("{path}?access_token={token}"))),
        ("in a cookie", api.get(path).header(COOKIE, format!("access_token={token}"))),
        (
            "in the body",
            api.client.post(format!("http://{}{path}", api.address)).body(format!("access_token={token}")),
        ),
        ("forwarded", api.get(path).header("x-forwarded-authorization", format!("Bearer {token}"))),
        (
            "a proxy's word",
            [
                "x-ms-client-principal",
                "x-ms-client-principal-id",
                "x-ms-client-principal-name",
                "x-ms-token-aad-access-token",
                "x-forwarded-user",
                "remote-user",
                "remote_user",
            ]
            .iter()
            .fold(api.get(path), |request, name| request.header(*name, USER)),
        ),
    ];
    for (what, request) in requests {
        refused(what, request.send().await.unwrap(), 401, "Bearer", "token_missing").await;
    }
}

/// Checklist 55.
#[actix_web::test]
async fn an_ambiguous_header_is_a_bad_request() {
    let api = Api::start().await;
    let (token, other) = (api.user_token(), api.app_token());

    let get = |header: String| api.get("/api/profile").header(AUTHORIZATION, header);
    let requests = [
        ("the scheme alone", get("Bearer".to_owned())),
        ("quoted", get(format!("Bearer \"{token}\""))),
        ("two tokens", get(format!("Bearer {token} {other}"))),
        ("two tokens with a comma", get(format!("Bearer {token}, Bearer {other}"))),
        ("two headers", get(format!("Bearer {token}")).header(AUTHORIZATION, format!("Bearer {other}"))),
        (
            "two equal headers",
            get(format!("Bearer {token}")).header(AUTHORIZATION, format!("Bearer {token}")),
        ),
    ];
    for (what, request) in requests {
        let expected = r#"Bearer error="invalid_request""#;
        refused(what, request.send().await.unwrap(), 400, expected, "invalid_request").await;
    }
    let lower = get(format!("bearer {token}")).send().await.unwrap();
    assert_eq!(lower.status(), StatusCode::OK, "a scheme has no case");
}

/// Checklist 52, 145.
#[actix_web::test]
async fn a_bad_token_is_refused_vaguely() {
    let api = Api::start().await;
    let challenge = |class: &str| {
        format!(r#"Bearer error="invalid_token", error_description="the access token {class}""#)
    };

    let rows = [
        ("opaque", "refresh-token".to_owned(), "is malformed"),
        ("a foreign key", FOREIGN_KEY.token(&api.authority.user_claims()), "cannot be verified"),
        ("expired", api.user_token_with("exp", json!(1)), "is expired or not valid yet"),
        ("foreign audience", api.user_token_with("aud", json!(DAEMON)), "is not meant for this API"),
        ("foreign issuer", api.user_token_with("iss", json!("x")), "is not meant for this API"),
        ("no oid", api.user_token_with("oid", json!("")), "is not meant for this API"),
    ];
    for (what, token, class) in rows {
        let response = api.get_with("/api/profile", &token).await;
        refused(what, response, 401, &challenge(class), "invalid_token").await;
    }
}

/// Checklist 47.
#[actix_web::test]
async fn a_scope_is_matched_exactly() {
    let api = Api::start().await;

    for scopes in [
        "other",
        "access",
        "access_as_user2",
        "ACCESS_AS_USER",
        "access_as_user,other",
        "x/access_as_user",
        "Directory.Read",
    ] {
        let response = api.get_with("/api/profile", &api.user_token_with("scp", json!(scopes))).await;
        let expected = r#"Bearer error="insufficient_scope", scope="access_as_user""#;
        refused(scopes, response, 403, expected, "insufficient_scope").await;
    }
    let several =
        api.get_with("/api/profile", &api.user_token_with("scp", json!("a access_as_user b"))).await;
    assert_eq!(several.status(), StatusCode::OK);
}

/// Checklist 48, 49.
#[actix_web::test]
async fn a_role_is_matched_exactly() {
    let api = Api::start().await;

    for role in
        ["Other", "Directory", "Directory.Read.All", "directory.read", "x Directory.Read", "access_as_user"]
    {
        let response = api.get_with("/api/directory", &api.app_token_with("roles", json!([role]))).await;
        let expected = r#"Bearer error="insufficient_scope", scope="Directory.Read""#;
        refused(role, response, 403, expected, "insufficient_scope").await;
    }
}

/// Checklist 49, 50.
#[actix_web::test]
async fn users_and_applications_do_not_get_in_at_the_others_door() {
    let api = Api::start().await;
    let user_with_role = api.user_token_with("roles", json!(["Directory.Read"]));

    let rows = [
        ("an application at a user's route", "/api/profile", api.app_token(), "access_as_user"),
        (
            "an application with the scope as a role",
            "/api/profile",
            api.app_token_with("roles", json!(["access_as_user"])),
            "access_as_user",
        ),
        ("a user at an application's route", "/api/directory", api.user_token(), "Directory.Read"),
        ("a user with the role", "/api/directory", user_with_role, "Directory.Read"),
        (
            "a user with the role as a scope",
            "/api/directory",
            api.user_token_with("scp", json!("Directory.Read")),
            "Directory.Read",
        ),
    ];
    for (what, path, token, needed) in rows {
        let response = api.get_with(path, &token).await;
        let expected = format!(r#"Bearer error="insufficient_scope", scope="{needed}""#);
        refused(what, response, 403, &expected, "insufficient_scope").await;
    }
}

#[actix_web::test]
async fn a_route_that_forgot_its_guard_lets_nobody_in() {
    let api = Api::start().await;

    let rows = [
        ("/mistake/no-guard", api.user_token()),
        ("/mistake/wrong-guard", api.user_token()),
        ("/mistake/other-wrong-guard", api.app_token()),
    ];
    for (path, token) in rows {
        let response = api.get_with(path, &token).await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR, "{path}");
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["error"], "misconfigured", "{path}");
    }
}

/// Checklist 57.
#[actix_web::test]
async fn every_method_and_spelling_is_guarded() {
    let api = Api::start().await;

    for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "ODD"] {
        let url = format!("http://{}/api/profile", api.address);
        let response = api.client.request(method.parse().unwrap(), url).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{method}");
    }
    for name in ["x-http-method-override", "x-http-method", "x-method-override"] {
        let url = format!("http://{}/api/profile", api.address);
        let response = api.client.post(url).header(name, "GET").send().await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{name}");
    }
    for path in [
        "//api/profile",
        "/api//profile",
        "/api/./profile",
        "/x/../api/profile",
        "/api/%70rofile",
        "/api/%2e/profile",
        "/api/x/%2e%2e/profile",
        "/api%2fprofile",
        "/api%2Fprofile",
        "/api\\profile",
        "/api/profile/",
        "/api/profile/.",
        "/api/profile;a=b",
        "/api/profile?",
        "/api/profile%20",
        "/API/PROFILE",
        "/api/profile%00",
        "/api/profile%00.css",
    ] {
        let answer = as_written(api.address, path).await;
        let status = answer.split(' ').nth(1).unwrap_or("none");
        assert!(status.starts_with('4'), "{path}: {answer}");
    }
}

/// The answer to a path that no client's library has tidied up.
async fn as_written(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Checklist 21.
#[actix_web::test]
async fn without_keys_the_api_is_unavailable_and_not_open() {
    let api = Api::start().await;
    api.authority.answer_keys_with(ResponseTemplate::new(500));

    let response = api.get_with("/api/profile", &api.user_token()).await;

    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["retry-after"], "5");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error"], "upstream_unavailable");
}

/// Checklist 151.
#[actix_web::test]
async fn a_token_too_large_is_refused_quickly() {
    let api = Api::start().await;

    for size in [17 * 1024, 64 * 1024, 512 * 1024] {
        // The server may also close the connection: headers of that size are none.
        if let Ok(response) = api.get("/api/profile").bearer_auth("x".repeat(size)).send().await {
            assert!(response.status().is_client_error(), "{size}: {}", response.status());
        }
        let next = api.get_with("/api/profile", &api.user_token()).await;
        assert_eq!(next.status(), StatusCode::OK);
    }
}
