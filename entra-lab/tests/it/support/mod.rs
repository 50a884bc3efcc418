//! What the tests share: a started lab, requests to its token endpoint, and a browser.

mod browser;

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entra_lab::EntraLab;
use serde_json::Value;

pub use browser::{Browser, Page};

pub const TENANT: &str = "10000000-0000-4000-8000-000000000001";
pub const ALICE: &str = "alice@contoso.test";
pub const BOB: &str = "bob@contoso.test";
pub const CAROL: &str = "carol@contoso.test";
pub const PASSWORD: &str = "Passw0rd!lab";
pub const GRAPH: &str = "https://graph.microsoft.com";
pub const API_SCOPE: &str = "api://c0ffee00-0000-4000-8000-000000004000/access_as_user";
pub const OTHER_API_SCOPE: &str = "api://c0ffee00-0000-4000-8000-000000007000/access_as_user";
pub const OBO: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// A registered application.
#[derive(Debug, Clone, Copy)]
pub struct App {
    pub id: &'static str,
    pub secret: &'static str,
    pub redirect_uri: &'static str,
}

pub const WEB_APP: App = App {
    id: "c0ffee00-0000-4000-8000-000000003000",
    secret: "lab-secret-web-app",
    redirect_uri: "http://localhost:3000/signin-oidc",
};
pub const API: App =
    App { id: "c0ffee00-0000-4000-8000-000000004000", secret: "lab-secret-web-api-obo", redirect_uri: "" };
pub const DAEMON: App =
    App { id: "c0ffee00-0000-4000-8000-000000005000", secret: "lab-secret-daemon-app", redirect_uri: "" };
pub const DESKTOP: App =
    App { id: "c0ffee00-0000-4000-8000-000000006000", secret: "", redirect_uri: "http://localhost" };
pub const OTHER_API: App =
    App { id: "c0ffee00-0000-4000-8000-000000007000", secret: "lab-secret-other-api", redirect_uri: "" };
/// What registers applications.
pub const TOOL: App = App {
    id: "c0ffee00-0000-4000-8000-000000009000",
    secret: "lab-secret-registration-tool",
    redirect_uri: "",
};

/// An answer with a JSON body.
#[derive(Debug)]
pub struct Json {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
}

impl Json {
    pub async fn of(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, body: response.json().await.expect("a JSON body") }
    }

    pub fn text(&self, member: &str) -> &str {
        self.body[member].as_str().unwrap_or_else(|| panic!("no {member} in {:?}", self.body))
    }

    /// The claims of a token in the answer.
    pub fn claims(&self, member: &str) -> Value {
        claims(self.text(member))
    }

    pub fn assert_refused(&self, status: u16, error: &str, code: u32) {
        assert_eq!(
            (self.status, self.body["error"].as_str(), self.body["error_codes"][0].as_u64()),
            (status, Some(error), Some(u64::from(code))),
            "{}",
            self.body
        );
        let start = format!("AADSTS{code}: ");
        assert!(self.text("error_description").starts_with(&start), "{}", self.body);
    }
}

/// The claims of a token, unchecked.
pub fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).expect("a signed token");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

pub async fn lab() -> EntraLab {
    EntraLab::start().await.expect("the lab starts")
}

/// A client that follows no redirects and keeps no cookies.
pub fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

pub async fn get(url: &str) -> Json {
    Json::of(client().get(url).send().await.unwrap()).await
}

/// A request to the token endpoint of the tenant.
pub async fn token(lab: &EntraLab, form: &[(&str, &str)]) -> Json {
    token_at(lab, TENANT, form).await
}

pub async fn token_at(lab: &EntraLab, tenant: &str, form: &[(&str, &str)]) -> Json {
    let url = format!("{}/{tenant}/oauth2/v2.0/token", lab.url());
    Json::of(client().post(url).form(form).send().await.unwrap()).await
}

/// The form of an application's request: who it is, then the rest.
pub fn form<'a>(app: &App, rest: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut form = vec![("client_id", app.id)];
    if !app.secret.is_empty() {
        form.push(("client_secret", app.secret));
    }
    form.extend_from_slice(rest);
    form
}

/// The URL that an application sends the browser to; later pairs replace earlier ones.
pub fn authorize_url(lab: &EntraLab, tenant: &str, app: &App, changes: &[(&str, &str)]) -> String {
    let mut pairs: Vec<(&str, &str)> = vec![
        ("client_id", app.id),
        ("response_type", "code"),
        ("redirect_uri", app.redirect_uri),
        ("scope", "openid profile offline_access"),
        ("state", "the state"),
    ];
    for change in changes {
        pairs.retain(|(name, _)| name != &change.0);
        pairs.push(*change);
    }
    let base = format!("{}/{tenant}/oauth2/v2.0/authorize", lab.url());
    url::Url::parse_with_params(&base, &pairs).unwrap().into()
}

/// The members of an answer in a query or fragment.
pub fn members(text: &str) -> HashMap<String, String> {
    url::form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

/// Signs a user in and returns the code.
pub async fn code(lab: &EntraLab, app: &App, user: &str, scope: &str) -> String {
    let mut browser = Browser::new(lab);
    let url = authorize_url(lab, TENANT, app, &[("scope", scope)]);
    browser.sign_in(&url, user).await.query()["code"].clone()
}

/// Signs a user in and redeems the code.
pub async fn tokens(lab: &EntraLab, app: &App, user: &str, scope: &str) -> Json {
    let code = code(lab, app, user, scope).await;
    redeem(lab, app, &code, &[]).await
}

pub async fn redeem(lab: &EntraLab, app: &App, code: &str, more: &[(&str, &str)]) -> Json {
    let mut rest =
        vec![("grant_type", "authorization_code"), ("code", code), ("redirect_uri", app.redirect_uri)];
    for pair in more {
        rest.retain(|(name, _)| name != &pair.0);
        rest.push(*pair);
    }
    token(lab, &form(app, &rest)).await
}

/// An access token of this user for the API.
pub async fn api_token(lab: &EntraLab, user: &str) -> String {
    tokens(lab, &WEB_APP, user, API_SCOPE).await.text("access_token").to_owned()
}
