//! What a route demands of a caller whose token is good: kind, permission, application, strength of the sign-in.
//!
//! The answer to the outside stays short; what was expected and found, and what helps, goes to the log.

use std::sync::Arc;

use actix_web::http::StatusCode;

use crate::actix::error_response::Answer;
use crate::actix::step_up::Demand;
use crate::jwt::{AccessTokenValidator, Caller, shown};
use crate::protocol::challenge::Challenge;

/// The demands of one guard.
#[derive(Debug, Clone)]
pub(in crate::actix) struct Rules {
    pub validator: Arc<AccessTokenValidator>,
    /// Users need one of these, where any are named; `None` lets no user in.
    pub scopes: Option<Vec<String>>,
    /// The same for applications that call for themselves.
    pub roles: Option<Vec<String>>,
    /// The applications that may call; `None` is any.
    pub clients: Option<Vec<String>>,
    /// For users.
    pub authentication_context: Option<String>,
}

/// Why a caller does not get in.
pub(in crate::actix) struct Refusal {
    /// Expected and found, for the log.
    pub detail: String,
    /// What helps, for the log.
    pub fix: String,
    /// For the caller.
    pub answer: Answer,
}

impl Refusal {
    fn new(detail: impl Into<String>, fix: impl Into<String>, answer: Answer) -> Box<Self> {
        Box::new(Self { detail: detail.into(), fix: fix.into(), answer })
    }
}

impl Rules {
    pub fn serves_both(&self) -> bool {
        self.scopes.is_some() && self.roles.is_some()
    }

    pub fn admit(&self, caller: &Caller) -> Result<(), Box<Refusal>> {
        self.client(caller.client_id())?;
        match (caller, &self.scopes, &self.roles) {
            (Caller::User(user), Some(scopes), _) => {
                if !scopes.is_empty() && !scopes.iter().any(|scope| user.has_scope(scope)) {
                    let found = user.scopes.to_string();
                    return Err(self.missing(
                        "scope",
                        scopes,
                        &found,
                        "the user or an administrator consent to it",
                    ));
                }
                let Some(context) = &self.authentication_context else { return Ok(()) };
                let demand = Demand::AuthenticationContext(context.clone());
                demand
                    .of(user, &self.validator)
                    .map_err(|unmet| Refusal::new(unmet.detail(), unmet.fix(), unmet.answer()))
            }
            (Caller::App(app), _, Some(roles)) => {
                if roles.is_empty() || roles.iter().any(|role| app.has_role(role)) {
                    return Ok(());
                }
                Err(self.missing("app role", roles, &app.roles.join(" "), "an administrator grant it"))
            }
            (Caller::App(_), _, None) => Err(self.wrong_kind(
                "expected a signed-in user's token, found an application's own",
                "Call this address for a user, with a delegated token.",
                "This address is for signed-in users, and the token speaks for an application.",
            )),
            (Caller::User(_), None, _) => Err(self.wrong_kind(
                "expected an application's own token, found a user's",
                "Call this address with client credentials.",
                "This address is for applications, and the token speaks for a user.",
            )),
        }
    }

    fn client(&self, client_id: &str) -> Result<(), Box<Refusal>> {
        match &self.clients {
            Some(clients) if !clients.iter().any(|known| known.eq_ignore_ascii_case(client_id)) => {
                let known = clients.len();
                Err(Refusal::new(
                    format!("expected one of {known} known applications, found {}", shown(client_id)),
                    "Add the application to those that this route allows, if it is one of yours.",
                    // Without a challenge: no other token would help this application.
                    Answer::new(
                        StatusCode::FORBIDDEN,
                        "client_not_allowed",
                        "The calling application may not use this address.",
                    ),
                ))
            }
            _ => Ok(()),
        }
    }

    fn missing(&self, what: &str, needed: &[String], found: &str, who: &str) -> Box<Refusal> {
        let wanted = needed.join(" or ");
        Refusal::new(
            format!("expected the {what} {wanted}, found {}", shown(found)),
            format!("Let the calling application ask for the {what} {wanted}, and let {who}."),
            self.insufficient(format!("The token lacks the {what} {wanted}.")),
        )
    }

    fn wrong_kind(&self, detail: &str, fix: &str, message: &str) -> Box<Refusal> {
        Refusal::new(detail, fix, self.insufficient(message.to_owned()))
    }

    /// RFC 6750 §3.1, with what would have been enough.
    fn insufficient(&self, message: String) -> Answer {
        let needed =
            self.scopes.as_ref().or(self.roles.as_ref()).map_or_else(String::new, |names| names.join(" "));
        let challenge = Challenge::new().with("error", "insufficient_scope");
        let challenge = if needed.is_empty() { challenge } else { challenge.with("scope", &needed) };
        Answer::new(StatusCode::FORBIDDEN, "insufficient_scope", message).challenge(challenge)
    }
}
