//! A small site that signs users in, and browsers with a cookie jar that knows `SameSite`.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer, web};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use entra_lab::EntraLab;
use reqwest::RequestBuilder;
use reqwest::header::{HeaderMap, LOCATION, SET_COOKIE};
use serde::Deserialize;
use shared_auth::actix::{PageError, SignInOptions, SignInRoutes, SignedInUser};
use shared_auth::{ConfidentialClient, ManualClock};

use crate::support::{Person, WEB_APP, access_as_user, client_with_clock};

/// The public address of a site behind a TLS proxy.
pub const HTTPS: &str = "https://app.example";

/// A site, listening.
pub struct Site {
    /// Where it listens.
    pub url: String,
    pub http: reqwest::Client,
    server: ServerHandle,
}

/// A site with the lab behind it.
pub struct LabSite {
    pub lab: EntraLab,
    pub clock: ManualClock,
    pub client: ConfidentialClient,
    pub site: Site,
}

/// What every site of these tests wants.
pub fn options(public_url: &str) -> SignInOptions {
    SignInOptions {
        public_url: public_url.parse().unwrap(),
        scopes: access_as_user().into(),
        session_key: STANDARD.encode([7; 64]).parse().unwrap(),
        render_failure: |failure, _| {
            format!(
                "PAGE {} {} [{}]",
                failure.status,
                failure.title,
                failure.code.as_deref().unwrap_or_default()
            )
        },
    }
}

impl Site {
    /// `public_url`: what browsers see; by default where it listens.
    pub fn start(
        client: &ConfidentialClient,
        public_url: Option<&str>,
        with: impl FnOnce(SignInRoutes) -> SignInRoutes,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let own = format!("http://localhost:{port}");
        let routes = with(SignInRoutes::new(client.clone(), options(public_url.unwrap_or(&own))));
        let server = HttpServer::new(move || {
            App::new()
                .configure(|app| routes.routes(app))
                .route("/", web::get().to(home))
                .route("/hello", web::get().to(hello))
                .route("/graph", web::get().to(graph))
                .route("/api/me", web::get().to(graph))
                .route("/notes", web::get().to(home))
                .route("/notes", web::post().to(note))
                .wrap(routes.failures())
                .wrap(routes.sessions())
                .wrap(routes.security_headers())
        });
        let server = server.workers(1).disable_signals().listen(listener).unwrap().run();
        let handle = server.handle();
        tokio::spawn(server);
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        Self { url: own, server: handle, http: http.timeout(Duration::from_secs(40)).build().unwrap() }
    }

    pub fn get(&self, path: &str) -> RequestBuilder {
        self.http.get(format!("{}{path}", self.url))
    }

    pub fn post(&self, path: &str) -> RequestBuilder {
        self.http.post(format!("{}{path}", self.url))
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        drop(self.server.stop(false));
    }
}

impl LabSite {
    pub async fn start() -> Self {
        Self::start_with(None, |routes| routes).await
    }

    pub async fn start_with(
        public_url: Option<&str>,
        with: impl FnOnce(SignInRoutes) -> SignInRoutes,
    ) -> Self {
        let seed = entra_lab::DEFAULT_SEED.replace(
            "\"http://localhost:3000/signin-oidc\"",
            &format!("\"http://localhost:3000/signin-oidc\", \"{HTTPS}/signin-oidc\""),
        );
        let lab = EntraLab::builder().seed_toml(&seed).start().await.unwrap();
        let (client, clock) = client_with_clock(&lab, WEB_APP);
        let site = Site::start(&client, public_url, with);
        Self { lab, clock, client, site }
    }

    /// Begins a sign-in; the address of Entra's page.
    pub async fn begin(&self, browser: &mut Browser, path: &str) -> String {
        let answer = browser.send(self.site.get(path)).await;
        assert_eq!(answer.status, 303, "{}", answer.body);
        answer.location.unwrap()
    }

    /// Begins a sign-in and goes through Entra's pages; the query that comes back.
    pub async fn answer(&self, browser: &mut Browser, user: &str) -> String {
        let to_entra = self.begin(browser, "/auth/sign-in?return_to=/hello").await;
        Person::default().sign_in(&to_entra, user).await
    }

    pub async fn sign_in(&self, browser: &mut Browser, user: &str) {
        let answer = self.answer(browser, user).await;
        let done = self.callback(browser, &answer).await;
        assert_eq!((done.status, done.location.as_deref()), (303, Some("/hello")), "{}", done.body);
    }

    pub async fn callback(&self, browser: &mut Browser, query: &str) -> Answer {
        browser.send(self.site.get(&format!("/signin-oidc?{query}"))).await
    }

    /// Signs in as somebody else than the browser's user, whom Entra is told to expect.
    pub async fn sign_in_as_another(&self, browser: &mut Browser, user: &str) -> Answer {
        let to_entra = self.begin(browser, "/auth/sign-in").await;
        let answer = Person::default().sign_in(&without_hint(&to_entra), user).await;
        self.callback(browser, &answer).await
    }

    /// Whom the site takes the browser for.
    pub async fn who(&self, browser: &Browser) -> String {
        browser.clone().send(self.site.get("/")).await.body
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub location: Option<String>,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub fn cookies(&self) -> Vec<&str> {
        self.headers.get_all(SET_COOKIE).iter().map(|cookie| cookie.to_str().unwrap()).collect()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }
}

#[derive(Clone)]
struct Cookie {
    value: String,
    /// The whole header.
    set: String,
}

/// Where a request comes from, which decides the cookies that go along.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum From {
    /// Our own pages, or a link anywhere.
    Navigation,
    /// A form or a frame of another site.
    AnotherSite,
}

#[derive(Default, Clone)]
pub struct Browser {
    cookies: BTreeMap<String, Cookie>,
}

impl Browser {
    pub async fn send(&mut self, request: RequestBuilder) -> Answer {
        self.send_from(From::Navigation, request).await
    }

    pub async fn send_from(&mut self, from: From, request: RequestBuilder) -> Answer {
        let goes = |cookie: &&Cookie| from == From::Navigation || cookie.set.contains("SameSite=None");
        let cookies = { self.cookies.iter() }.filter(|(_, cookie)| goes(cookie));
        let cookies: Vec<_> = cookies.map(|(name, cookie)| format!("{name}={}", cookie.value)).collect();
        let request = if cookies.is_empty() { request } else { request.header("cookie", cookies.join("; ")) };
        let answer = request.send().await.unwrap();
        for set in answer.headers().get_all(SET_COOKIE) {
            let set = set.to_str().unwrap();
            let (name, value) = set.split(';').next().unwrap().split_once('=').unwrap();
            if !value.is_empty() {
                entra_lab::scan::secret(value);
            }
            if set.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                let cookie = Cookie { value: value.to_owned(), set: set.to_owned() };
                self.cookies.insert(name.to_owned(), cookie);
            }
        }
        Answer {
            status: answer.status().as_u16(),
            location: answer.headers().get(LOCATION).map(|to| to.to_str().unwrap().to_owned()),
            headers: answer.headers().clone(),
            body: answer.text().await.unwrap(),
        }
    }

    pub fn names(&self) -> Vec<&str> {
        self.cookies.keys().map(String::as_str).collect()
    }

    pub fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.get(name).map(|cookie| cookie.value.clone())
    }

    pub fn put(&mut self, name: &str, value: &str) {
        let cookie = Cookie { value: value.to_owned(), set: String::new() };
        self.cookies.insert(name.to_owned(), cookie);
    }
}

pub fn without_hint(to_entra: &str) -> String {
    to_entra.split('&').filter(|part| !part.starts_with("login_hint=")).collect::<Vec<_>>().join("&")
}

pub fn parameter(address: &str, name: &str) -> Option<String> {
    let address = url::Url::parse("http://x").unwrap().join(address).unwrap();
    address.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

async fn home(user: Option<SignedInUser>) -> String {
    user.map_or("nobody".to_owned(), |user| user.name().to_owned())
}

async fn hello(user: SignedInUser) -> Result<String, PageError> {
    user.acquire_token(&access_as_user().into()).await?;
    Ok(format!("{}|{}", user.name(), user.csrf_token()))
}

/// Wants a permission that the sign-in does not ask for.
async fn graph(user: SignedInUser) -> Result<String, PageError> {
    user.acquire_token(&"User.Read".into()).await?;
    Ok(format!("Graph for {}", user.name()))
}

#[derive(Deserialize)]
struct Note {
    csrf_token: String,
    text: String,
}

async fn note(user: SignedInUser, form: web::Form<Note>) -> Result<String, PageError> {
    user.acquire_token(&"User.Read".into()).await?;
    let genuine = form.csrf_token == user.csrf_token();
    Ok(format!("{} noted {} ({genuine})", user.name(), form.text))
}
