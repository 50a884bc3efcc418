//! A lab with one more application per set of Graph permissions, and the calls that the Graph tests make.
//!
//! Tokens come from the real token endpoint: client credentials for applications, the sign-in pages
//! for people.

use std::fmt::Write;

use entra_lab::EntraLab;
use entra_lab::seed::DEFAULT_SEED;
use reqwest::header::HeaderMap;
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;

use crate::support::{self, App, DAEMON, Json, TOOL};

pub const ALICE: &str = "a0000000-0000-4000-8000-00000000000a";
pub const BOB: &str = "b0000000-0000-4000-8000-00000000000b";
pub const CAROL: &str = "c0000000-0000-4000-8000-00000000000c";

const GRAPH: &str = "00000003-0000-0000-c000-000000000000";
const SECRET: &str = "test-secret";
const CALLBACK: &str = "http://localhost/callback";

/// The applications of the tests: client id, delegated scope, application role.
const APPS: [(&str, &str, &str); 11] = [
    ("7e570000-0000-4000-8000-000000000001", "User.Read", ""),
    ("7e570000-0000-4000-8000-000000000002", "User.ReadBasic.All", ""),
    ("7e570000-0000-4000-8000-000000000003", "User.Read.All", ""),
    ("7e570000-0000-4000-8000-000000000004", "Directory.Read.All", ""),
    ("7e570000-0000-4000-8000-000000000005", "Mail.Read", ""),
    ("7e570000-0000-4000-8000-000000000006", "Mail.ReadBasic", ""),
    ("7e570000-0000-4000-8000-000000000007", "", "none"),
    ("7e570000-0000-4000-8000-000000000008", "", "User.Read.All"),
    ("7e570000-0000-4000-8000-000000000009", "", "Directory.Read.All"),
    ("7e570000-0000-4000-8000-000000000010", "", "Mail.Read"),
    ("7e570000-0000-4000-8000-000000000011", "", "GroupMember.Read.All"),
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
        Self { lab, http: support::client() }
    }

    /// The seed's daemon, which may list people.
    pub async fn daemon_token(&self) -> String {
        self.client_credentials(&DAEMON, "https://graph.microsoft.com/.default").await
    }

    /// The daemon's token for the sample API: a good token for somebody else.
    pub async fn api_token(&self) -> String {
        self.client_credentials(&DAEMON, "api://c0ffee00-0000-4000-8000-000000004000/.default").await
    }

    /// A token of an application that holds this role on Graph.
    pub async fn app_token(&self, role: &str) -> String {
        let app = app(|(_, _, held)| *held == role);
        self.client_credentials(&app, "https://graph.microsoft.com/.default").await
    }

    /// A token with this scope of Graph, after a sign-in on the pages.
    pub async fn user_token(&self, upn: &str, scope: &str) -> String {
        self.sign_in(upn, scope).await.text("access_token").to_owned()
    }

    /// The whole answer of the token endpoint after a sign-in.
    pub async fn sign_in(&self, upn: &str, scope: &str) -> Json {
        let app = app(|(_, agreed, _)| *agreed == scope);
        support::tokens(&self.lab, &app, upn, &format!("openid https://graph.microsoft.com/{scope}")).await
    }

    /// `GET` below `/v1.0`.
    pub async fn get(&self, token: &str, path: &str) -> Answer {
        self.send(Method::GET, token, path).await
    }

    /// Any verb, with JSON.
    pub async fn write(&self, method: Method, token: &str, path: &str, body: &Value) -> Answer {
        let url = format!("{}{path}", self.lab.graph_url());
        let sent = self.http.request(method, url).bearer_auth(token).json(body).send().await;
        Answer::of(sent.expect("Graph answers")).await
    }

    /// The seed's tool for registrations.
    pub async fn tool_token(&self) -> String {
        self.client_credentials(&TOOL, "https://graph.microsoft.com/.default").await
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

    async fn client_credentials(&self, app: &App, scope: &str) -> String {
        let form = support::form(app, &[("grant_type", "client_credentials"), ("scope", scope)]);
        support::token(&self.lab, &form).await.text("access_token").to_owned()
    }
}

fn app(wanted: impl FnMut(&&(&'static str, &str, &str)) -> bool) -> App {
    let (id, ..) = APPS.iter().find(wanted).expect("one of the applications of the tests");
    App { id, secret: SECRET, redirect_uri: CALLBACK }
}

/// The built-in seed, one more scope of Graph, somebody without a mailbox, and the test applications.
fn seed() -> String {
    let mail = r#"{ value = "Mail.Read", description = "Read your mail", id"#;
    let basic = r#"{ value = "Mail.ReadBasic", description = "Read the envelopes of your mail" },"#;
    assert!(DEFAULT_SEED.contains(mail));
    let mut seed = DEFAULT_SEED.replace(mail, &format!("{basic}\n{mail}"));
    seed.push_str(
        r#"
[[tenant.user]]
id = "70000000-0000-4000-8000-000000000007"
upn = "nomail@contoso.test"
display_name = "No Mail"
"#,
    );
    for (id, scope, role) in APPS {
        let _ = write!(
            seed,
            "\n[[tenant.app]]\nid = \"{id}\"\nname = \"test {scope}{role}\"\nsecrets = [\"{SECRET}\"]\n\
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
