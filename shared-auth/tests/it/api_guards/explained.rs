//! "Explain this 401": the log has one line with the check, what it expected and found, and what helps; outside there is
//! the class alone.

use actix_web::{App, test};
use serde_json::{Value, json};
use shared_auth::actix::BearerAuth;

use super::routes;
use crate::support::Log;
use crate::tokens::{API, FOREIGN_KEY, KEY, TestAuthority, WEB_APP, unsigned};

/// What the API answers to a token, and what it writes into its log meanwhile.
struct Refused {
    status: u16,
    challenge: String,
    body: Value,
    log: String,
}

const ID: &str = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";

async fn ask(authority: &TestAuthority, path: &str, token: &str) -> Refused {
    let auth = BearerAuth::new(authority.validator.clone());
    let app = test::init_service(App::new().configure(|config| routes(config, &auth))).await;
    let request = |token: &str| {
        test::TestRequest::get()
            .uri(path)
            .insert_header(("authorization", format!("Bearer {token}")))
            .insert_header(("client-request-id", ID))
            .to_request()
    };
    // Once without a log, so that what comes below is about the token alone.
    test::call_service(&app, request(&KEY.token(&authority.user_claims()))).await;
    let log = Log::default();
    let on = log.listen();

    let response = test::call_service(&app, request(token)).await;

    drop(on);
    let challenge = response.headers().get("www-authenticate").map_or("", |value| value.to_str().unwrap());
    let (status, challenge) = (response.status().as_u16(), challenge.to_owned());
    let body = test::read_body_json(response).await;
    Refused { status, challenge, body, log: log.text() }
}

/// Checklist 11, 51, 143, 147.
#[actix_web::test]
async fn each_refusal_is_one_line_that_says_what_was_expected_and_what_helps() {
    let authority = TestAuthority::start().await;
    let user = authority.user_claims();
    let with = |name: &str, value: Value| {
        let mut claims = user.clone();
        claims[name] = value;
        claims
    };
    let mut id_token = with("nonce", json!("n"));
    id_token.as_object_mut().unwrap().remove("scp");
    let foreign =
        |claims: &Value, header: Value| FOREIGN_KEY.token_with(&header.to_string(), &claims.to_string());
    let malformed = "the access token is malformed";
    let unverified = "the access token cannot be verified";
    let not_ours = "the access token is not meant for this API";
    let encrypted = format!(
        "{}.a.b.c.d",
        unsigned(r#"{"alg":"RSA-OAEP","enc":"A256GCM"}"#, "x").split('.').next().unwrap()
    );

    // What was sent, the check, parts of the line, the class outside.
    let rows: Vec<(&str, String, &str, Vec<String>, &str)> = vec![
        (
            "an encrypted token",
            encrypted,
            "check=2 name=\"shape\"",
            vec!["found an encrypted one".into(), "tokenEncryptionKeyId".into()],
            malformed,
        ),
        (
            "an opaque value",
            "opaque-refresh-token".into(),
            "check=2",
            vec!["a refresh token, a code".into()],
            malformed,
        ),
        (
            "alg none",
            format!("{}.AA", unsigned(r#"{"alg":"none"}"#, "{}")),
            "check=4 name=\"algorithm\"",
            vec![r#"expected the algorithm "RS256", found "none""#.into()],
            unverified,
        ),
        (
            "a key of somebody else",
            FOREIGN_KEY.token(&user),
            "check=5 name=\"key\"",
            vec![r#"found the key id "key-2""#.into(), "AZURE_AUTHORITY_HOST".into()],
            unverified,
        ),
        (
            "a token for Microsoft Graph, as Graph's tokens are",
            foreign(&user, json!({"alg": "RS256", "kid": "key-1", "nonce": "n"})),
            "check=6 name=\"signature\"",
            vec!["only Graph can verify those: ask for a token with a scope of this API".into()],
            unverified,
        ),
        (
            "a token for Microsoft Graph that can be verified",
            KEY.token(&with("aud", json!("https://graph.microsoft.com"))),
            "check=8 name=\"audience\"",
            vec![
                format!("expected the audience {API} or api://{API}, found"),
                "This token is for Microsoft Graph".into(),
            ],
            not_ours,
        ),
        (
            "the ID token of the web app",
            {
                let mut claims = id_token.clone();
                claims["aud"] = json!(WEB_APP);
                KEY.token(&claims)
            },
            "check=8",
            vec!["This is an ID token".into(), "send the access token".into()],
            not_ours,
        ),
        (
            "an ID token for this API",
            KEY.token(&id_token),
            "check=13",
            vec!["found an ID token".into()],
            not_ours,
        ),
        (
            "a version 1 token where there are none",
            KEY.token(&with("ver", json!("1.0"))),
            "check=9 name=\"issuer\"",
            vec!["requestedAccessTokenVersion".into()],
            not_ours,
        ),
        (
            "expired",
            KEY.token(&with("exp", json!(1_000_000_000))),
            "check=12 name=\"lifetime\"",
            vec!["it expired at 2001-09-09T01:46:40Z".into(), "Get a new token".into()],
            "the access token is expired or not valid yet",
        ),
        (
            "an audience that would like to be a line of its own",
            KEY.token(&with("aud", json!("other\r\nlevel=ERROR forged\u{1b}[2J"))),
            "check=8",
            vec!["other??level=ERROR forged?[2J".into()],
            not_ours,
        ),
    ];
    for (what, token, check, parts, class) in rows {
        let refused = ask(&authority, "/api/profile", &token).await;

        assert_eq!(refused.status, 401, "{what}");
        assert_eq!(refused.log.lines().count(), 1, "{what}: {}", refused.log);
        for part in ["WARN", check, ID, "expected", "What helps: "]
            .into_iter()
            .chain(parts.iter().map(String::as_str))
        {
            assert!(refused.log.contains(part), "{what}: {part} in {}", refused.log);
        }
        assert!(
            token.split('.').all(|part| part.len() < 5 || !refused.log.contains(part)),
            "{what}: {}",
            refused.log
        );
        // Outside: the class, and the id under which the log has the rest.
        let expected = format!(r#"Bearer error="invalid_token", error_description="{class}""#);
        assert_eq!(refused.challenge, expected, "{what}");
        assert_eq!(
            refused.body,
            json!({"error": "invalid_token", "message": format!("The request was refused: {class}."), "correlationId": ID}),
            "{what}"
        );
    }
}

#[actix_web::test]
async fn a_missing_permission_is_one_line_as_well() {
    let authority = TestAuthority::start().await;
    let mut user = authority.user_claims();
    user["scp"] = json!("Other.Read");
    let mut app = authority.app_claims();
    app["roles"] = json!(["Other.Role"]);
    let rows = [
        ("/api/profile", KEY.token(&user), "expected the scope access_as_user, found \"Other.Read\""),
        ("/api/directory", KEY.token(&app), "expected the app role Directory.Read, found \"Other.Role\""),
        ("/api/profile", KEY.token(&app), "expected a signed-in user's token, found an application's own"),
        ("/api/directory", KEY.token(&user), "expected an application's own token, found a user's"),
    ];
    for (path, token, part) in rows {
        let refused = ask(&authority, path, &token).await;

        assert_eq!((refused.status, refused.log.lines().count()), (403, 1), "{}", refused.log);
        assert!(refused.log.contains(part) && refused.log.contains("What helps: "), "{}", refused.log);
    }
}
