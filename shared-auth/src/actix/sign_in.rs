//! The routes of a web app that signs users in, and what stands around its pages.
//!
//! | route | what it does | step of the web app scenario |
//! |---|---|---|
//! | `GET /auth/sign-in?return_to=…` | starts a sign-in and sends the browser to Entra | 2 |
//! | `GET /signin-oidc` | takes the answer, signs the user in, goes back to the page | 4 to 8 |
//! | `POST /auth/sign-out` | ends the session, the tokens and Entra's session | 11 |
//! | `GET /signout-callback-oidc` | where Entra sends the browser after that | 11 |

use std::fmt;
use std::future::{Ready, ready};
use std::rc::Rc;

use actix_session::config::{BrowserSession, CookieContentSecurity};
use actix_session::{SessionExt, SessionMiddleware};
use actix_web::body::{EitherBody, MessageBody};
use actix_web::cookie::SameSite;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::{Method, header};
use actix_web::middleware::DefaultHeaders;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::future::LocalBoxFuture;
use serde::Deserialize;
use url::Url;

use super::failure::{Failure, PageError, Reason};
use super::server::Attempt;
use super::session::{CookieKey, OpenChallenge, SignedInUser, TypedSession, is_csrf_token, signed_in};
use super::session_store::{IDLE_LIFETIME, Sessions};
use crate::client::ConfidentialClient;
use crate::error::Error;
use crate::flows::authorization_code::AuthorizationResponse;
use crate::protocol::scope::Scopes;

const SIGN_IN: &str = "/auth/sign-in";
const SIGN_OUT: &str = "/auth/sign-out";
const CALLBACK: &str = "/signin-oidc";
const SIGNED_OUT: &str = "/signout-callback-oidc";

/// What the sign-in of an app needs to know.
///
/// ```
/// use shared_auth::Env;
/// use shared_auth::actix::SignInOptions;
///
/// let mut env = Env::from_pairs([("SESSION_KEY", format!("{}==", "A".repeat(86)))]);
/// let session_key = env.read(|env| env.required("SESSION_KEY"))?;
/// let options = SignInOptions {
///     public_url: "https://app.example".parse()?,
///     scopes: "api://c0ffee00-0000-4000-8000-000000004000/access_as_user User.Read".into(),
///     session_key,
///     render_failure: |failure, _user| failure.title.clone(), // the app's own template
/// };
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SignInOptions {
    /// The origin that browsers see. The redirect URI is built from it and never from request headers, which the
    /// browser, or whoever stands in between, could choose.
    pub public_url: Url,
    /// Everything the app will want, so that the user consents once. The first resource's token comes with the sign-in.
    pub scopes: Scopes,
    /// Signs the session cookie.
    pub session_key: CookieKey,
    /// Draws a failure as a page of the app; the user is there where somebody is signed in.
    pub render_failure: fn(&Failure, Option<&SignedInUser>) -> String,
}

impl fmt::Debug for SignInOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignInOptions")
            .field("public_url", &self.public_url.as_str())
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

/// Sign-in for a web app. Clones share the sessions.
///
/// ```no_run
/// use actix_web::{App, HttpServer};
/// use shared_auth::ConfidentialClient;
/// use shared_auth::actix::{SignInOptions, SignInRoutes, SignedInUser};
///
/// async fn hello(user: SignedInUser) -> String {
///     format!("Hello, {}", user.name())
/// }
///
/// # async fn example(client: ConfidentialClient, options: SignInOptions) -> std::io::Result<()> {
/// let sign_in = SignInRoutes::new(client, options);
/// HttpServer::new(move || {
///     App::new()
///         .configure(|app| sign_in.routes(app))
///         .route("/hello", actix_web::web::get().to(hello))
///         .wrap(sign_in.failures())
///         .wrap(sign_in.sessions())
///         .wrap(sign_in.security_headers())
/// })
/// .bind(("127.0.0.1", 3000))?
/// .run()
/// .await
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct SignInRoutes {
    client: ConfidentialClient,
    options: SignInOptions,
    sessions: Sessions,
}

impl SignInRoutes {
    /// The routes for a client. Make them once, outside the factory of the app.
    pub fn new(client: ConfidentialClient, options: SignInOptions) -> Self {
        let sessions = Sessions::in_memory(client.inner.clock.clone());
        Self { client, options, sessions }
    }

    /// Keeps the sessions in a Redis, so that every replica of the app knows them; `None` leaves them in memory.
    ///
    /// While Redis is away nobody can sign in or out, pages for everybody go on, and whoever was signed in still is
    /// when it is back.
    #[cfg(feature = "redis")]
    #[must_use]
    pub fn with_redis(mut self, redis: impl Into<Option<crate::cache::redis::RedisCache>>) -> Self {
        if let Some(redis) = redis.into() {
            let (authority, clock) = (&self.client.inner.authority, self.client.inner.clock.clone());
            let namespace = crate::cache::redis::namespace(
                authority.environment(),
                authority.realm(),
                self.client.client_id(),
            );
            self.sessions = Sessions::in_redis(redis, &namespace, clock);
        }
        self
    }

    /// Adds the four routes.
    pub fn routes(&self, app: &mut web::ServiceConfig) {
        app.app_data(web::Data::new(self.clone()))
            .route(SIGN_IN, web::get().to(start))
            .route(CALLBACK, web::get().to(callback))
            .route(SIGN_OUT, web::post().to(sign_out))
            .route(SIGNED_OUT, web::get().to(signed_out));
    }

    /// Turns a handler's [`PageError`] into a sign-in where that helps, and into a page of the app otherwise. Stands
    /// inside [`sessions`](Self::sessions): actix runs the last `wrap` first.
    pub fn failures(&self) -> Failures {
        Failures { routes: Rc::new(self.clone()) }
    }

    /// Server-side sessions behind an opaque, signed cookie.
    pub fn sessions(&self) -> SessionMiddleware<impl actix_session::storage::SessionStore + use<>> {
        let secure = self.is_https();
        SessionMiddleware::builder(self.sessions.clone(), self.options.session_key.0.clone())
            // The prefix makes browsers refuse the cookie from anyone but this very host; it needs https.
            .cookie_name(if secure { "__Host-session" } else { "session" }.to_owned())
            .cookie_secure(secure)
            .cookie_http_only(true)
            // Lax: the cookie comes along when Entra sends the browser back, and not with foreign forms or pictures.
            .cookie_same_site(SameSite::Lax)
            .cookie_path("/".to_owned())
            .cookie_content_security(CookieContentSecurity::Signed)
            .session_lifecycle(BrowserSession::default().state_ttl(IDLE_LIFETIME))
            .build()
    }

    /// Headers for every page: no scripts at all, no frames, nothing kept by caches, no address given away.
    pub fn security_headers(&self) -> DefaultHeaders {
        // Browsers apply form-action to redirects too, and the sign-out form ends at the authority.
        let policy = format!(
            "default-src 'none'; img-src 'self'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' {}",
            self.client.authority().origin()
        );
        let headers = DefaultHeaders::new()
            .add((header::CONTENT_SECURITY_POLICY, policy))
            .add((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .add((header::REFERRER_POLICY, "same-origin"))
            .add((header::X_FRAME_OPTIONS, "DENY"))
            .add((header::CACHE_CONTROL, "no-store"));
        if self.is_https() {
            headers.add((header::STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains"))
        } else {
            headers
        }
    }

    pub(super) fn client(&self) -> &ConfidentialClient {
        &self.client
    }

    fn is_https(&self) -> bool {
        self.options.public_url.scheme() == "https"
    }

    fn own_address(&self, path: &str) -> Url {
        let mut url = self.options.public_url.clone();
        url.set_path(path);
        url.set_query(None);
        url
    }
}

#[derive(Deserialize)]
struct Start {
    #[serde(default)]
    return_to: String,
}

/// Step 2.
async fn start(
    request: HttpRequest,
    query: web::Query<Start>,
    routes: web::Data<SignInRoutes>,
) -> Result<HttpResponse, PageError> {
    // Each one that is begun is kept for a while, whoever it was.
    Attempt::SignIn.count(&request).map_err(|seconds| PageError(Reason::TooManySignIns(seconds)))?;
    let session = TypedSession(request.get_session());
    // A browser that comes back to an app which has forgotten it would only have to start again.
    if Sessions::is_away(&session.0) || routes.sessions.ready().await.is_err() {
        return Err(PageError(Reason::SessionsAway));
    }
    let return_to = own_path(&routes.options.public_url, &query.return_to);
    let callback = routes.own_address(CALLBACK);
    // What a page could not do silently is asked for now: claims to satisfy, scopes to consent to.
    let (claims, more) =
        session.take_challenge().map_or_else(Default::default, |open| (open.claims, open.scopes));
    let mut flow = routes.client.initiate_auth_code_flow(routes.options.scopes.with(&more), &callback);
    if let Some(claims) = claims {
        flow = flow.claims(claims);
    }
    if let Some(user) = session.user() {
        flow = flow.login_hint(user.account.username); // Again, and not as somebody else.
    }
    let flow = flow.await?;
    let address = flow.authorization_url().to_string();
    session.open(flow, return_to)?;
    tracing::info!(step = 2, "a sign-in begins; the browser goes to Entra");
    Ok(to(&address))
}

/// Steps 4 to 8.
async fn callback(request: HttpRequest, routes: web::Data<SignInRoutes>) -> Result<HttpResponse, PageError> {
    let session = TypedSession(request.get_session());
    if Sessions::is_away(&session.0) {
        return Err(PageError(Reason::SessionsAway));
    }
    let response = AuthorizationResponse::parse(request.query_string()).map_err(Error::from)?;
    // Step 5. Found by `state` among the sign-ins that this very browser began; gone from there when this request ends.
    let (flow, return_to) = session.take(&response)?;
    tracing::info!(step = 5, "Entra sent the browser back; its sign-in was found");
    let signed_in = routes.client.acquire_token_by_authorization_code(flow, response).await?;
    let csrf_token = uuid::Uuid::new_v4().to_string();
    session.sign_in(signed_in.account, signed_in.id_token, csrf_token)?;
    tracing::info!(step = 8, "signed in, under a new session id");
    // The redirect also takes the code out of the address bar.
    Ok(to(&return_to))
}

#[derive(Deserialize)]
struct SignOut {
    #[serde(default)]
    csrf_token: String,
}

/// Step 11.
async fn sign_out(
    request: HttpRequest,
    form: web::Form<SignOut>,
    routes: web::Data<SignInRoutes>,
) -> Result<HttpResponse, PageError> {
    let session = TypedSession(request.get_session());
    if Sessions::is_away(&session.0) {
        return Err(PageError(Reason::SessionsAway)); // To say "signed out" now would not be true.
    }
    let Some(user) = session.user() else {
        return Ok(to("/")); // Another tab was faster.
    };
    if !is_csrf_token(&user, &form.csrf_token) {
        return Err(PageError(Reason::ForeignForm));
    }
    routes.client.remove_account(&user.account);
    session.sign_out();
    tracing::info!(step = 11, "signed out: session and tokens are gone");
    // Here it is done. Entra's own session ends there, if it can be reached.
    let entra =
        routes.client.authority().metadata().await.ok().and_then(|metadata| metadata.end_session_endpoint);
    Ok(match entra {
        Some(mut url) => {
            url.query_pairs_mut()
                .append_pair("post_logout_redirect_uri", routes.own_address(SIGNED_OUT).as_str());
            if let Some(hint) = &user.claims.login_hint {
                url.query_pairs_mut().append_pair("logout_hint", hint);
            }
            to(url.as_str())
        }
        None => to("/"),
    })
}

async fn signed_out() -> HttpResponse {
    to("/")
}

/// 303: whatever the request was, the next one is a GET.
fn to(address: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, address)).finish()
}

/// The path to return to, if it is one of our own; home otherwise.
fn own_path(public_url: &Url, wanted: &str) -> String {
    const HOME: &str = "/";
    let plain = wanted.starts_with('/')
        && wanted.len() < 2_000
        && !wanted.chars().any(|c| c.is_control() || c == '\\');
    // Resolved as a browser would: what leaves our origin that way is not a path of ours, however it is spelt.
    match public_url.join(wanted) {
        Ok(url) if plain && url.origin() == public_url.origin() && !url.path().starts_with("//") => {
            url.query().map_or(url.path().to_owned(), |query| format!("{}?{query}", url.path()))
        }
        _ => HOME.to_owned(),
    }
}

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
        ready(Ok(FailuresService { service, routes: Rc::clone(&self.routes) }))
    }
}

#[derive(Debug)]
pub struct FailuresService<S> {
    service: S,
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

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let (answer, routes) = (self.service.call(request), Rc::clone(&self.routes));
        Box::pin(async move {
            let answer = answer.await?;
            let status = answer.status();
            let page_error = answer.response().error().and_then(|error| error.as_error::<PageError>());
            let page = match page_error {
                Some(error) => routes.answer(answer.request(), error),
                // A query that cannot be read, a verb that no route has: the framework's own no is a page as well.
                None if status.is_client_error() || status.is_server_error() => {
                    routes.answer(answer.request(), &PageError(Reason::BadRequest(status)))
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
    /// A redirect to the sign-in where that may help, a page otherwise.
    fn answer(&self, request: &HttpRequest, error: &PageError) -> HttpResponse {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let is_page =
            request.method() == Method::GET && ![SIGN_IN, CALLBACK, SIGNED_OUT].contains(&request.path());
        let help = match &error.0 {
            Reason::NobodySignedIn => true,
            Reason::Error(error) if needs_sign_in(error) => {
                let scopes = match error {
                    Error::InteractionRequired(needed) => needed.scopes.clone(),
                    _ => Scopes::default(),
                };
                let challenge = OpenChallenge { claims: error.claims_challenge(), scopes };
                TypedSession(request.get_session()).challenge(request.path(), &challenge)
            }
            _ => false,
        };
        if is_page && help {
            tracing::info!(step = 1, "{} needs the user: {error}", request.path());
            let mut sign_in = self.own_address(SIGN_IN);
            sign_in.query_pairs_mut().append_pair("return_to", path);
            return to(&format!("{SIGN_IN}?{}", sign_in.query().unwrap_or_default()));
        }
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
        let body = (self.options.render_failure)(&failure, signed_in(request).as_ref());
        let status = actix_web::http::StatusCode::from_u16(failure.status);
        let mut page =
            HttpResponse::build(status.unwrap_or(actix_web::http::StatusCode::INTERNAL_SERVER_ERROR));
        if let Reason::TooManySignIns(seconds) = &error.0 {
            page.insert_header((header::RETRY_AFTER, seconds.to_string()));
        }
        page.content_type("text/html; charset=utf-8").body(body)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_never_leaves_the_site() {
        let own = Url::parse("http://localhost:3000").unwrap();
        let tries = [
            "",
            "//evil.test",
            "/\\evil.test",
            "\\\\evil.test",
            "/\t/evil.test",
            "/\r\n/evil.test",
            "https://evil.test",
            "https:evil.test",
            "http:/evil.test",
            "javascript:alert(1)",
            "data:text/html,x",
            "///evil.test",
            "/\\/evil.test",
            "http://localhost:3000@evil.test",
            "//localhost:3000@evil.test",
            "http://localhost:3000.evil.test",
            "evil.test",
            ".evil.test",
            "@evil.test",
            "/\u{0}//evil.test",
            "http://localhost:3001/",
            "/..//evil.test",
            "/.//evil.test",
        ];
        for wanted in tries {
            assert_eq!(own_path(&own, wanted), "/", "{wanted:?}");
        }
        assert_eq!(own_path(&own, "/messages?page=2"), "/messages?page=2");
    }
}
