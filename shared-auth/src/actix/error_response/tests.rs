//! The table of `error_response.rs`, row by row.

use super::*;
use crate::env::ConfigError;
use crate::protocol::error_response::ErrorResponse;
use crate::protocol::scope::Scopes;

fn refusal(error: &str, code: u32, claims: Option<&str>) -> Refusal {
    let answer = ErrorResponse {
        error: error.to_owned(),
        error_codes: vec![code],
        error_description: "AADSTS: private words".to_owned(),
        claims: claims.map(str::to_owned),
        ..ErrorResponse::default()
    };
    Refusal::new("the on-behalf-of request".to_owned(), 400, &Scopes::from("Mail.Read"), answer)
}

fn needed(refusal: Refusal) -> Error {
    InteractionRequired { scopes: Scopes::from("Mail.Read"), refusal: Some(refusal) }.into()
}

fn behind(status: u16, challenge: Option<&str>, retry_after: Option<u64>) -> Error {
    DownstreamError {
        request: "Microsoft Graph for /v1.0/me".to_owned(),
        status,
        code: None,
        message: "private words".to_owned(),
        challenge: challenge.and_then(Challenge::parse),
        retry_after,
        correlation_id: None,
    }
    .into()
}

fn unreachable(retryable: bool) -> Error {
    TransportError {
        tried: "private words".to_owned(),
        endpoint: String::new(),
        happened: String::new(),
        retryable,
        correlation_id: None,
    }
    .into()
}

/// Error → status, class, challenge, Retry-After.
type Row<'a> = (Error, u16, &'a str, Option<&'a str>, Option<&'a str>);

/// Checklist 129 to 131, 145.
#[test]
fn every_error_has_its_answer() {
    let claims = r#"{"access_token":{}}"#;
    let claims_challenge = r#"Bearer error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOnt9fQ""#;
    let consent = r#"Bearer error="interaction_required", scopes="Mail.Read", proposedAction="consent""#;
    let expired = concat!(
        r#"Bearer error="invalid_token", "#,
        r#"error_description="the access token is expired or not valid yet""#
    );
    let again = r#"Bearer error="interaction_required""#;
    let table: Vec<Row> = vec![
        (
            needed(refusal("interaction_required", 50076, Some(claims))),
            401,
            "insufficient_claims",
            Some(claims_challenge),
            None,
        ),
        (needed(refusal("invalid_grant", 65001, None)), 403, "consent_required", Some(consent), None),
        (needed(refusal("invalid_grant", 65001, Some(claims))), 403, "consent_required", Some(consent), None),
        (needed(refusal("invalid_grant", 50173, None)), 401, "interaction_required", Some(again), None),
        (
            InteractionRequired::no_account(Scopes::default()).into(),
            401,
            "interaction_required",
            Some(again),
            None,
        ),
        (refusal("invalid_grant", 500133, None).into(), 401, "invalid_token", Some(expired), None),
        (refusal("invalid_client", 7000215, None).into(), 502, "upstream_refused", None, None),
        (refusal("invalid_scope", 70011, None).into(), 502, "upstream_refused", None, None),
        (refusal("invalid_grant", 50196, None).into(), 503, "upstream_unavailable", None, Some("60")),
        (unreachable(true), 503, "upstream_unavailable", None, Some("5")),
        (unreachable(false), 502, "upstream_unavailable", None, None),
        (behind(401, Some(claims_challenge), None), 401, "insufficient_claims", Some(claims_challenge), None),
        (behind(403, Some(consent), None), 403, "consent_required", Some(consent), None),
        (behind(401, Some("Bearer"), None), 502, "downstream_failed", None, None),
        (behind(403, None, None), 403, "downstream_forbidden", None, None),
        (behind(404, None, None), 404, "not_found", None, None),
        (behind(429, None, Some(17)), 503, "upstream_unavailable", None, Some("17")),
        (behind(503, None, None), 503, "upstream_unavailable", None, Some("5")),
        (behind(500, None, None), 502, "upstream_unavailable", None, None),
        (behind(400, None, None), 502, "downstream_failed", None, None),
        (ConfigError::new("X", "private words").into(), 500, "misconfigured", None, None),
        (crate::error::SignInError::UnknownFlow.into(), 400, "sign_in_failed", None, None),
    ];
    for (error, status, class, challenge, retry_after) in table {
        let what = format!("{error:?}");
        let found = answer(&error);
        assert_eq!((found.status.as_u16(), found.error), (status, class), "{what}");
        assert_eq!(found.challenge.as_ref().map(Challenge::to_header).as_deref(), challenge, "{what}");
        assert!(!found.message.contains("private"), "{what}");

        let response = ApiError::from(error).error_response();
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
        assert_eq!(header(RETRY_AFTER), retry_after, "{what}");
        assert_eq!(header(CACHE_CONTROL), Some("no-store"), "{what}");
    }
}

/// Checklist 145.
#[test]
fn a_correlation_id_from_outside_is_an_id_or_replaced() {
    let id = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
    assert_eq!(correlation_id(Some(id)), id);
    for other in [None, Some(""), Some("x\r\ny")] {
        assert!(uuid::Uuid::try_parse(&correlation_id(other)).is_ok());
    }
}
