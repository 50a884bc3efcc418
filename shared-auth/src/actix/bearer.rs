//! Guards for an API's routes: who may call stands on the route, and nothing behind it runs for anybody else.
//!
//! A guard takes the bearer token (RFC 6750 §2.1; the two other ways of that paragraph are not supported), has it
//! validated, checks the permission, and leaves the caller with the request for [`UserCaller`] and [`AppCaller`].

use std::future::{Ready, ready};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform};
use actix_web::http::StatusCode;
use actix_web::{HttpMessage, HttpResponse, ResponseError};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use self::header::bearer_token;
use super::caller::{AppCaller, UserCaller};
use super::error_response::{Answer, ApiError, correlation_id, invalid_token};
use crate::error::Error;
use crate::jwt::{AccessTokenValidator, Caller};
use crate::protocol::challenge::Challenge;

mod header;

#[cfg(any(test, fuzzing))]
pub use self::header::properties::authorization_header;

/// Makes guards; one per API, cloned into each worker.
///
/// ```no_run
/// use actix_web::web;
/// use shared_auth::actix::{BearerAuth, UserCaller};
///
/// async fn profile(user: UserCaller) -> String {
///     user.object_id.clone()
/// }
///
/// fn routes(config: &mut web::ServiceConfig, auth: &BearerAuth) {
///     config.service(
///         web::resource("/api/profile").wrap(auth.require_scope("access_as_user")).get(profile),
///     );
/// }
/// ```
#[derive(Debug, Clone)]
pub struct BearerAuth {
    validator: Arc<AccessTokenValidator>,
}

/// Lets users in whose token carries a scope. Made by [`BearerAuth::require_scope`].
///
/// ```
/// use actix_web::web;
/// use shared_auth::actix::{BearerAuth, UserCaller};
///
/// fn routes(app: &mut web::ServiceConfig, auth: &BearerAuth) {
///     let messages = |user: UserCaller| async move { user.object_id.clone() };
///     app.service(web::resource("/messages").wrap(auth.require_scope("access_as_user")).get(messages));
/// }
/// ```
#[derive(Debug, Clone)]
pub struct RequireScope(Guard);

/// Lets applications in whose token carries an app role. Made by [`BearerAuth::require_role`].
///
/// ```
/// use actix_web::web;
/// use shared_auth::actix::{AppCaller, BearerAuth};
///
/// fn routes(app: &mut web::ServiceConfig, auth: &BearerAuth) {
///     let directory = |app: AppCaller| async move { app.client_id.clone() };
///     app.service(web::resource("/directory").wrap(auth.require_role("Directory.Read")).get(directory));
/// }
/// ```
#[derive(Debug, Clone)]
pub struct RequireRole(Guard);

impl BearerAuth {
    /// The validator comes from [`ConfidentialClient::access_token_validator`](crate::ConfidentialClient::access_token_validator).
    pub fn new(validator: impl Into<Arc<AccessTokenValidator>>) -> Self {
        Self { validator: validator.into() }
    }

    /// For routes that act for a signed-in user: a user's token with exactly this scope. An application that calls for
    /// itself is refused.
    pub fn require_scope(&self, scope: &str) -> RequireScope {
        RequireScope(self.guard(Permission::Scope(scope.into())))
    }

    /// For routes that applications call for themselves: an app-only token with exactly this app role. A user is
    /// refused, whatever roles the user's token carries.
    pub fn require_role(&self, role: &str) -> RequireRole {
        RequireRole(self.guard(Permission::Role(role.into())))
    }

    fn guard(&self, permission: Permission) -> Guard {
        Guard { validator: Arc::clone(&self.validator), permission }
    }
}

#[derive(Debug, Clone)]
enum Permission {
    Scope(Arc<str>),
    Role(Arc<str>),
}

#[derive(Debug, Clone)]
struct Guard {
    validator: Arc<AccessTokenValidator>,
    permission: Permission,
}

impl Guard {
    /// Lets the request pass with its caller, or answers it.
    async fn check(&self, request: &ServiceRequest) -> Result<(), HttpResponse> {
        // The caller's own id, so that its log and ours can be laid side by side.
        let id = request.headers().get("client-request-id").and_then(|id| id.to_str().ok());
        let id = correlation_id(id);

        let token = bearer_token(request.headers()).map_err(|fault| {
            tracing::warn!(correlation_id = id, "a request was refused: {}", fault.reason());
            fault.answer().into_response(&id)
        })?;
        let caller = match self.validator.validate(token).await {
            Ok(caller) => caller,
            Err(Error::InvalidToken(rejection)) => {
                tracing::warn!(
                    check = rejection.check.number(),
                    name = rejection.check.name(),
                    correlation_id = id,
                    "a token was refused: {}",
                    rejection.detail
                );
                return Err(invalid_token(rejection.check.class()).into_response(&id));
            }
            // Nothing can be said about the token: not its sender's fault.
            Err(error) => return Err(ApiError::from(error).error_response()),
        };
        self.admit(request, caller).map_err(|message| {
            let (Permission::Scope(needed) | Permission::Role(needed)) = &self.permission;
            tracing::warn!(needed = &**needed, correlation_id = id, "a caller was refused: {message}");
            let challenge = Challenge::new().with("error", "insufficient_scope").with("scope", needed);
            Answer::new(StatusCode::FORBIDDEN, "insufficient_scope", message)
                .challenge(challenge)
                .into_response(&id)
        })
    }

    /// The permission, and the kind of caller it is for.
    fn admit(&self, request: &ServiceRequest, caller: Caller) -> Result<(), String> {
        match (&self.permission, caller) {
            (Permission::Scope(scope), Caller::User(user)) => {
                if !user.has_scope(scope) {
                    return Err(format!("The token lacks the scope {scope}."));
                }
                request.extensions_mut().insert(UserCaller::new(user));
            }
            (Permission::Role(role), Caller::App(app)) => {
                if !app.has_role(role) {
                    return Err(format!("The token lacks the app role {role}."));
                }
                request.extensions_mut().insert(AppCaller::new(app));
            }
            (Permission::Scope(_), Caller::App(_)) => {
                return Err("This address is for signed-in users, and the token speaks for an application."
                    .to_owned());
            }
            (Permission::Role(_), Caller::User(_)) => {
                return Err("This address is for applications, and the token speaks for a user.".to_owned());
            }
        }
        Ok(())
    }
}

impl<S, B> Transform<S, ServiceRequest> for RequireScope
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = actix_web::Error;
    type Transform = Guarded<S>;
    type InitError = ();
    type Future = Ready<Result<Guarded<S>, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(Guarded::new(&self.0, service)))
    }
}

impl<S, B> Transform<S, ServiceRequest> for RequireRole
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = actix_web::Error;
    type Transform = Guarded<S>;
    type InitError = ();
    type Future = Ready<Result<Guarded<S>, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(Guarded::new(&self.0, service)))
    }
}

/// A service behind a guard; what actix-web makes of [`RequireScope`] and [`RequireRole`].
#[derive(Debug)]
pub struct Guarded<S> {
    guard: Rc<Guard>,
    service: Rc<S>,
}

impl<S> Guarded<S> {
    fn new(guard: &Guard, service: S) -> Self {
        Self { guard: Rc::new(guard.clone()), service: Rc::new(service) }
    }
}

impl<S, B> Service<ServiceRequest> for Guarded<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.service.poll_ready(context)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let (guard, service) = (Rc::clone(&self.guard), Rc::clone(&self.service));
        async move {
            match guard.check(&request).await {
                Ok(()) => service.call(request).await.map(ServiceResponse::map_into_left_body),
                // A response and not an error, so that what is wrapped around sees and logs it like any other.
                Err(refusal) => Ok(request.into_response(refusal).map_into_right_body()),
            }
        }
        .boxed_local()
    }
}
