//! Challenges that an API raises itself: a stronger sign-in (authentication context), or a token that was issued after
//! something happened (continuous access evaluation).
//!
//! The form is that of Entra and Graph: 401 with `error="insufficient_claims"` and the claims to ask for. It is sent only
//! to applications that declared that they can act on it (`cp1` in `xms_cc`); the others are told what they lack.

use actix_web::http::StatusCode;
use jiff::Timestamp;
use serde_json::json;

use super::error_response::{Answer, invalid_token};
use crate::jwt::{AccessTokenValidator, UserClaims};
use crate::protocol::challenge::Challenge;

/// What is demanded of a user's sign-in.
#[derive(Debug, Clone)]
pub(super) enum Demand {
    /// It satisfied this authentication context.
    AuthenticationContext(String),
    /// The token was issued at this moment or later.
    IssuedSince(Timestamp),
}

/// A demand that a caller does not meet.
#[derive(Debug)]
pub(super) struct Unmet {
    demand: Demand,
    /// The calling application can act on a claims challenge.
    capable: bool,
    authorization_uri: Option<String>,
}

impl Demand {
    pub fn of(self, user: &UserClaims, validator: &AccessTokenValidator) -> Result<(), Unmet> {
        let met = match &self {
            Self::AuthenticationContext(id) => user.satisfies(id),
            Self::IssuedSince(moment) => user.issued_at.is_some_and(|issued_at| issued_at >= *moment),
        };
        if met {
            return Ok(());
        }
        let authorization_uri = validator.authorization_endpoint();
        Err(Unmet { demand: self, capable: user.handles_claims_challenges(), authorization_uri })
    }

    /// The claims that the next sign-in must ask for (OpenID Connect Core §5.5).
    fn claims(&self) -> String {
        match self {
            Self::AuthenticationContext(id) => {
                json!({"access_token": {"acrs": {"essential": true, "value": id}}})
            }
            Self::IssuedSince(moment) => {
                let moment = moment.as_second().to_string();
                json!({"access_token": {"nbf": {"essential": true, "value": moment}}})
            }
        }
        .to_string()
    }
}

impl Unmet {
    /// Expected and found, for the log.
    pub fn detail(&self) -> String {
        match &self.demand {
            Demand::AuthenticationContext(id) => {
                format!(
                    "expected a sign-in that satisfied the authentication context {id}, found one that did not"
                )
            }
            Demand::IssuedSince(moment) => {
                format!("expected a token that was issued after {moment}, found an older one")
            }
        }
    }

    /// What helps, for the log.
    pub fn fix(&self) -> &'static str {
        match self.capable {
            true => "The application got a claims challenge, on which it signs the user in once more.",
            false => {
                "Let the application declare the client capability cp1 and handle claims challenges, and let the \
                 registration of this API ask for the optional claim xms_cc."
            }
        }
    }

    pub fn answer(&self) -> Answer {
        match &self.demand {
            _ if self.capable => self.challenge(),
            // RFC 9470 §3 says in a standard way what is missing; 403, because another token of this kind does not help.
            Demand::AuthenticationContext(id) => Answer::new(
                StatusCode::FORBIDDEN,
                "step_up_required",
                format!(
                    "This needs a stronger sign-in (authentication context {id}). The calling application has not \
                     declared that it can ask for one (client capability cp1)."
                ),
            )
            .challenge(Challenge::new().with("error", "insufficient_user_authentication").with("acr_values", id)),
            Demand::IssuedSince(_) => invalid_token("the access token is no longer accepted, get a new one"),
        }
    }

    fn challenge(&self) -> Answer {
        let mut challenge = Challenge::new().with("realm", "");
        if let Some(uri) = &self.authorization_uri {
            challenge = challenge.with("authorization_uri", uri);
        }
        challenge = challenge.with_claims(&self.demand.claims());
        if matches!(self.demand, Demand::AuthenticationContext(_)) {
            challenge = challenge.with("cc_type", "authcontext");
        }
        Answer::new(
            StatusCode::UNAUTHORIZED,
            "insufficient_claims",
            "The user has to sign in once more, with the claims of this answer, before this can go on.",
        )
        .challenge(challenge)
    }
}
