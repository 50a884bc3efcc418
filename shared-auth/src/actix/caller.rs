//! Handler arguments: the caller whom a guard has let in.
//!
//! They read what the guard left with the request and never the `Authorization` header. A route whose guard was
//! forgotten therefore answers 500 at its first request, instead of letting everybody in.

use std::fmt;
use std::future::{Ready, ready};
use std::ops::Deref;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, ResponseError};

use super::bearer::Rules;
use super::error_response::{Answer, ApiError, correlation_id};
use super::step_up::Demand;
use crate::jwt::{AppClaims, UserClaims};

/// The signed-in user who is calling; for routes behind [`RequireScope`](super::RequireScope).
///
/// ```
/// use shared_auth::actix::UserCaller;
///
/// async fn hello(user: UserCaller) -> String {
///     format!("Hello {}, your id is {}.", user.name.as_deref().unwrap_or("you"), user.object_id)
/// }
/// ```
#[derive(Debug, Clone)]
pub struct UserCaller {
    claims: Arc<UserClaims>,
    rules: Arc<Rules>,
}

/// The application that is calling for itself; for routes behind [`RequireRole`](super::RequireRole).
///
/// ```
/// use shared_auth::actix::AppCaller;
///
/// async fn report(app: AppCaller) -> String {
///     format!("for the application {} with the roles {:?}", app.client_id, app.roles)
/// }
/// ```
#[derive(Debug, Clone)]
pub struct AppCaller(Arc<AppClaims>);

/// Either of them; for routes behind [`RequireScopeOrAppPermission`](super::RequireScopeOrAppPermission).
///
/// ```
/// use shared_auth::actix::AnyCaller;
///
/// async fn whose_orders(caller: AnyCaller) -> String {
///     match caller {
///         AnyCaller::User(user) => format!("those of {}", user.object_id),
///         AnyCaller::App(app) => format!("all of them, for {}", app.client_id),
///     }
/// }
/// ```
#[derive(Debug, Clone)]
pub enum AnyCaller {
    /// A user, with the scope.
    User(UserCaller),
    /// An application, with the app role.
    App(AppCaller),
}

impl UserCaller {
    pub(super) fn new(claims: Arc<UserClaims>, rules: &Arc<Rules>) -> Self {
        Self { claims, rules: Arc::clone(rules) }
    }

    /// Demands that the sign-in satisfied an authentication context of Conditional Access, for handlers that decide by
    /// what they are asked to do; where the whole route demands it, say it there
    /// ([`Guard::authentication_context`](super::Guard::authentication_context)).
    ///
    /// ```
    /// use shared_auth::actix::{ApiError, UserCaller};
    ///
    /// fn transfer(user: &UserCaller, amount: u64) -> Result<(), ApiError> {
    ///     if amount > 10_000 {
    ///         user.require_authentication_context("c1")?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// The claims challenge as an answer; 403 for an application that cannot act on one.
    pub fn require_authentication_context(&self, id: &str) -> Result<(), ApiError> {
        self.demand(Demand::AuthenticationContext(id.to_owned()))
    }

    /// Demands a token that was issued at this moment or later: after the user's password, roles or device changed, or
    /// after somebody ended the user's sessions. The API keeps these moments itself.
    ///
    /// # Errors
    /// The claims challenge of continuous access evaluation as an answer; a plain 401 for an application that cannot
    /// act on one.
    pub fn require_issued_since(&self, moment: jiff::Timestamp) -> Result<(), ApiError> {
        self.demand(Demand::IssuedSince(moment))
    }

    fn demand(&self, demand: Demand) -> Result<(), ApiError> {
        demand.of(&self.claims, &self.rules.validator).map_err(ApiError::step_up)
    }
}

impl AppCaller {
    pub(super) fn new(claims: Arc<AppClaims>) -> Self {
        Self(claims)
    }
}

impl AnyCaller {
    /// The application that calls, for a user or for itself.
    pub fn client_id(&self) -> &str {
        match self {
            Self::User(user) => &user.client_id,
            Self::App(app) => &app.client_id,
        }
    }
}

impl Deref for UserCaller {
    type Target = UserClaims;

    fn deref(&self) -> &UserClaims {
        &self.claims
    }
}

impl Deref for AppCaller {
    type Target = AppClaims;

    fn deref(&self) -> &AppClaims {
        &self.0
    }
}

impl FromRequest for UserCaller {
    type Error = NoGuard;
    type Future = Ready<Result<Self, NoGuard>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(left_by_guard(request))
    }
}

impl FromRequest for AppCaller {
    type Error = NoGuard;
    type Future = Ready<Result<Self, NoGuard>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(left_by_guard(request))
    }
}

impl FromRequest for AnyCaller {
    type Error = NoGuard;
    type Future = Ready<Result<Self, NoGuard>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(left_by_guard(request))
    }
}

fn left_by_guard<T: Clone + 'static>(request: &HttpRequest) -> Result<T, NoGuard> {
    request.extensions().get::<T>().cloned().ok_or(NoGuard)
}

/// The route has no guard, or the one for the other kind of caller: a mistake in the program.
#[derive(Debug, Clone, Copy)]
pub struct NoGuard;

impl std::error::Error for NoGuard {}

impl fmt::Display for NoGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "this route has no guard for the caller that its handler wants; wrap it in require_scope for users, in \
             require_role for applications, or in require_scope_or_app_permission for both",
        )
    }
}

impl ResponseError for NoGuard {
    fn status_code(&self) -> StatusCode {
        StatusCode::INTERNAL_SERVER_ERROR
    }

    fn error_response(&self) -> HttpResponse {
        let id = correlation_id(None);
        tracing::error!(correlation_id = id, "{self}");
        Answer::new(self.status_code(), "misconfigured", "This service is not set up correctly.")
            .into_response(&id)
    }
}
