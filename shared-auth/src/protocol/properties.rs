//! What holds of the vocabulary on the wire: scopes, challenges, the bodies of the token endpoint.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::challenge::Challenge;
use super::error_response::ErrorResponse;
use super::scope::Scopes;
use super::token_response::TokenResponse;
use crate::downstream::DownstreamError;
use crate::error::Refusal;
use crate::http::Answer;
use crate::properties::{is_one_line, text, two};

/// Scopes: two texts, as sets.
pub fn scopes(data: &[u8]) {
    let (a, b) = two(data);
    let (a_text, b_text) = (text(a), text(b));
    let (a, b) = (Scopes::from(a_text.as_ref()), Scopes::from(b_text.as_ref()));

    // What is printed is read, one by one or as a whole, and as JSON.
    assert_eq!(Scopes::from(a.to_string()), a);
    let collected: Scopes = b_text.split(',').collect();
    assert_eq!(Scopes::from(collected.to_string()), collected);
    let json = json!(a).to_string();
    assert_eq!(serde_json::from_str::<Scopes>(&json).ok(), Some(a.clone()));

    // Sets behave as such.
    assert!(a.contains_all(&a));
    assert!(a.with(&b).contains_all(&a) && a.with(&b).contains_all(&b));
    assert!(a.with_openid().contains_all(&a) && a.contains_all(&a.with_openid()));
    assert!(!a.without(&b).intersects(&b) && a.contains_all(&a.without(&b)));
    assert_eq!(a.canonical() == b.canonical(), a.contains_all(&b) && b.contains_all(&a));
    assert_eq!(Scopes::from(a.canonical()).canonical(), a.canonical());

    // One resource is chosen, and stays chosen.
    let first = a.first_resource();
    assert!(a.contains_all(&first));
    assert_eq!(first.first_resource(), first);
}

/// `WWW-Authenticate`: a header's value, or a name and a value to be written.
pub fn challenge(data: &[u8]) {
    let header = text(data);
    if let Some(read) = Challenge::parse(&header) {
        let written = read.to_header();
        assert!(!written.contains(|c: char| c.is_control()), "{written:?}");
        assert_eq!(Challenge::parse(&written).as_ref(), Some(&read));

        // The same behind another scheme with credentials of its own (RFC 9110 §11.2, `token68`).
        let other = STANDARD.encode(&data[..data.len().min(32)]);
        let behind = format!("Negotiate {other}, {written}");
        if !other.is_empty() {
            assert_eq!(Challenge::parse(&behind).as_ref(), Some(&read), "{behind}");
        }

        if let Some(claims) = read.claims() {
            let again = Challenge::new().with_claims(&claims);
            assert_eq!(Challenge::parse(&again.to_header()).and_then(|read| read.claims()), Some(claims));
        }
    }

    let (name, value) = two(data);
    let made = Challenge::new().with("realm", "").with(&text(name), &text(value));
    let written = made.to_header();
    assert!(written.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{written:?}");
    assert_eq!(Challenge::parse(&written), Some(made));
}

/// The token endpoint's bodies, yes and no; and what others make of the same bytes.
pub fn token_endpoint(data: &[u8]) {
    if let Some(no) = ErrorResponse::parse(data) {
        assert!(!no.error.is_empty());
        let _ = (no.needs_the_user(), no.ends_the_refresh_token());
        let body = json!({
            "error": no.error, "error_description": no.error_description, "error_codes": no.error_codes,
            "suberror": no.suberror, "claims": no.claims, "trace_id": no.trace_id,
            "correlation_id": no.correlation_id, "timestamp": no.timestamp,
        });
        assert_eq!(ErrorResponse::parse(body.to_string().as_bytes()).as_ref(), Some(&no));
        let refusal = Refusal::new("the request".to_owned(), 400, &Scopes::default(), no);
        is_one_line(&refusal.to_string());
    }

    if let Ok(yes) = serde_json::from_slice::<TokenResponse>(data) {
        assert!(yes.expires_in >= 0 && yes.refresh_in.is_none_or(|seconds| seconds >= 0));
        let shown =
            |secret: &Option<SecretString>| secret.as_ref().map(|secret| secret.expose_secret().to_owned());
        let (refresh_token, id_token) = (shown(&yes.refresh_token), shown(&yes.id_token));
        let body = json!({
            "access_token": yes.access_token.expose_secret(), "token_type": yes.token_type,
            "expires_in": yes.expires_in.to_string(), "refresh_in": yes.refresh_in, "scope": yes.scope,
            "refresh_token": refresh_token, "id_token": id_token, "client_info": yes.client_info,
        });
        let again = serde_json::from_str::<TokenResponse>(&body.to_string());
        let again = again.map(|again| {
            let tokens = (shown(&again.refresh_token), shown(&again.id_token));
            (
                again.access_token.expose_secret().to_owned(),
                tokens,
                again.expires_in,
                again.refresh_in,
                again.scope,
            )
        });
        let tokens = (refresh_token, id_token);
        let all =
            (yes.access_token.expose_secret().to_owned(), tokens, yes.expires_in, yes.refresh_in, yes.scope);
        assert_eq!(again.ok(), Some(all));
    }

    crate::credential::properties::machine_token(data);
    api_refusal(data);
}

/// An API's no: its body, and a challenge beside it.
fn api_refusal(data: &[u8]) {
    let (body, challenge) = two(data);
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(challenge) {
        headers.insert(WWW_AUTHENTICATE, value.clone());
        headers.insert(RETRY_AFTER, value);
    }
    let answer = Answer { status: 403, headers, body: body.to_vec(), correlation_id: "c".to_owned() };
    let error = DownstreamError::new("an API".to_owned(), &answer, uuid::Uuid::nil());
    is_one_line(&error.to_string());
}
