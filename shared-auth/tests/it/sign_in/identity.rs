//! Who a session belongs to stays who it belongs to, also when its tokens are renewed (OpenID Connect Core §12.2).

use jiff::SignedDuration;
use serde_json::{Value, json};
use wiremock::ResponseTemplate;

use super::site::{Browser, Site, parameter};
use crate::tokens::{KEY, TestAuthority};

fn tokens(id_token: Option<&Value>) -> ResponseTemplate {
    let mut body = json!({
        "token_type": "Bearer", "expires_in": 3599, "access_token": "opaque", "refresh_token": "again",
    });
    if let Some(id_token) = id_token {
        body["id_token"] = KEY.token(id_token).into();
    }
    ResponseTemplate::new(200).set_body_json(body)
}

/// Checklist 85.
#[tokio::test]
async fn a_renewed_id_token_of_somebody_else_ends_the_session() {
    let table = [
        ("none at all", None, true),
        ("the same", Some(vec![]), true),
        ("another user", Some(vec![("sub", json!("somebody-else"))]), false),
        ("another issuer", Some(vec![("iss", json!("https://evil.test/v2.0"))]), false),
        ("no user", Some(vec![("sub", json!(null))]), false),
    ];
    for (what, changed, good) in table {
        let authority = TestAuthority::start().await;
        let site = Site::start(&authority.client, None, |routes| routes);
        let mut browser = Browser::default();
        let to_entra = browser.send(site.get("/auth/sign-in")).await.location.unwrap();
        let mut claims = authority.id_token(&parameter(&to_entra, "nonce").unwrap());
        authority.answer_tokens_with(tokens(Some(&claims)));
        let state = parameter(&to_entra, "state").unwrap();
        let done = browser.send(site.get(&format!("/signin-oidc?code=abc&state={state}"))).await;
        assert_eq!(done.status, 303, "{what}: {}", done.body);

        for (name, value) in changed.iter().flatten() {
            claims[*name] = value.clone();
        }
        authority.clock.advance(SignedDuration::from_hours(2));
        authority.answer_tokens_with(tokens(changed.as_ref().map(|_| &claims)));
        let page = browser.send(site.get("/hello")).await;

        let copied = browser.clone();
        if good {
            assert!(page.body.starts_with("Alice Kim|"), "{what}: {}", page.body);
        } else {
            assert_eq!((page.status, &page.body[..8]), (403, "PAGE 403"), "{what}: {}", page.body);
            assert_eq!(copied.clone().send(site.get("/")).await.body, "nobody", "{what}");
            assert!(browser.cookie("session").is_none(), "{what}");
        }
    }
}
