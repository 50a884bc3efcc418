//! A lab with one more application per set of Graph permissions, and the calls that the Graph tests make.
//!
//! Tokens come from the real token endpoint: client credentials for applications, the sign-in pages
//! for people.

use std::fmt::Write;

use entra_lab::EntraLab;
use entra_lab::seed::DEFAULT_SEED;
use reqwest::header::{COOKIE, HeaderMap, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;

pub const TENANT: &str = "10000000-0000-4000-8000-000000000001";
pub const ALICE: &str = "a0000000-0000-4000-8000-00000000000a";
pub const BOB: &str = "b0000000-0000-4000-8000-00000000000b";
pub const CAROL: &str = "c0000000-0000-4000-8000-00000000000c";

const DAEMON: &str = "c0ffee00-0000-4000-8000-000000005000";
const GRAPH: &str = "00000003-0000-0000-c000-000000000000";
const CALLBACK: &str = "http://localhost/callback";

/// What an application of the tests may do: delegated scopes, application roles.
const PERMISSIONS: [(&str, &str); 10] = [
    ("User.Read", ""),
    ("User.ReadBasic.All", ""),
    ("User.Read.All", ""),
    ("Directory.Read.All", ""),
    ("Mail.Read", ""),
    ("Mail.ReadBasic", ""),
    ("", "none"),
    ("", "User.Read.All"),
    ("", "Directory.Read.All"),
    ("", "Mail.Read"),
];

pub struct GraphLab {
    pub lab: EntraLab,
    pub http: reqwest::Client,
}

/// An answer that has been read.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub bytes: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).expect("the answer is JSON")
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }

    /// Status and `error.code`.
    pub fn error(&self) -> (u16, String) {
        (self.status.as_u16(), self.json()["error"]["code"].as_str().unwrap_or_default().to_owned())
    }

    async fn of(response: Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        Self { status, headers, bytes: response.bytes().await.expect("the answer has a body").to_vec() }
    }
}

impl GraphLab {
    pub async fn start() -> Self {
        let lab = EntraLab::builder().seed_toml(&seed()).start().await.expect("the lab starts");
        let http = reqwest::Client::builder().redirect(Policy::none()).no_proxy().build().expect("a client");
        Self { lab, http }
    }

    /// The seed's daemon, which may list people.
    pub async fn daemon_token(&self) -> String {
        self.client_credentials(DAEMON, "lab-secret-daemon-app", "https://graph.microsoft.com/.default").await
    }

    /// The daemon's token for the sample API: a good token for somebody else.
    pub async fn api_token(&self) -> String {
        let scope = "api://c0ffee00-0000-4000-8000-000000004000/.default";
        self.client_credentials(DAEMON, "lab-secret-daemon-app", scope).await
    }

    /// A token of an application that holds this role on Graph.
    pub async fn app_token(&self, role: &str) -> String {
        let client = client(PERMISSIONS.iter().position(|p| p.1 == role).expect("a known role"));
        self.client_credentials(&client, "test-secret", "https://graph.microsoft.com/.default").await
    }

    /// A token with this scope of Graph, after a sign-in on the pages.
    pub async fn user_token(&self, upn: &str, scope: &str) -> String {
        let answer = self.sign_in(upn, scope).await;
        answer["access_token"].as_str().expect("an access token").to_owned()
    }

    /// The whole answer of the token endpoint after a sign-in.
    pub async fn sign_in(&self, upn: &str, scope: &str) -> Value {
        let client = client(PERMISSIONS.iter().position(|p| p.0 == scope).expect("a known scope"));
        let query = [
            ("client_id", client.as_str()),
            ("response_type", "code"),
            ("redirect_uri", CALLBACK),
            ("scope", &format!("openid https://graph.microsoft.com/{scope}")),
            ("login_hint", upn),
        ];
        let authorize = format!("{}/{TENANT}/oauth2/v2.0/authorize", self.lab.url());
        let page = self.http.get(authorize).query(&query).send().await.expect("the sign-in page");
        let cookie = page.headers().get(SET_COOKIE).and_then(|v| v.to_str().ok()).expect("a cookie");
        let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
        let html = page.text().await.expect("the page is text");
        let form = [
            ("transaction", hidden(&html, "transaction")),
            ("form_token", hidden(&html, "form_token")),
            ("action", "password"),
            ("password", "Passw0rd!lab"),
        ];
        let login = format!("{}/{TENANT}/login", self.lab.url());
        let sent = self.http.post(login).header(COOKIE, cookie).form(&form).send().await;
        let sent = sent.expect("the password was sent");
        let back = sent.headers().get(LOCATION).and_then(|v| v.to_str().ok()).expect("a redirect");
        let back = url::Url::parse(back).expect("a URL");
        let code = back.query_pairs().find(|(name, _)| name == "code").expect("a code").1.into_owned();
        let form = [
            ("grant_type", "authorization_code"),
            ("client_id", client.as_str()),
            ("client_secret", "test-secret"),
            ("redirect_uri", CALLBACK),
            ("code", &code),
        ];
        self.token(&form).await
    }

    /// `GET` below `/v1.0`.
    pub async fn get(&self, token: &str, path: &str) -> Answer {
        self.send(Method::GET, token, path).await
    }

    pub async fn send(&self, method: Method, token: &str, path: &str) -> Answer {
        let url = format!("{}{path}", self.lab.graph_url());
        let sent = self.http.request(method, url).bearer_auth(token).send().await;
        Answer::of(sent.expect("Graph answers")).await
    }

    /// `GET` below `/v1.0` with these headers and no others.
    pub async fn get_with(&self, headers: &[(&'static str, &str)], path: &str) -> Answer {
        let request = self.http.get(format!("{}{path}", self.lab.graph_url()));
        let request = headers.iter().fold(request, |r, (name, value)| r.header(*name, *value));
        Answer::of(request.send().await.expect("Graph answers")).await
    }

    /// Follows a link of an earlier answer.
    pub async fn follow(&self, token: &str, link: &str) -> Answer {
        Answer::of(self.http.get(link).bearer_auth(token).send().await.expect("Graph answers")).await
    }

    async fn client_credentials(&self, client: &str, secret: &str, scope: &str) -> String {
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", client),
            ("client_secret", secret),
            ("scope", scope),
        ];
        self.token(&form).await["access_token"].as_str().expect("an access token").to_owned()
    }

    async fn token(&self, form: &[(&str, &str)]) -> Value {
        let url = format!("{}/{TENANT}/oauth2/v2.0/token", self.lab.url());
        let answer = self.http.post(url).form(form).send().await.expect("the token endpoint answers");
        assert_eq!(answer.status(), StatusCode::OK, "a token for the test");
        answer.json().await.expect("the answer is JSON")
    }
}

fn client(index: usize) -> String {
    format!("7e570000-0000-4000-8000-{index:012}")
}

fn hidden<'h>(html: &'h str, name: &str) -> &'h str {
    let (_, rest) = html.split_once(&format!("name=\"{name}\" value=\"")).expect("the hidden field");
    rest.split('"').next().unwrap_or_default()
}

/// The built-in seed, one more scope of Graph, somebody without a mailbox, and the test applications.
fn seed() -> String {
    let mail = r#"{ value = "Mail.Read", description = "Read your mail" },"#;
    let basic = r#"{ value = "Mail.ReadBasic", description = "Read the envelopes of your mail" },"#;
    assert!(DEFAULT_SEED.contains(mail));
    let mut seed = DEFAULT_SEED.replace(mail, &format!("{mail}\n{basic}"));
    seed.push_str(
        r#"
[[tenant.user]]
id = "70000000-0000-4000-8000-000000000007"
upn = "nomail@contoso.test"
display_name = "No Mail"
"#,
    );
    for (index, (scope, role)) in PERMISSIONS.iter().enumerate() {
        let id = client(index);
        let _ = write!(
            seed,
            "\n[[tenant.app]]\nid = \"{id}\"\nname = \"test {index}\"\nsecrets = [\"test-secret\"]\n\
             redirect_uris = [\"{CALLBACK}\"]\n\
             needs = [{{ resource = \"{GRAPH}\", delegated = [{}], application = [{}] }}]\n",
            quoted(scope),
            quoted(role),
        );
        if !scope.is_empty() {
            let _ = write!(
                seed,
                "\n[[tenant.consent]]\nclient = \"{id}\"\nresource = \"{GRAPH}\"\n\
                 scopes = [\"openid\", {}]\n",
                quoted(scope)
            );
        }
        if !quoted(role).is_empty() {
            let _ = write!(
                seed,
                "\n[[tenant.role_assignment]]\nto = \"{id}\"\nresource = \"{GRAPH}\"\nroles = [{}]\n",
                quoted(role)
            );
        }
    }
    seed
}

fn quoted(name: &str) -> String {
    if name.is_empty() || name == "none" { String::new() } else { format!("\"{name}\"") }
}
