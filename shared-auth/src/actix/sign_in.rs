//! The routes of a web app that signs users in, and what stands around its pages.
//!
//! | route | what it does | file | step of the web app scenario |
//! |---|---|---|---|
//! | `GET /auth/sign-in?return_to=…` | starts a sign-in and sends the browser to Entra | `start.rs`, `open.rs` | 2 |
//! | `GET /signin-oidc` | takes the answer, signs the user in, goes back to the page | `callback.rs` | 4 to 8 |
//! | `POST /signin-oidc` | takes an answer that comes as a form, where that was asked for | `callback.rs` | 4 |
//! | `POST /auth/sign-out` | ends the session, the tokens and Entra's session | `sign_out.rs` | 11 |
//! | `GET /signout-callback-oidc` | where Entra sends the browser after that | `sign_out.rs` | 11 |
//! | `GET /signout-oidc?sid=…` | ends the sessions of a user who signed out elsewhere | `sign_out.rs` | 11 |
//!
//! Around them: `failures.rs` turns errors into sign-ins and pages, `forms.rs` keeps a posted form over a step-up,
//! `session_layer.rs` is the session's cookie, `hint.rs` the one that remembers whom to ask for when a session was lost.

mod callback;
mod failures;
mod forms;
mod hint;
mod open;
mod return_path;
mod session_layer;
mod sign_out;
mod start;

use std::fmt;
use std::rc::Rc;
use std::sync::{Arc, Once};

use actix_web::cookie::Cookie;
use actix_web::http::header;
use actix_web::middleware::DefaultHeaders;
use actix_web::{HttpResponse, web};
use url::Url;

pub use self::failures::Failures;
use self::hint::Hints;
use self::session_layer::SessionLayer;
use super::failure::Failure;
use super::session::{CookieKey, SignedInUser, StoredUser};
use super::session_store::Sessions;
use crate::client::ConfidentialClient;
use crate::flows::authorization_code::ResponseMode;
use crate::jwt::IdTokenClaims;
use crate::protocol::scope::Scopes;

const SIGN_IN: &str = "/auth/sign-in";
const SIGN_OUT: &str = "/auth/sign-out";
const CALLBACK: &str = "/signin-oidc";
const SIGNED_OUT: &str = "/signout-callback-oidc";
const FRONT_CHANNEL_SIGN_OUT: &str = "/signout-oidc";

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
    hints: Hints,
    response_mode: ResponseMode,
    /// Paths, and the user flow that each of them begins.
    user_flows: Vec<(String, String)>,
    own_scripts: bool,
    without_sid: Arc<Once>,
}

impl SignInRoutes {
    /// The routes for a client. Make them once, outside the factory of the app.
    pub fn new(client: ConfidentialClient, options: SignInOptions) -> Self {
        let sessions = Sessions::in_memory(client.inner.clock.clone());
        let hints = Hints::new(&options.session_key, &client, options.public_url.scheme() == "https");
        Self {
            client,
            options,
            sessions,
            hints,
            response_mode: ResponseMode::Query,
            user_flows: Vec::new(),
            own_scripts: false,
            without_sid: Arc::new(Once::new()),
        }
    }

    /// How Entra's answer comes back; in the address by default. As a form, no address and no history ever holds the
    /// code.
    ///
    /// A form comes from Entra's site, so its cookie has to be `SameSite=None`, which browsers take only with `Secure`
    /// and so over https. With an `http://` address of the app this logs an error and stays with the address.
    ///
    /// ```no_run
    /// # fn example(client: shared_auth::ConfidentialClient, options: shared_auth::actix::SignInOptions) {
    /// use shared_auth::ResponseMode;
    /// use shared_auth::actix::SignInRoutes;
    ///
    /// let sign_in = SignInRoutes::new(client, options).response_mode(ResponseMode::FormPost);
    /// # }
    /// ```
    #[must_use]
    pub fn response_mode(mut self, mode: ResponseMode) -> Self {
        self.response_mode = mode;
        if mode == ResponseMode::FormPost && !self.is_https() {
            self.response_mode = ResponseMode::Query;
            tracing::error!(
                "response_mode=form_post needs an https address of the app, and {} is none: browsers would not send the \
                 cookie of the sign-in along. Answers come in the address instead. Set PUBLIC_URL to an https origin.",
                self.options.public_url
            );
        }
        self
    }

    /// A further way to Azure AD B2C: a GET of `path` begins a sign-in by this user flow, to edit a profile or to reset a
    /// password, and takes `return_to` as `/auth/sign-in` does. The user is signed in with what comes of it.
    ///
    /// ```no_run
    /// # fn example(client: shared_auth::ConfidentialClient, options: shared_auth::actix::SignInOptions) {
    /// use shared_auth::actix::SignInRoutes;
    ///
    /// let sign_in = SignInRoutes::new(client, options)
    ///     .user_flow("/auth/edit-profile", "B2C_1_edit_profile")
    ///     .user_flow("/auth/reset-password", "B2C_1_reset_password");
    /// # }
    /// ```
    #[must_use]
    pub fn user_flow(mut self, path: impl Into<String>, policy: impl Into<String>) -> Self {
        self.user_flows.push((path.into(), policy.into()));
        self
    }

    /// Lets pages run scripts from files of this site, which may ask this site for more (`fetch`). What stands in a page
    /// itself is never run. What such a script is told where the user is needed: [`failures`](Self::failures).
    ///
    /// ```no_run
    /// # fn example(client: shared_auth::ConfidentialClient, options: shared_auth::actix::SignInOptions) {
    /// use shared_auth::actix::SignInRoutes;
    ///
    /// let sign_in = SignInRoutes::new(client, options).own_scripts();
    /// # }
    /// ```
    #[must_use]
    pub fn own_scripts(mut self) -> Self {
        self.own_scripts = true;
        self
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

    /// Adds the routes.
    pub fn routes(&self, app: &mut web::ServiceConfig) {
        let mut answers = web::resource(CALLBACK).route(web::get().to(callback::callback));
        if self.response_mode == ResponseMode::FormPost {
            answers = answers.route(web::post().to(callback::posted_callback));
        }
        for (path, _) in &self.user_flows {
            app.route(path, web::get().to(start::start));
        }
        app.app_data(web::Data::new(self.clone()))
            .route(SIGN_IN, web::get().to(start::start))
            .service(answers)
            .route(SIGN_OUT, web::post().to(sign_out::sign_out))
            .route(SIGNED_OUT, web::get().to(sign_out::signed_out))
            .route(FRONT_CHANNEL_SIGN_OUT, web::get().to(sign_out::front_channel));
    }

    /// Turns a handler's [`PageError`](super::PageError) into a sign-in where that helps, and into a page of the app
    /// otherwise. Stands inside [`sessions`](Self::sessions): actix runs the last `wrap` first.
    ///
    /// A script (`fetch`) is never redirected, because it can do nothing at Entra's pages. It gets JSON:
    ///
    /// | status | members | what a script does |
    /// |---|---|---|
    /// | 401 | `error`: `sign_in_required`; `message`; `signIn`: a path of this site | opens `signIn` as a page. The user signs in, with whatever was asked for in between, and comes back to the page on which the script ran; then the same call works |
    /// | any other | `error`: a code to look up; `message`: what happened and what to do, for people; `correlationId`, or null | shows `message` |
    ///
    /// The page to come back to is the one that the browser names as referrer; `return_to` in `signIn` may be set to another
    /// path of this site. `signIn` serves once and only this user.
    ///
    /// ```js
    /// const answer = await fetch("/messages", { headers: { "X-Requested-With": "XMLHttpRequest" } });
    /// if (!answer.ok) {
    ///   const { signIn, message } = await answer.json();
    ///   if (signIn) location.assign(signIn);
    ///   else show(message);
    /// }
    /// ```
    ///
    /// Browsers say themselves that it is a script who asks, over https and at `localhost`; the header says it everywhere.
    pub fn failures(&self) -> Failures {
        Failures::new(Rc::new(self.clone()))
    }

    /// Server-side sessions behind an opaque, signed cookie.
    pub fn sessions(&self) -> SessionLayer {
        SessionLayer::new(&self.sessions, &self.options.session_key, self.is_https())
    }

    /// Headers for every page: no scripts but [`own_scripts`](Self::own_scripts), no frames, nothing kept by caches, no
    /// address given away.
    pub fn security_headers(&self) -> DefaultHeaders {
        let scripts = if self.own_scripts { "script-src 'self'; connect-src 'self'; " } else { "" };
        // Browsers apply form-action to redirects too, and the sign-out form ends at the authority.
        let policy = format!(
            "default-src 'none'; {scripts}img-src 'self'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' {}",
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

    /// Nobody tells an app whether its address for sign-outs elsewhere is registered. That none of them could be understood
    /// shows in its ID tokens; it is said with the first one.
    fn look_for_sid(&self, claims: &IdTokenClaims) {
        if claims.sid.is_none() {
            self.without_sid.call_once(|| {
                tracing::warn!(
                    "the ID token names no session (sid), so a sign-out elsewhere cannot end one here. What helps: in the \
                     registration of this app, register {} as the front-channel logout URL and add the optional claim sid \
                     to the ID token.",
                    self.own_address(FRONT_CHANNEL_SIGN_OUT)
                );
            });
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

/// 303: whatever the request was, the next one is a GET.
fn to(address: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, address)).finish()
}

fn add_cookie(answer: &mut HttpResponse, cookie: &Cookie<'_>) {
    if let Err(error) = answer.add_cookie(cookie) {
        tracing::error!("a cookie of a sign-in could not be set: {error}"); // Its characters are all allowed.
    }
}
