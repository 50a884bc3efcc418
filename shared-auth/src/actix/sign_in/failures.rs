//! What becomes of an error: a sign-in and the same page again, a page that explains, or JSON for a script.
//!
//! A challenge that a page meets goes on to the next sign-in by way of the server, in a record that serves once and only
//! this user. If it is met again right after that sign-in, the answer is a page: asking again would go round in circles.

use std::future::{Ready, ready};
use std::rc::Rc;

use actix_session::SessionExt;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::{Method, StatusCode, header};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::future::LocalBoxFuture;

use super::callback::FORM;
use super::forms::{self, KeptForm};
use super::open::{StepUp, key_of};
use super::return_path::own_address;
use super::start::STEP_UP;
use super::{CALLBACK, FRONT_CHANNEL_SIGN_OUT, SIGN_IN, SIGNED_OUT, SignInRoutes, to};
use crate::actix::failure::{PageError, Reason};
use crate::actix::session::{TypedSession, signed_in};
use crate::error::{Error, SignInError};
use crate::flows::authorization_code::random_text;
use crate::protocol::scope::Scopes;

/// The middleware behind [`SignInRoutes::failures`].
///
/// ```no_run
/// use actix_web::{App, HttpServer};
/// use shared_auth::actix::SignInRoutes;
///
/// # async fn example(sign_in: SignInRoutes) -> std::io::Result<()> {
/// HttpServer::new(move || App::new().wrap(sign_in.failures()).wrap(sign_in.sessions()))
///     .bind(("127.0.0.1", 3000))?
///     .run()
///     .await
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Failures {
    routes: Rc<SignInRoutes>,
}

impl Failures {
    pub(super) fn new(routes: Rc<SignInRoutes>) -> Self {
        Self { routes }
    }
}

impl<S, B> Transform<S, ServiceRequest> for Failures
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = actix_web::Error;
    type Transform = FailuresService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(FailuresService { service: Rc::new(service), routes: Rc::clone(&self.routes) }))
    }
}

#[derive(Debug)]
pub struct FailuresService<S> {
    service: Rc<S>,
    routes: Rc<SignInRoutes>,
}

impl<S, B> Service<ServiceRequest> for FailuresService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Self::Error>>;

    forward_ready!(service);

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        let (service, routes) = (Rc::clone(&self.service), Rc::clone(&self.routes));
        Box::pin(async move {
            let form = routes.form(&mut request).await;
            let answer = service.call(request).await?;
            let status = answer.status();
            let page_error = answer.response().error().and_then(|error| error.as_error::<PageError>());
            let page = match page_error {
                Some(error) => routes.answer(answer.request(), error, form).await,
                // A query that cannot be read, a verb that no route has: the framework's own no is a page as well.
                None if status.is_client_error() || status.is_server_error() => {
                    routes.answer(answer.request(), &PageError(Reason::BadRequest(status)), None).await
                }
                None => {
                    if status.is_success() {
                        TypedSession(answer.request().get_session()).answered(answer.request().path());
                    }
                    return Ok(answer.map_into_left_body());
                }
            };
            Ok(answer.into_response(page).map_into_right_body())
        })
    }
}

impl SignInRoutes {
    /// The form of this request, if it may have to be sent again after a step-up. A GET that comes back for a form
    /// becomes that form's POST.
    async fn form(&self, request: &mut ServiceRequest) -> Option<KeptForm> {
        let id = forms::id_of(request);
        if id.is_none() && request.method() != Method::POST {
            return None; // Nearly every request: the session is not looked at.
        }
        let user = TypedSession(request.get_session()).user()?;
        if let Some(id) = id {
            let kept: Option<KeptForm> = self.sessions.take_once(&key_of(FORM, &id, &user)).await.ok()?;
            kept?.into_request(request, &self.options.public_url)?;
            tracing::info!("a form goes on after its user has signed in again");
            return None;
        }
        KeptForm::of(request, &self.options.public_url).await
    }

    /// A redirect to the sign-in where that may help, a page otherwise.
    async fn answer(&self, request: &HttpRequest, error: &PageError, form: Option<KeptForm>) -> HttpResponse {
        let script = is_script(request);
        let ours = [SIGN_IN, CALLBACK, SIGNED_OUT, FRONT_CHANNEL_SIGN_OUT].contains(&request.path());
        if let Reason::Error(Error::SignIn(SignInError::AnotherUser)) = &error.0 {
            TypedSession(request.get_session()).sign_out(); // Whose session this is cannot be said any more.
        }
        // A form that was not kept cannot be sent again, and what a script was about to do is known to the script.
        let repeatable = request.method() == Method::GET || form.is_some() || script;
        let away;
        let mut shown = error;
        if repeatable && !ours {
            match self.sign_in_address(request, error, form.filter(|_| !script), script).await {
                Ok(Some(address)) => {
                    tracing::info!(step = 1, "{} needs the user: {error}", request.path());
                    return if script { sign_in_required(&address) } else { to(&address) };
                }
                Ok(None) => {}
                Err(error) => {
                    away = error;
                    shown = &away;
                }
            }
        }
        self.page(request, shown, script)
    }

    /// Where to sign in so that it works the next time, if that may help.
    async fn sign_in_address(
        &self,
        request: &HttpRequest,
        error: &PageError,
        form: Option<KeptForm>,
        script: bool,
    ) -> Result<Option<String>, PageError> {
        let session = TypedSession(request.get_session());
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let mut step_up = None;
        match &error.0 {
            Reason::NobodySignedIn if form.is_none() => {}
            Reason::Error(error) if needs_sign_in(error) => {
                if session.was_challenged(request.path()) {
                    return Ok(None);
                }
                let scopes = match error {
                    Error::InteractionRequired(needed) => needed.scopes.clone(),
                    _ => Scopes::default(),
                };
                if let Some(user) = session.user() {
                    let waiting = StepUp {
                        home_account_id: user.account.home_account_id.clone(),
                        path: request.path().to_owned(),
                        claims: error.claims_challenge(),
                        scopes,
                        form: form.clone(),
                    };
                    let id = random_text()?;
                    self.sessions.keep_once(&key_of(STEP_UP, &id, &user), &waiting).await?;
                    step_up = Some(id);
                }
            }
            _ => return Ok(None),
        }
        // A script's answer is of use to the page on which it runs.
        let page = { request.headers().get(header::REFERER) }
            .and_then(|page| own_address(&self.options.public_url, page.to_str().ok()?));
        let return_to = match (script, form) {
            (true, _) => page.unwrap_or_else(|| "/".to_owned()),
            (false, Some(form)) => form.page,
            (false, None) => path.to_owned(),
        };
        let mut sign_in = self.own_address(SIGN_IN);
        sign_in
            .query_pairs_mut()
            .append_pair("return_to", &return_to)
            .extend_pairs(step_up.map(|id| ("step_up", id)));
        Ok(Some(format!("{SIGN_IN}?{}", sign_in.query().unwrap_or_default())))
    }

    fn page(&self, request: &HttpRequest, error: &PageError, script: bool) -> HttpResponse {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let failure = error.failure(match request.path() {
            CALLBACK => SIGN_IN, // Its address holds a code; trying again starts from the beginning.
            _ if request.method() != Method::GET => "/", // A form cannot be sent again by a link.
            _ => path,
        });
        if failure.status >= 500 {
            tracing::error!("{}: {error}", request.path());
        } else {
            tracing::warn!("{}: {error}", request.path());
        }
        let status = StatusCode::from_u16(failure.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut answer = HttpResponse::build(status);
        if let Reason::TooManySignIns(seconds) = &error.0 {
            answer.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        if script {
            return answer.json(serde_json::json!({
                "error": failure.code.as_deref().unwrap_or("failed"),
                "message": format!("{}. {} {}", failure.title, failure.what_happened, failure.what_to_do),
                "correlationId": failure.correlation_id,
            }));
        }
        let body = (self.options.render_failure)(&failure, signed_in(request).as_ref());
        answer.content_type("text/html; charset=utf-8").body(body)
    }
}

/// 401 for a script: a redirect would take its call to Entra's pages, where it can do nothing. The address is for the
/// whole page (`location.assign`), which comes back to where the script ran.
fn sign_in_required(address: &str) -> HttpResponse {
    HttpResponse::Unauthorized()
        .insert_header((header::WWW_AUTHENTICATE, format!("Cookie form-action=\"{SIGN_IN}\"")))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(serde_json::json!({
            "error": "sign_in_required",
            "message": "The user has to sign in before this can go on: open the address in \"signIn\" as a page.",
            "signIn": address,
        }))
}

/// True for what a page's script, picture or style sheet asks for. Browsers say it themselves (Fetch Metadata, which a
/// script cannot change); where they do not, over plain http, the script has to say that it wants JSON.
fn is_script(request: &HttpRequest) -> bool {
    let text =
        |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match text("sec-fetch-mode") {
        "" => {
            let accept = text(header::ACCEPT.as_str());
            text("x-requested-with").eq_ignore_ascii_case("XMLHttpRequest")
                || (accept.contains("application/json") && !accept.contains("text/html"))
        }
        mode => mode != "navigate",
    }
}

/// True where a new sign-in may change the answer: the cache is empty, Entra wants the user, or the API says so. Consent
/// for the API itself is not among these: this app's sign-in page does not ask for it.
fn needs_sign_in(error: &Error) -> bool {
    match error {
        Error::InteractionRequired(_) => true,
        Error::Downstream(down) => {
            down.status == 401
                && down.challenge.as_ref().is_some_and(|challenge| {
                    matches!(
                        challenge.get("error"),
                        Some("insufficient_claims" | "interaction_required" | "invalid_token")
                    )
                })
        }
        _ => false,
    }
}
