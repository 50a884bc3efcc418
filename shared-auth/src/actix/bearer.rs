//! Guards for an API's routes: who may call stands on the route, and nothing behind it runs for anybody else.
//!
//! A guard takes the bearer token (RFC 6750 §2.1; the two other ways of that paragraph are not supported), has it
//! validated, asks for what the route demands (`bearer/rules.rs`), and leaves the caller with the request for
//! [`UserCaller`], [`AppCaller`] and [`AnyCaller`]. The type of a guard says whom it lets in.

use std::marker::PhantomData;
use std::sync::Arc;

use actix_web::dev::ServiceRequest;
use actix_web::{HttpMessage, HttpResponse, ResponseError};

use self::header::bearer_token;
pub(super) use self::rules::Rules;
pub use self::service::Guarded;
use super::caller::{AnyCaller, AppCaller, UserCaller};
use super::error_response::{Answer, ApiError, correlation_id, invalid_token, too_many_attempts};
use super::server::Attempt;
use crate::error::Error;
use crate::jwt::{AccessTokenValidator, Caller};

mod header;
mod rules;
mod service;

#[cfg(any(test, fuzzing))]
pub use self::header::properties::authorization_header;

/// Makes guards; one per API, cloned into each worker.
///
/// | guard | lets in | the handler takes |
/// |---|---|---|
/// | [`require_scope`](Self::require_scope) | users whose token has the scope | [`UserCaller`] |
/// | [`require_user`](Self::require_user) | users, whatever the scope | [`UserCaller`] |
/// | [`require_role`](Self::require_role) | applications whose token has the app role | [`AppCaller`] |
/// | [`require_app`](Self::require_app) | applications, whatever the role | [`AppCaller`] |
/// | [`require_scope_or_app_permission`](Self::require_scope_or_app_permission) | either | [`AnyCaller`] |
///
/// Each can demand more: [`Guard::allow_clients`], and for users [`Guard::authentication_context`].
///
/// ```no_run
/// use actix_web::web;
/// use shared_auth::actix::{AnyCaller, BearerAuth, UserCaller};
///
/// async fn profile(user: UserCaller) -> String {
///     user.object_id.clone()
/// }
///
/// async fn orders(caller: AnyCaller) -> String {
///     caller.client_id().to_owned()
/// }
///
/// fn routes(config: &mut web::ServiceConfig, auth: &BearerAuth) {
///     let payments = auth.require_scope("Payments.Write").authentication_context("c1");
///     let orders_guard = auth.require_scope_or_app_permission("Orders.Read", "Orders.Read.All");
///     config
///         .service(web::resource("/api/profile").wrap(auth.require_scope("access_as_user")).get(profile))
///         .service(web::resource("/api/payments").wrap(payments).post(profile))
///         .service(web::resource("/api/orders").wrap(orders_guard).get(orders));
/// }
/// ```
#[derive(Debug, Clone)]
pub struct BearerAuth {
    validator: Arc<AccessTokenValidator>,
}

/// A guard, to be wrapped around a route or a scope of routes. `C` is what the handlers behind it take.
///
/// ```
/// use shared_auth::actix::{BearerAuth, Guard, UserCaller};
///
/// fn payments(auth: &BearerAuth, our_web_app: &str) -> Guard<UserCaller> {
///     auth.require_scope("Payments.Write").allow_clients([our_web_app]).authentication_context("c1")
/// }
/// ```
#[derive(Debug)]
pub struct Guard<C> {
    rules: Arc<Rules>,
    caller: PhantomData<fn() -> C>,
}

/// Lets users in. Made by [`BearerAuth::require_scope`] and [`BearerAuth::require_user`].
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
pub type RequireScope = Guard<UserCaller>;

/// Lets applications in that call for themselves. Made by [`BearerAuth::require_role`] and [`BearerAuth::require_app`].
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
pub type RequireRole = Guard<AppCaller>;

/// Lets both in. Made by [`BearerAuth::require_scope_or_app_permission`].
///
/// ```
/// use actix_web::web;
/// use shared_auth::actix::{AnyCaller, BearerAuth};
///
/// fn routes(app: &mut web::ServiceConfig, auth: &BearerAuth) {
///     let orders = |caller: AnyCaller| async move { caller.client_id().to_owned() };
///     let guard = auth.require_scope_or_app_permission("Orders.Read", "Orders.Read.All");
///     app.service(web::resource("/orders").wrap(guard).get(orders));
/// }
/// ```
pub type RequireScopeOrAppPermission = Guard<AnyCaller>;

impl BearerAuth {
    /// The validator comes from [`ConfidentialClient::access_token_validator`](crate::ConfidentialClient::access_token_validator).
    pub fn new(validator: impl Into<Arc<AccessTokenValidator>>) -> Self {
        Self { validator: validator.into() }
    }

    /// For routes that act for a signed-in user: a user's token with exactly this scope. An application that calls for
    /// itself is refused.
    pub fn require_scope(&self, scope: &str) -> RequireScope {
        self.guard(Some(vec![scope.to_owned()]), None)
    }

    /// For routes that applications call for themselves: an app-only token with exactly this app role. A user is
    /// refused, whatever roles the user's token carries.
    pub fn require_role(&self, role: &str) -> RequireRole {
        self.guard(None, Some(vec![role.to_owned()]))
    }

    /// For routes that serve both: a user's token with the scope, or an app-only token with the app role.
    pub fn require_scope_or_app_permission(&self, scope: &str, role: &str) -> RequireScopeOrAppPermission {
        self.guard(Some(vec![scope.to_owned()]), Some(vec![role.to_owned()]))
    }

    /// For routes that serve every user of an application that has any scope of this API.
    pub fn require_user(&self) -> RequireScope {
        self.guard(Some(Vec::new()), None)
    }

    /// For routes that serve every application that has any app role of this API.
    pub fn require_app(&self) -> RequireRole {
        self.guard(None, Some(Vec::new()))
    }

    fn guard<C>(&self, scopes: Option<Vec<String>>, roles: Option<Vec<String>>) -> Guard<C> {
        let validator = Arc::clone(&self.validator);
        let rules = Rules { validator, scopes, roles, clients: None, authentication_context: None };
        Guard { rules: Arc::new(rules), caller: PhantomData }
    }
}

impl<C> Guard<C> {
    /// Lets in no other applications than these (`azp`, in v1.0 tokens `appid`), for a user or for themselves; others
    /// are answered with 403.
    ///
    /// ```no_run
    /// # fn example(auth: shared_auth::actix::BearerAuth) {
    /// let ours = auth.require_scope("access_as_user").allow_clients(["c0ffee00-0000-4000-8000-000000003000"]);
    /// # }
    /// ```
    #[must_use]
    pub fn allow_clients<I: Into<String>>(self, client_ids: impl IntoIterator<Item = I>) -> Self {
        self.with(|rules| rules.clients = Some(client_ids.into_iter().map(Into::into).collect()))
    }

    fn with(self, change: impl FnOnce(&mut Rules)) -> Self {
        let mut rules = (*self.rules).clone();
        change(&mut rules);
        Self { rules: Arc::new(rules), caller: PhantomData }
    }
}

impl Guard<UserCaller> {
    /// Another scope that is as good as the first one.
    #[must_use]
    pub fn or_scope(self, scope: &str) -> Self {
        self.with(|rules| rules.scopes.get_or_insert_default().push(scope.to_owned()))
    }

    /// The sign-in must have satisfied this authentication context of Conditional Access (`c1` to `c99`): with a second
    /// factor, from a managed device, whatever the tenant's policy says. Otherwise the answer is a claims challenge, on
    /// which the application signs the user in once more; one that has not declared that it can (client capability
    /// `cp1`) is told so with 403.
    #[must_use]
    pub fn authentication_context(self, id: &str) -> Self {
        self.with(|rules| rules.authentication_context = Some(id.to_owned()))
    }
}

impl Guard<AppCaller> {
    /// Another app role that is as good as the first one.
    #[must_use]
    pub fn or_role(self, role: &str) -> Self {
        self.with(|rules| rules.roles.get_or_insert_default().push(role.to_owned()))
    }
}

impl<C> Clone for Guard<C> {
    fn clone(&self) -> Self {
        Self { rules: Arc::clone(&self.rules), caller: PhantomData }
    }
}

/// Lets the request pass with its caller, or answers it.
async fn check(rules: &Arc<Rules>, request: &ServiceRequest) -> Result<(), HttpResponse> {
    let token = bearer_token(request.headers()).map_err(|fault| {
        refuse(request, fault.answer(), |id| {
            tracing::warn!(correlation_id = id, "a request was refused: {}", fault.reason());
        })
    })?;
    let caller = match rules.validator.validate(token).await {
        Ok(caller) => caller,
        Err(Error::InvalidToken(rejection)) => {
            // Why this is a 401, in one line: the check, what it expected and found, what helps.
            return Err(refuse(request, invalid_token(rejection.check.class()), |id| {
                tracing::warn!(
                    check = rejection.check.number(),
                    name = rejection.check.name(),
                    correlation_id = id,
                    "a token was refused: {}. What helps: {}",
                    rejection.detail,
                    rejection.fix
                );
            }));
        }
        // Nothing can be said about the token: not its sender's fault.
        Err(error) => return Err(ApiError::from(error).error_response()),
    };
    rules.admit(&caller).map_err(|refusal| {
        let id = id_of(request);
        tracing::warn!(
            correlation_id = id,
            client = caller.client_id(),
            "a caller was refused: {}. What helps: {}",
            refusal.detail,
            refusal.fix
        );
        refusal.answer.into_response(&id)
    })?;
    let mut extensions = request.extensions_mut();
    match (rules.serves_both(), caller) {
        (false, Caller::User(user)) => extensions.insert(UserCaller::new(user, rules)).map(drop),
        (false, Caller::App(app)) => extensions.insert(AppCaller::new(app)).map(drop),
        (true, Caller::User(user)) => {
            extensions.insert(AnyCaller::User(UserCaller::new(user, rules))).map(drop)
        }
        (true, Caller::App(app)) => extensions.insert(AnyCaller::App(AppCaller::new(app))).map(drop),
    };
    Ok(())
}

/// A refusal with its line in the log. Where an address had its share of them, it is told to wait and the log is spared; a
/// good token has been let in before it comes to that.
fn refuse(request: &ServiceRequest, answer: Answer, log: impl FnOnce(&str)) -> HttpResponse {
    let id = id_of(request);
    match Attempt::Token.count(request.request()) {
        Ok(()) => {
            log(&id);
            answer.into_response(&id)
        }
        Err(seconds) => too_many_attempts(seconds).into_response(&id),
    }
}

/// The caller's own id, so that its log and ours can be laid side by side.
fn id_of(request: &ServiceRequest) -> String {
    correlation_id(request.headers().get("client-request-id").and_then(|id| id.to_str().ok()))
}
