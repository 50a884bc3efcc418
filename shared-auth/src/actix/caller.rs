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

use super::error_response::{Answer, correlation_id};
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
pub struct UserCaller(Arc<UserClaims>);

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

impl UserCaller {
    pub(super) fn new(claims: UserClaims) -> Self {
        Self(Arc::new(claims))
    }
}

impl AppCaller {
    pub(super) fn new(claims: AppClaims) -> Self {
        Self(Arc::new(claims))
    }
}

impl Deref for UserCaller {
    type Target = UserClaims;

    fn deref(&self) -> &UserClaims {
        &self.0
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
            "this route has no guard for the caller that its handler wants; wrap it in require_scope for users, or in \
             require_role for applications",
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
