//! The lab, a client for one of its applications, and a person at its sign-in pages.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use entra_lab::EntraLab;
use jiff::Timestamp;
use shared_auth::{
    AuthorizationResponse, ClientCredential, Clock, ConfidentialClient, EntraConfig, ManualClock, SignIn,
    SystemClock,
};

pub const WEB_APP: &str = "c0ffee00-0000-4000-8000-000000003000";
pub const API: &str = "c0ffee00-0000-4000-8000-000000004000";
pub const DAEMON: &str = "c0ffee00-0000-4000-8000-000000005000";
pub const OTHER_API: &str = "c0ffee00-0000-4000-8000-000000007000";
pub const GRAPH_DEFAULT: &str = "https://graph.microsoft.com/.default";

pub fn access_as_user() -> String {
    format!("api://{API}/access_as_user")
}

/// What this thread writes to its log: warnings and errors.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Until what is returned is dropped.
    pub fn listen(&self) -> tracing::subscriber::DefaultGuard {
        let writer = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::WARN)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The registration of one of the lab's applications, with the secret of the seed.
pub fn registration(lab: &EntraLab, client_id: &str) -> EntraConfig {
    let name = match client_id {
        WEB_APP => "web-app",
        API => "web-api-obo",
        DAEMON => "daemon-app",
        OTHER_API => "other-api",
        other => panic!("no secret known for {other}"),
    };
    let secret = ClientCredential::secret(format!("lab-secret-{name}"));
    EntraConfig::new(lab.url().parse().unwrap(), lab.tenant_id().to_string(), client_id, secret)
}

/// A client whose clock is moved by hand; it starts at the present, where the lab is as well.
pub fn client_with_clock(lab: &EntraLab, client_id: &str) -> (ConfidentialClient, ManualClock) {
    let clock = ManualClock::at(now());
    let client =
        ConfidentialClient::builder(registration(lab, client_id)).clock(Arc::new(clock.clone())).build();
    (client.unwrap(), clock)
}

pub fn client(lab: &EntraLab, client_id: &str) -> ConfidentialClient {
    ConfidentialClient::new(registration(lab, client_id)).unwrap()
}

pub fn now() -> Timestamp {
    SystemClock.now()
}

/// How often the lab's token endpoint was asked with this grant.
pub fn token_requests(lab: &EntraLab, grant: &str) -> usize {
    lab.requests().iter().filter(|request| request.grant.is_some_and(|name| name == grant)).count()
}

/// Signs a user in to the web app, all the way, and returns what the library made of it.
pub async fn sign_in(client: &ConfidentialClient, user: &str, scopes: &str) -> SignIn {
    let redirect_uri = "http://localhost:3000/signin-oidc".parse().unwrap();
    let flow = client.initiate_auth_code_flow(scopes, &redirect_uri).await.unwrap();
    let answer = Person::default().sign_in(flow.authorization_url().as_str(), user).await;
    client
        .acquire_token_by_authorization_code(flow, AuthorizationResponse::parse(&answer).unwrap())
        .await
        .unwrap()
}

/// Somebody who fills the lab's forms, without a browser.
#[derive(Default)]
pub struct Person {
    cookies: HashMap<String, String>,
}

/// Where the sign-in pages lead in the end.
enum End {
    /// Back to the application, with the answer in the address.
    Address(url::Url),
    /// Back to the application, with the answer in a form.
    #[cfg_attr(
        not(any(feature = "desktop", feature = "actix")),
        allow(dead_code, reason = "nobody asks for one")
    )]
    Form(Vec<(String, String)>),
    /// To a device that waits.
    DeviceApproved,
}

impl Person {
    /// Picks the account, types the password, accepts; returns the query that reaches the redirect URI.
    pub async fn sign_in(&mut self, authorization_url: &str, user: &str) -> String {
        match self.walk(http().get(authorization_url), user).await {
            End::Address(address) => address.query().unwrap_or_default().to_owned(),
            _ => panic!("the answer did not come in the query"),
        }
    }

    /// The query that reaches the redirect URI where no page asks the person for anything.
    #[cfg(all(feature = "redis", feature = "actix"))]
    pub async fn silently(&self, authorization_url: &str) -> Option<String> {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let answer = http().get(authorization_url).header("cookie", cookies.join("; ")).send().await.unwrap();
        let back = answer.url().join(answer.headers().get("location")?.to_str().unwrap()).unwrap();
        (back.origin() != answer.url().origin()).then(|| back.query().unwrap_or_default().to_owned())
    }

    /// As [`sign_in`](Self::sign_in), with the whole address to which the browser is sent.
    #[cfg(feature = "desktop")]
    pub async fn sign_in_for_address(&mut self, authorization_url: &str, user: &str) -> url::Url {
        match self.walk(http().get(authorization_url), user).await {
            End::Address(address) => address,
            _ => panic!("the answer did not come in the query"),
        }
    }

    /// As [`sign_in`](Self::sign_in), with the members of the form that is posted to the redirect URI.
    #[cfg(any(feature = "desktop", feature = "actix"))]
    pub async fn sign_in_for_form(&mut self, authorization_url: &str, user: &str) -> Vec<(String, String)> {
        match self.walk(http().get(authorization_url), user).await {
            End::Form(members) => members,
            _ => panic!("the answer did not come in a form"),
        }
    }

    /// Opens a page of the lab; its text.
    #[cfg(feature = "actix")]
    pub async fn open(&self, address: &str) -> String {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        http().get(address).header("cookie", cookies.join("; ")).send().await.unwrap().text().await.unwrap()
    }

    /// Types the code that a device shows, says yes and signs in.
    #[cfg(feature = "desktop")]
    pub async fn approve_device(&mut self, lab: &EntraLab, code: &str, user: &str) {
        let form = [("code", code), ("action", "approve")];
        let request = http().post(format!("{}/deviceauth", lab.url())).form(&form);
        assert!(matches!(self.walk(request, user).await, End::DeviceApproved));
    }

    async fn walk(&mut self, mut request: reqwest::RequestBuilder, user: &str) -> End {
        let http = http();
        let mut lab = None;
        for _ in 0..8 {
            let cookies: Vec<String> =
                self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            let answer = request.header("cookie", cookies.join("; ")).send().await.unwrap();
            for cookie in answer.headers().get_all("set-cookie") {
                let pair = cookie.to_str().unwrap().split(';').next().unwrap();
                let (name, value) = pair.split_once('=').unwrap();
                self.cookies.insert(name.into(), value.into());
            }
            let address = answer.url().clone();
            let lab = lab.get_or_insert_with(|| address.origin()).clone();
            if let Some(location) = answer.headers().get("location") {
                let next = address.join(location.to_str().unwrap()).unwrap();
                if next.origin() != lab {
                    return End::Address(next);
                }
                request = http.get(next);
                continue;
            }
            let page = answer.text().await.unwrap();
            if page.contains("id=\"device-approved\"") {
                return End::DeviceApproved;
            }
            let upn = format!("{user}@contoso.test");
            let (marker, extra) = if page.contains("id=\"password\"") {
                ("id=\"password\"", vec![("password", "Passw0rd!lab".to_owned())])
            } else if page.contains("id=\"otp\"") {
                ("id=\"otp\"", vec![("otp", "246810".to_owned())]) // Alice's
            } else if page.contains("id=\"accept\"") {
                ("id=\"accept\"", vec![("action", "accept".to_owned())])
            } else if page.contains("id=\"answer\"") {
                ("id=\"answer\"", vec![])
            } else {
                ("class=\"accounts\"", vec![("account", upn)])
            };
            let form = page
                .split("<form")
                .find(|form| form.contains(marker))
                .unwrap_or_else(|| panic!("no form:\n{page}"));
            let mut fields: Vec<(String, String)> = form
                .split("<input")
                .filter(|input| input.contains("type=\"hidden\""))
                .map(|input| (attribute(input, "name"), attribute(input, "value")))
                .collect();
            if marker == "id=\"answer\"" {
                return End::Form(fields);
            }
            fields.extend(extra.into_iter().map(|(name, value)| (name.to_owned(), value)));
            request = http.post(address.join(&attribute(form, "action")).unwrap()).form(&fields);
        }
        panic!("the sign-in pages did not end")
    }
}

fn http() -> reqwest::Client {
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

fn attribute(tag: &str, name: &str) -> String {
    let rest = tag.split(&format!("{name}=\"")).nth(1).unwrap_or_default();
    rest.split('"').next().unwrap_or_default().replace("&amp;", "&")
}
