//! What a route can demand besides a permission: the kind of caller, the application, the strength of the sign-in.

use actix_web::web;
use serde_json::{Value, json};
use shared_auth::Challenge;
use shared_auth::actix::{AnyCaller, ApiError, AppCaller, BearerAuth, UserCaller};

use super::{Api, challenge, refused};
use crate::tokens::{DAEMON, DAEMON_OBJECT, KEY, USER, WEB_APP, start};

async fn user(user: UserCaller) -> String {
    user.object_id.clone()
}

async fn app(app: AppCaller) -> String {
    app.object_id.clone()
}

async fn either(caller: AnyCaller) -> String {
    match &caller {
        AnyCaller::User(user) => format!("user {} by {}", user.object_id, caller.client_id()),
        AnyCaller::App(app) => format!("app {} by {}", app.object_id, caller.client_id()),
    }
}

async fn transfer(user: UserCaller, amount: web::Path<u64>) -> Result<String, ApiError> {
    if *amount > 1_000 {
        user.require_authentication_context("c2")?;
    }
    Ok("transferred".to_owned())
}

/// The user's password was changed half a minute ago.
async fn mailbox(user: UserCaller) -> Result<String, ApiError> {
    user.require_issued_since(start() - jiff::SignedDuration::from_secs(30))?;
    Ok("mail".to_owned())
}

fn routes(config: &mut web::ServiceConfig, auth: &BearerAuth) {
    let users = || auth.require_scope("access_as_user");
    config
        .service(
            web::resource("/either")
                .wrap(auth.require_scope_or_app_permission("Orders.Read", "Orders.Read.All"))
                .to(either),
        )
        .service(web::resource("/any-user").wrap(auth.require_user()).to(user))
        .service(web::resource("/any-app").wrap(auth.require_app()).to(app))
        .service(
            web::resource("/or-scope").wrap(auth.require_scope("Other").or_scope("access_as_user")).to(user),
        )
        .service(web::resource("/or-role").wrap(auth.require_role("Other").or_role("Directory.Read")).to(app))
        .service(web::resource("/ours").wrap(users().allow_clients([WEB_APP])).to(user))
        .service(
            web::resource("/their-app")
                .wrap(auth.require_role("Directory.Read").allow_clients([WEB_APP]))
                .to(app),
        )
        .service(web::resource("/strong").wrap(users().authentication_context("c1")).to(user))
        .service(web::resource("/transfer/{amount}").wrap(users()).to(transfer))
        .service(web::resource("/mailbox").wrap(users()).to(mailbox))
        .service(
            web::resource("/mistake").wrap(auth.require_scope_or_app_permission("Orders.Read", "x")).to(user),
        );
}

async fn text(api: &Api, path: &str, token: &str) -> (u16, String) {
    let response = api.get_with(path, token).await;
    (response.status().as_u16(), response.text().await.unwrap())
}

#[actix_web::test]
async fn a_scope_or_an_application_permission() {
    let api = Api::start_with(routes).await;
    let user_with = |scopes: &str| api.user_token_with("scp", json!(scopes));
    let app_with = |role: &str| api.app_token_with("roles", json!([role]));

    let (by_user, by_app) = (format!("user {USER} by {WEB_APP}"), format!("app {DAEMON_OBJECT} by {DAEMON}"));
    assert_eq!(text(&api, "/either", &user_with("Orders.Read")).await, (200, by_user));
    assert_eq!(text(&api, "/either", &app_with("Orders.Read.All")).await, (200, by_app));

    // Each permission opens its own door only: a role is no scope, a user's role no application's permission.
    let mut claims = api.authority.user_claims();
    claims["scp"] = json!("Other");
    claims["roles"] = json!(["Orders.Read.All", "Orders.Read"]);
    let rows = [
        ("another scope", user_with("Orders.Read.All")),
        ("another role", app_with("Orders.Read")),
        ("a user with the application's role", KEY.token(&claims)),
    ];
    for (what, token) in rows {
        let expected = r#"Bearer error="insufficient_scope", scope="Orders.Read""#;
        refused(what, api.get_with("/either", &token).await, 403, expected, "insufficient_scope").await;
    }
    assert_eq!(
        text(&api, "/mistake", &user_with("Orders.Read")).await.0,
        500,
        "the handler wants another caller"
    );
}

/// Checklist 50.
#[actix_web::test]
async fn users_only_or_applications_only_whatever_their_permission() {
    let api = Api::start_with(routes).await;

    assert_eq!(
        text(&api, "/any-user", &api.user_token_with("scp", json!("Whatever"))).await,
        (200, USER.to_owned())
    );
    assert_eq!(text(&api, "/any-app", &api.app_token()).await, (200, DAEMON_OBJECT.to_owned()));
    for (what, path, token) in
        [("an application", "/any-user", api.app_token()), ("a user", "/any-app", api.user_token())]
    {
        let expected = r#"Bearer error="insufficient_scope""#;
        refused(what, api.get_with(path, &token).await, 403, expected, "insufficient_scope").await;
    }
}

#[actix_web::test]
async fn one_of_several_permissions_is_enough() {
    let api = Api::start_with(routes).await;

    assert_eq!(text(&api, "/or-scope", &api.user_token()).await.0, 200);
    assert_eq!(text(&api, "/or-role", &api.app_token()).await.0, 200);
    let response = api.get_with("/or-scope", &api.user_token_with("scp", json!("third"))).await;
    let expected = r#"Bearer error="insufficient_scope", scope="Other access_as_user""#;
    refused("neither", response, 403, expected, "insufficient_scope").await;
}

#[actix_web::test]
async fn only_applications_of_the_list_get_in() {
    let api = Api::start_with(routes).await;

    assert_eq!(text(&api, "/ours", &api.user_token()).await.0, 200);
    for client in [DAEMON, "", "c0ffee00-0000-4000-8000-00000000300", "*"] {
        let response = api.get_with("/ours", &api.user_token_with("azp", json!(client))).await;
        let status = response.status().as_u16();
        assert!(status == 403 || (client.is_empty() && status == 401), "{client}: {status}");
    }
    let response = api.get_with("/their-app", &api.app_token()).await;
    assert_eq!((response.status().as_u16(), challenge(&response)), (403, None), "no other token would help");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error"], "client_not_allowed");
}

/// A user's token of an application that can, or cannot, act on a claims challenge.
fn token(api: &Api, capabilities: Value, contexts: Value) -> String {
    let mut claims = api.authority.user_claims();
    claims["xms_cc"] = capabilities;
    claims["acrs"] = contexts;
    KEY.token(&claims)
}

#[actix_web::test]
async fn a_sign_in_that_is_too_weak_is_challenged() {
    let api = Api::start_with(routes).await;
    let weak = token(&api, json!(["cp1"]), json!([]));

    for (path, context) in [("/strong", "c1"), ("/transfer/5000", "c2")] {
        let response = api.get_with(path, &weak).await;

        assert_eq!(response.status().as_u16(), 401);
        let challenge = Challenge::parse(challenge(&response).unwrap()).unwrap();
        assert_eq!(challenge.get("error"), Some("insufficient_claims"));
        assert_eq!(challenge.get("cc_type"), Some("authcontext"));
        assert_eq!(challenge.get("realm"), Some(""));
        let endpoint = api.authority.issuer.replace("/v2.0", "/oauth2/v2.0/authorize");
        assert_eq!(challenge.get("authorization_uri"), Some(endpoint.as_str()));
        let claims: Value = serde_json::from_str(&challenge.claims().unwrap()).unwrap();
        assert_eq!(claims, json!({"access_token": {"acrs": {"essential": true, "value": context}}}));
        let body: Value = response.json().await.unwrap();
        assert_eq!(body["error"], "insufficient_claims");
    }
    assert_eq!(text(&api, "/transfer/10", &weak).await.0, 200, "small amounts need no more");
    assert_eq!(text(&api, "/strong", &token(&api, json!(["CP1"]), json!(["c3", "c1"]))).await.0, 200);
    assert_eq!(
        text(&api, "/strong", &token(&api, json!([]), json!(["c1"]))).await.0,
        200,
        "strong enough as it is"
    );
}

#[actix_web::test]
async fn a_context_is_matched_exactly_and_must_be_a_list() {
    let api = Api::start_with(routes).await;

    for contexts in [json!(["c"]), json!(["c10"]), json!(["C1"]), json!(["c1 "]), json!(["c2", "c3"])] {
        let response = api.get_with("/strong", &token(&api, json!(["cp1"]), contexts.clone())).await;
        assert_eq!(response.status().as_u16(), 401, "{contexts}");
        assert!(challenge(&response).unwrap().contains("insufficient_claims"), "{contexts}");
    }
    for contexts in [json!("c1"), json!({"c1": true}), json!([1]), json!(null)] {
        let response = api.get_with("/strong", &token(&api, json!(["cp1"]), contexts.clone())).await;
        assert_eq!(response.status().as_u16(), 401, "{contexts}");
        assert!(challenge(&response).unwrap().contains("invalid_token"), "{contexts}");
    }
}

#[actix_web::test]
async fn an_application_that_cannot_act_on_a_challenge_is_told_what_it_lacks() {
    let api = Api::start_with(routes).await;

    for capabilities in [json!([]), json!(["cp2"]), json!(["xcp1"])] {
        for (path, context) in [("/strong", "c1"), ("/transfer/5000", "c2")] {
            let response = api.get_with(path, &token(&api, capabilities.clone(), json!([]))).await;

            let expected =
                format!(r#"Bearer error="insufficient_user_authentication", acr_values="{context}""#);
            assert_eq!((response.status().as_u16(), challenge(&response)), (403, Some(expected.as_str())));
            let body: Value = response.json().await.unwrap();
            assert_eq!(body["error"], "step_up_required");
            let message = body["message"].as_str().unwrap();
            assert!(message.contains(context) && message.contains("cp1"), "{message}");
        }
    }
}

#[actix_web::test]
async fn a_token_from_before_something_happened_is_challenged() {
    let api = Api::start_with(routes).await;
    let issued = |before: i64, capabilities: Value| {
        let mut claims = api.authority.user_claims();
        claims["iat"] = json!(start().as_second() - before);
        claims["xms_cc"] = capabilities;
        KEY.token(&claims)
    };

    assert_eq!(text(&api, "/mailbox", &issued(30, json!([]))).await.0, 200);
    let response = api.get_with("/mailbox", &issued(31, json!(["cp1"]))).await;
    assert_eq!(response.status().as_u16(), 401);
    let told = Challenge::parse(challenge(&response).unwrap()).unwrap();
    assert_eq!((told.get("error"), told.get("cc_type")), (Some("insufficient_claims"), None));
    let claims: Value = serde_json::from_str(&told.claims().unwrap()).unwrap();
    let moment = (start().as_second() - 30).to_string();
    assert_eq!(claims, json!({"access_token": {"nbf": {"essential": true, "value": moment}}}));

    let response = api.get_with("/mailbox", &issued(31, json!([]))).await;
    let expected = r#"Bearer error="invalid_token", error_description="the access token is no longer accepted, get a new one""#;
    refused("not capable", response, 401, expected, "invalid_token").await;
}
