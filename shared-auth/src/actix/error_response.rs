//! The only place that turns an [`Error`] into HTTP: status, `WWW-Authenticate`, and a body that keeps secrets.
//!
//! The caller gets the class and one sentence; the details go to the log, under the correlation id that both see. What
//! the caller's own client can act upon is a standard challenge: RFC 6750 §3 and Entra's claims challenge.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};

use super::step_up::Unmet;
use crate::clock::{Clock, SystemClock};
use crate::downstream::DownstreamError;
use crate::error::{Error, InteractionRequired, Refusal, TransportError};
use crate::protocol::challenge::Challenge;

/// An [`Error`] as the handlers of an API return it; `?` makes one.
///
/// | what happened | status | `error` in the body | challenge |
/// |---|---|---|---|
/// | Entra or an API asks for more claims | 401 | `insufficient_claims` | `error="insufficient_claims"`, `claims` in base64url |
/// | consent is missing | 403 | `consent_required` | `error="interaction_required"`, `scopes`, `proposedAction="consent"` |
/// | the user must sign in again | 401 | `interaction_required` | `error="interaction_required"` |
/// | the token is no good, or ended on the way | 401 | `invalid_token` | `error="invalid_token"` |
/// | Entra refuses this service itself | 502 | `upstream_refused` | |
/// | no answer: retrying helps (`Retry-After` says when), or does not | 503, 502 | `upstream_unavailable` | |
/// | the API behind this one: not for this user | 403 | `downstream_forbidden` | |
/// | the API behind this one: not there | 404 | `not_found` | |
/// | the API behind this one: wait | 503 | `upstream_unavailable` | |
/// | the API behind this one: anything else | 502 | `downstream_failed` | |
/// | this API demands a stronger sign-in | 401 | `insufficient_claims` | `error="insufficient_claims"`, `claims` in base64url |
/// | the same, and the client cannot act on it | 403 | `step_up_required` | `error="insufficient_user_authentication"`, `acr_values` |
///
/// ```
/// use actix_web::web;
/// use shared_auth::actix::{ApiError, UserCaller};
/// use shared_auth::{ConfidentialClient, DownstreamApi};
///
/// // Whatever fails on the way, the caller's own client can act upon the answer.
/// async fn profile(
///     user: UserCaller,
///     client: web::Data<ConfidentialClient>,
///     graph: web::Data<DownstreamApi>,
/// ) -> Result<web::Json<serde_json::Value>, ApiError> {
///     let token = client.acquire_token_on_behalf_of(user.assertion(), "User.Read").await?;
///     let me = graph.get("/me", &token.access_token).await?;
///     Ok(web::Json(me))
/// }
/// ```
#[derive(Debug)]
pub struct ApiError(Fault);

#[derive(Debug)]
enum Fault {
    Error(Error),
    NotFound,
    StepUp(Unmet),
}

impl ApiError {
    /// 404, for addresses that the API does not have.
    pub fn not_found() -> Self {
        Self(Fault::NotFound)
    }

    pub(super) fn step_up(unmet: Unmet) -> Self {
        Self(Fault::StepUp(unmet))
    }

    fn answer(&self) -> Answer {
        match &self.0 {
            Fault::Error(error) => answer(error),
            Fault::StepUp(unmet) => unmet.answer(),
            Fault::NotFound => {
                Answer::new(StatusCode::NOT_FOUND, "not_found", "There is nothing at this address.")
            }
        }
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        Self(Fault::Error(error))
    }
}

impl std::error::Error for ApiError {}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Fault::Error(error) => error.fmt(f),
            Fault::StepUp(unmet) => {
                write!(f, "a caller was refused: {}. What helps: {}", unmet.detail(), unmet.fix())
            }
            Fault::NotFound => f.write_str("there is nothing at this address"),
        }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.answer().status
    }

    fn error_response(&self) -> HttpResponse {
        let answer = self.answer();
        // Entra's id where there is one, so that the log line, the page and Entra's own log can be laid side by side.
        let id = match &self.0 {
            Fault::Error(error) => correlation_id(error.correlation_id()),
            Fault::StepUp(_) => correlation_id(None),
            Fault::NotFound => return answer.into_response(&correlation_id(None)),
        };
        let detail = printable(&self.to_string());
        if answer.status.is_server_error() {
            tracing::error!(
                status = answer.status.as_u16(),
                class = answer.error,
                correlation_id = id,
                "{detail}"
            );
        } else {
            tracing::warn!(
                status = answer.status.as_u16(),
                class = answer.error,
                correlation_id = id,
                "{detail}"
            );
        }
        answer.into_response(&id)
    }
}

/// An error as the outside sees it.
#[derive(Debug)]
pub(super) struct Answer {
    status: StatusCode,
    error: &'static str,
    message: String,
    challenge: Option<Challenge>,
    retry_after: Option<u64>,
}

impl Answer {
    pub fn new(status: StatusCode, error: &'static str, message: impl Into<String>) -> Self {
        Self { status, error, message: message.into(), challenge: None, retry_after: None }
    }

    pub fn challenge(mut self, challenge: Challenge) -> Self {
        self.challenge = Some(challenge);
        self
    }

    fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    pub fn into_response(self, correlation_id: &str) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        response.insert_header((CACHE_CONTROL, "no-store"));
        if let Some(challenge) = self.challenge {
            response.insert_header((WWW_AUTHENTICATE, challenge.to_header()));
        }
        if let Some(seconds) = self.retry_after {
            response.insert_header((RETRY_AFTER, seconds.to_string()));
        }
        response.json(serde_json::json!({
            "error": self.error,
            "message": self.message,
            "correlationId": correlation_id,
        }))
    }
}

/// The id that was proposed, if it is one (it came from outside and goes into the log), or a new one.
pub(super) fn correlation_id(proposed: Option<&str>) -> String {
    proposed.and_then(|id| uuid::Uuid::try_parse(id).ok()).unwrap_or_else(uuid::Uuid::new_v4).to_string()
}

fn answer(error: &Error) -> Answer {
    match error {
        Error::Config(_) | Error::NotOnThisPlatform(_) | Error::BrokerAway(_) => Answer::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "misconfigured",
            "This service is not set up correctly.",
        ),
        Error::SignIn(_) => Answer::new(
            StatusCode::BAD_REQUEST,
            "sign_in_failed",
            "The sign-in could not be completed; please start it again.",
        ),
        Error::Transport(error) => transport(error),
        Error::Throttled(throttled) => {
            transport(&throttled.cause).retry_after(seconds_until(throttled.until))
        }
        Error::Loop(stopped) => paused(seconds_until(stopped.until)),
        Error::Refused(refusal) => refused(refusal),
        Error::InteractionRequired(needed) => interaction(needed),
        Error::InvalidToken(rejection) => invalid_token(rejection.check.class()),
        Error::Downstream(error) => downstream(error),
    }
}

/// 401, RFC 6750 §3.1. `class` is all that the sender learns.
pub(super) fn invalid_token(class: &'static str) -> Answer {
    let challenge = Challenge::new().with("error", "invalid_token").with("error_description", class);
    Answer::new(StatusCode::UNAUTHORIZED, "invalid_token", format!("The request was refused: {class}."))
        .challenge(challenge)
}

/// RFC 6585 §4.
pub(super) fn too_many_attempts(seconds: u64) -> Answer {
    let message =
        "Too many requests without a good token came from this address; one with a good token is answered.";
    Answer::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", message).retry_after(seconds)
}

fn transport(error: &TransportError) -> Answer {
    let message = "A service that this one depends on cannot be reached at the moment.";
    if error.retryable {
        Answer::new(StatusCode::SERVICE_UNAVAILABLE, "upstream_unavailable", message).retry_after(5)
    } else {
        Answer::new(StatusCode::BAD_GATEWAY, "upstream_unavailable", message)
    }
}

/// Asked for the same too often, as we or Entra noticed.
fn paused(seconds: u64) -> Answer {
    let message = "This service has to pause its requests to another one for some minutes.";
    Answer::new(StatusCode::SERVICE_UNAVAILABLE, "upstream_unavailable", message).retry_after(seconds)
}

/// Rounded up, so that nobody who waits as told comes too early.
fn seconds_until(time: jiff::Timestamp) -> u64 {
    let milliseconds = time.duration_since(SystemClock.now()).as_millis();
    u64::try_from(milliseconds).unwrap_or_default().div_ceil(1_000).max(1)
}

/// Entra said no and the user cannot change it.
fn refused(refusal: &Refusal) -> Answer {
    const LOOP: u32 = 50196;
    if refusal.codes.contains(&LOOP) {
        return paused(60);
    }
    // The caller's token ended, or was rejected by Entra, between our check and Entra's. A fresh one may work.
    const ASSERTION: [u32; 2] = [50013, 500133];
    if refusal.codes.iter().any(|code| ASSERTION.contains(code)) {
        return invalid_token("the access token is expired or not valid yet");
    }
    // A wrong secret, a missing permission: our own fault, which is nobody else's business.
    Answer::new(
        StatusCode::BAD_GATEWAY,
        "upstream_refused",
        "This service did not get access to what it needs; its operators find the reason in the log.",
    )
}

fn interaction(needed: &InteractionRequired) -> Answer {
    let claims = needed.refusal.as_ref().and_then(|refusal| refusal.claims.as_deref());
    // Consent comes first: no claim that the user could satisfy would replace it.
    if needed.refusal.as_ref().is_some_and(Refusal::is_consent_required) {
        return consent(&needed.scopes.to_string());
    }
    match claims {
        Some(claims) => insufficient_claims(claims),
        None => Answer::new(
            StatusCode::UNAUTHORIZED,
            "interaction_required",
            "The user has to sign in again before this can go on.",
        )
        .challenge(Challenge::new().with("error", "interaction_required")),
    }
}

/// The claims go on to whoever can show a sign-in page.
fn insufficient_claims(claims: &str) -> Answer {
    Answer::new(
        StatusCode::UNAUTHORIZED,
        "insufficient_claims",
        "The user has to sign in once more, with the claims of this answer, before this can go on.",
    )
    .challenge(Challenge::new().with_claims(claims))
}

fn consent(scopes: &str) -> Answer {
    let challenge = Challenge::new()
        .with("error", "interaction_required")
        .with("scopes", scopes)
        .with("proposedAction", "consent");
    Answer::new(
        StatusCode::FORBIDDEN,
        "consent_required",
        "Neither the user nor an administrator has allowed this service to do this yet.",
    )
    .challenge(challenge)
}

fn downstream(error: &DownstreamError) -> Answer {
    if let Some(challenge) = &error.challenge {
        if let Some(claims) = challenge.claims() {
            return insufficient_claims(&claims);
        }
        if challenge.asks_for_consent() {
            return consent(challenge.get("scopes").unwrap_or_default());
        }
    }
    let unavailable = "A service that this one depends on is not available at the moment.";
    match error.status {
        // The API behind judges the user for whom we ask, so its no is the user's no. There is no challenge: another
        // token would not help.
        403 => Answer::new(
            StatusCode::FORBIDDEN,
            "downstream_forbidden",
            "The service behind this one does not allow this.",
        ),
        404 => {
            Answer::new(StatusCode::NOT_FOUND, "not_found", "The service behind this one has no such thing.")
        }
        429 | 503 | 504 => Answer::new(StatusCode::SERVICE_UNAVAILABLE, "upstream_unavailable", unavailable)
            .retry_after(error.retry_after.unwrap_or(5)),
        500.. => Answer::new(StatusCode::BAD_GATEWAY, "upstream_unavailable", unavailable),
        // 401 without claims among them: the token was ours and fresh, so neither the caller nor a retry can help.
        _ => Answer::new(
            StatusCode::BAD_GATEWAY,
            "downstream_failed",
            "The service behind this one did not accept the request.",
        ),
    }
}

/// One line for the log, whatever the other side put into its texts.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests;
