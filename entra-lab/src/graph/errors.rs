//! Graph's refusals: an HTTP status, a code that clients go by, and a sentence of ours.
//!
//! The codes are Graph's own; which one belongs where is the point of this file. The body around
//! them is written in `call.rs`.

use actix_web::http::StatusCode;

use crate::tokens::verify::TokenFault;

/// Why Graph does not answer a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphError {
    pub status: StatusCode,
    pub code: &'static str,
    pub message: String,
    /// A claims challenge as JSON text.
    pub claims: Option<String>,
    /// The verbs of an address that does not take the one that was used.
    pub allow: String,
}

impl GraphError {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), claims: None, allow: String::new() }
    }

    pub fn no_token() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "InvalidAuthenticationToken",
            "The request has no access token. Send it as 'Authorization: Bearer ...'.",
        )
    }

    /// The token itself is never repeated, only what is wrong with it.
    pub fn bad_token(fault: TokenFault) -> Self {
        let message = format!("The access token is refused: {fault}.");
        Self::new(StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken", message)
    }

    /// The user's sessions were revoked at this time, and the client can be told.
    pub fn revoked(at: i64) -> Self {
        let claims = serde_json::json!({
            "access_token": { "nbf": { "essential": true, "value": at.to_string() } }
        });
        let message = "Continuous access evaluation resulted in challenge with result: InteractionRequired and \
                       code: TokenIssuedBeforeRevocationTimestamp.";
        let error = Self::new(StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken", message);
        Self { claims: Some(claims.to_string()), ..error }
    }

    /// A directory resource without permission.
    pub fn directory_denied(needed: &[&str]) -> Self {
        Self::new(StatusCode::FORBIDDEN, "Authorization_RequestDenied", denied(needed))
    }

    /// A mailbox or a photo (photos live in the mailbox) without permission.
    pub fn mailbox_denied(needed: &[&str]) -> Self {
        Self::new(StatusCode::FORBIDDEN, "ErrorAccessDenied", denied(needed))
    }

    /// A user token never opens somebody else's mailbox, whatever it carries.
    pub fn foreign_mailbox() -> Self {
        let message =
            "A user may read their own mailbox only. Use /me/messages, or an application permission.";
        Self::new(StatusCode::FORBIDDEN, "ErrorAccessDenied", message)
    }

    pub fn nobody_is_me() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "BadRequest",
            "/me needs a user, and this token is app-only. Use /users/{id} instead.",
        )
    }

    pub fn unknown_user(wanted: &str) -> Self {
        let message = format!("The directory has no user '{}'.", printable(wanted));
        Self::new(StatusCode::NOT_FOUND, "Request_ResourceNotFound", message)
    }

    pub fn no_photo() -> Self {
        Self::new(StatusCode::NOT_FOUND, "ImageNotFound", "This user has no photo.")
    }

    pub fn no_mailbox() -> Self {
        Self::new(StatusCode::NOT_FOUND, "MailboxNotEnabledForRESTAPI", "This user has no mailbox.")
    }

    pub fn unsupported_query(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Request_UnsupportedQuery", message)
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    pub fn lost_page() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "Directory_ExpiredPageToken",
            "The $skiptoken is not one of this lab's. Follow @odata.nextLink unchanged.",
        )
    }

    pub fn wrong_verb(verbs: &[&str]) -> Self {
        let allow = verbs.join(", ");
        let message = format!("Here the lab's Graph answers {allow}.");
        let error = Self::new(StatusCode::METHOD_NOT_ALLOWED, "Request_BadRequest", message);
        Self { allow, ..error }
    }

    pub fn unknown_path(path: &[String]) -> Self {
        let message = format!(
            "The lab's Graph has nothing at '/{}'. It knows people, groups, applications and their grants.",
            printable(&path.join("/"))
        );
        Self::bad_request(message)
    }

    /// Something in the directory that is not there.
    pub fn not_found(what: &str, wanted: &str) -> Self {
        let message = format!("The directory has no {what} '{}'.", printable(wanted));
        Self::new(StatusCode::NOT_FOUND, "Request_ResourceNotFound", message)
    }

    /// A value that somebody else has already.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "Request_MultipleObjectsWithSameKeyValue", message)
    }

    /// A property that does not fit the directory's rules.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "Request_BadRequest", message)
    }

    /// A scope or role that is still enabled cannot be removed.
    pub fn still_enabled(value: &str) -> Self {
        let message =
            format!("'{}' is enabled: set isEnabled to false before it is removed.", printable(value));
        Self::new(StatusCode::BAD_REQUEST, "CannotDeleteOrUpdateEnabledEntitlement", message)
    }
}

fn denied(needed: &[&str]) -> String {
    format!("The access token lacks the permission. One of these is needed: {}.", needed.join(", "))
}

/// Text from the request for a message: short, and without anything that could break a line.
pub fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(120).collect()
}
