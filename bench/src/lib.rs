//! What the benchmarks have in common: a token service on loopback, clients with filled caches, time as CPU time.
//!
//! Caches of applications and accounts are filled by import, without a network; those of assertions by asking the
//! token service once for each. Every token is as long as one of Entra with a few claims.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark that cannot start should say so and stop")]

pub mod tokens;

use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, ClientOptions, HttpClient, Request, StatusCode, Transport};
use azure_identity::{ClientSecretCredential, ClientSecretCredentialOptions};
use cpu_time::ThreadTime;
use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use shared_auth::{
    Account, ClientCredential, Clock, ConfidentialClient, EntraConfig, Scopes, SystemClock, UserAssertion,
};

pub const TENANT: &str = "0000071d-0000-4000-8000-000000000001";
pub const CLIENT: &str = "000000a9-0000-4000-8000-000000000001";
pub const GRAPH: &str = "https://graph.microsoft.com/.default";
pub const USER_SCOPES: &str = "User.Read";
/// An access token for Graph.
pub const TOKEN_BYTES: usize = 2_152;
/// An incoming access token.
pub const ASSERTION_BYTES: usize = 1_648;
/// A refresh token, which nobody reads but Entra.
pub const REFRESH_TOKEN_BYTES: usize = 1_300;
const HOST: &str = "login.microsoftonline.com";

/// A client with room for everything, and with an authority that is never asked.
pub fn client() -> ConfidentialClient {
    client_of(&format!("https://{HOST}"))
}

/// A client of the token service at `host`.
pub fn client_of(host: &str) -> ConfidentialClient {
    client_with(host, 4 * 1024 * 1024 * 1024)
}

/// A client whose caches may take so many bytes each.
pub fn client_with(host: &str, limit: u64) -> ConfidentialClient {
    let config = EntraConfig::new(host.parse().unwrap(), TENANT, CLIENT, ClientCredential::secret("s3cret"));
    ConfidentialClient::builder(config).memory_limit_bytes(limit).build().unwrap()
}

fn tenant(at: usize) -> String {
    if at == 0 { TENANT.to_owned() } else { format!("{at:08x}-0000-4000-8000-000000000002") }
}

/// As many tenants, the client's own first.
pub fn tenants(count: usize) -> Vec<String> {
    (0..count).map(tenant).collect()
}

/// A client with a token of its own for each tenant.
pub fn with_app_tokens(tenants: &[String]) -> ConfidentialClient {
    let client = client();
    for tenants in tenants.chunks(10_000) {
        client.import_msal_cache(app_tokens(tenants)).unwrap();
    }
    client
}

/// A cache document with a token for each tenant.
pub fn app_tokens(tenants: &[String]) -> String {
    document(tenants.iter().map(|tenant| access_token("", tenant, GRAPH)), []).to_string()
}

/// A client with a token of each user, granted as Entra grants it: with more than was asked for.
pub fn with_accounts(count: usize) -> (ConfidentialClient, Vec<Account>) {
    let (client, homes) = (client(), homes(count));
    for homes in homes.chunks(10_000) {
        client.import_msal_cache(user_tokens(homes)).unwrap();
    }
    (client, homes.into_iter().map(account).collect())
}

/// Home account ids of as many users.
pub fn homes(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("{at:08x}-0000-4000-8000-00000000000a.{TENANT}")).collect()
}

/// A user by the home account id.
pub fn account(home: String) -> Account {
    Account { home_account_id: home, tenant_id: TENANT.into(), username: "alice@contoso.test".into() }
}

/// A cache document with a token for each user.
pub fn user_tokens(homes: &[String]) -> String {
    let tokens = homes.iter().map(|home| access_token(home, TENANT, "User.Read profile openid email"));
    let accounts = homes.iter().map(|home| (format!("{home}-{HOST}-{TENANT}"), account_entry(home)));
    document(tokens, accounts).to_string()
}

/// A user's entry among the accounts of a document.
pub fn account_entry(home: &str) -> Value {
    json!({
        "home_account_id": home, "environment": HOST, "realm": TENANT, "authority_type": "MSSTS",
        "local_account_id": &home[..36], "username": "alice@contoso.test",
    })
}

/// As [`user_tokens`], with the refresh token that a sign-in brings along.
pub fn signed_in(homes: &[String]) -> String {
    let mut document: Value = serde_json::from_str(&user_tokens(homes)).unwrap();
    let tokens = homes.iter().map(|home| {
        let entry = json!({
            "credential_type": "RefreshToken", "home_account_id": home, "environment": HOST, "client_id": CLIENT,
            "secret": home.clone() + &"r".repeat(REFRESH_TOKEN_BYTES - home.len()), "target": "User.Read profile openid email",
        });
        (format!("{home}-{HOST}-refreshtoken-{CLIENT}--"), entry)
    });
    document["RefreshToken"] = tokens.collect::<Map<_, _>>().into();
    document.to_string()
}

/// The cache that MSAL Python writes for as many users, compact: refresh and ID token and account of each, and a token for
/// each of so many APIs, as long as Entra's.
pub fn whole_cache(users: usize, apis: usize) -> String {
    let now = SystemClock.now().as_second();
    let text = |kind: &str, user: usize, bytes: usize| format!("{kind}{user:08}{}", "x".repeat(bytes - 10));
    let mut sections: [Map<String, Value>; 5] = Default::default();
    for user in 0..users {
        let id = format!("{user:08x}-bbbb-4ccc-8ddd-eeeeeeeeeeee");
        let home = format!("{id}.{TENANT}");
        let [access_tokens, accounts, id_tokens, refresh_tokens, _] = &mut sections;
        let others = (1..apis).map(|api| format!("api://res{api}/.default"));
        for target in std::iter::once("User.Read openid profile".to_owned()).chain(others) {
            let key = format!("{home}-{HOST}-accesstoken-{CLIENT}-{TENANT}-{}", target.to_lowercase());
            access_tokens.insert(key, json!({
                "credential_type": "AccessToken", "secret": text("at", user, TOKEN_BYTES), "home_account_id": home,
                "environment": HOST, "client_id": CLIENT, "target": target, "realm": TENANT,
                "token_type": "Bearer", "cached_at": now.to_string(), "expires_on": (now + 3599).to_string(),
                "extended_expires_on": (now + 3599).to_string(),
            }));
        }
        refresh_tokens.insert(format!("{home}-{HOST}-refreshtoken-{CLIENT}--user.read openid profile"), json!({
            "credential_type": "RefreshToken", "secret": text("rt", user, REFRESH_TOKEN_BYTES), "home_account_id": home,
            "environment": HOST, "client_id": CLIENT, "target": "User.Read openid profile",
            "last_modification_time": now.to_string(),
        }));
        id_tokens.insert(format!("{home}-{HOST}-idtoken-{CLIENT}-{TENANT}-"), json!({
            "credential_type": "IdToken", "secret": text("it", user, 1200), "home_account_id": home,
            "environment": HOST, "realm": TENANT, "client_id": CLIENT,
        }));
        accounts.insert(format!("{home}-{HOST}-{TENANT}"), json!({
            "home_account_id": home, "environment": HOST, "realm": TENANT, "local_account_id": id,
            "username": format!("user{user}@contoso.test"), "authority_type": "MSSTS",
            "account_source": "authorization_code",
        }));
    }
    let metadata = json!({ "client_id": CLIENT, "environment": HOST });
    sections[4].insert(format!("appmetadata-{HOST}-{CLIENT}"), metadata);
    let names = ["AccessToken", "Account", "IdToken", "RefreshToken", "AppMetadata"];
    let root: Map<_, _> = names.into_iter().zip(sections).map(|(name, section)| (name.to_owned(), section.into())).collect();
    Value::Object(root).to_string()
}

/// CPU time of so many imports of a [`whole_cache`], each into a cache that does not know its users; without that of reading
/// the clock, which takes nearly half a microsecond.
pub fn imports(users: usize, apis: usize, rounds: u64) -> Duration {
    let (client, document, mut took, mut clock) =
        (client(), whole_cache(users, apis), Duration::ZERO, Duration::ZERO);
    for _ in 0..rounds {
        clock += ThreadTime::now().elapsed();
        let begun = ThreadTime::now();
        let imported = client.import_msal_cache(&document).unwrap();
        took += begun.elapsed();
        assert_eq!((imported.accounts.len(), imported.access_tokens), (users, users * apis));
        imported.accounts.iter().for_each(|account| client.remove_account(account));
    }
    took.saturating_sub(clock)
}

/// A client of the token service at `host` with a token on behalf of each user.
pub async fn with_assertions(host: &str, count: usize) -> (ConfidentialClient, Vec<UserAssertion>) {
    let (client, scopes) = (client_of(host), Scopes::from(USER_SCOPES));
    let ends = SystemClock.now() + SignedDuration::from_hours(1);
    let assertions: Vec<_> = (0..count).map(|user| UserAssertion::new(incoming(user), ends)).collect();
    for chunk in assertions.chunks(64) {
        let asked: Vec<_> = chunk
            .iter()
            .map(|assertion| tokio::spawn(client.acquire_token_on_behalf_of(assertion, &scopes).into_future()))
            .collect();
        for one in asked {
            one.await.unwrap().unwrap();
        }
    }
    (client, assertions)
}

/// The text of a user's incoming token; no two alike.
pub fn incoming(user: usize) -> String {
    let start = format!("{user:08}.");
    format!("{start}{}", "a".repeat(ASSERTION_BYTES - start.len()))
}

fn access_token(home: &str, tenant: &str, scopes: &str) -> (String, Value) {
    let now = SystemClock.now().as_second();
    let text = format!("{home}{tenant}");
    let entry = json!({
        "credential_type": "AccessToken", "home_account_id": home, "environment": HOST, "client_id": CLIENT,
        "realm": tenant, "target": scopes, "token_type": "Bearer", "secret": text.clone() + &"x".repeat(TOKEN_BYTES - text.len()),
        "cached_at": now.to_string(), "expires_on": (now + 3_599).to_string(), "extended_expires_on": (now + 3_599).to_string(),
    });
    (format!("{home}-{HOST}-accesstoken-{CLIENT}-{tenant}-{}", scopes.to_lowercase()), entry)
}

fn document(
    tokens: impl IntoIterator<Item = (String, Value)>,
    accounts: impl IntoIterator<Item = (String, Value)>,
) -> Value {
    json!({ "AccessToken": tokens.into_iter().collect::<Map<_, _>>(), "Account": accounts.into_iter().collect::<Map<_, _>>() })
}

fn token_body() -> String {
    let answer = json!({
        "token_type": "Bearer", "expires_in": 3599, "access_token": "x".repeat(TOKEN_BYTES),
        "scope": "User.Read profile openid email",
    });
    answer.to_string()
}

/// A token service on loopback that hands out tokens after `pause`.
pub fn start_sts(pause: Duration) -> String {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            use actix_web::{App, HttpResponse, HttpServer, web};
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let host = format!("http://{}", listener.local_addr().unwrap());
            tell.send(host.clone()).unwrap();
            let document = move |path: web::Path<String>| {
                let (host, tenant) = (host.clone(), path.into_inner());
                async move {
                    HttpResponse::Ok().json(json!({
                        "issuer": format!("{host}/{tenant}/v2.0"), "authorization_endpoint": format!("{host}/authorize"),
                        "token_endpoint": format!("{host}/token"), "jwks_uri": format!("{host}/keys"),
                    }))
                }
            };
            let token = move || async move {
                actix_web::rt::time::sleep(pause).await;
                HttpResponse::Ok().content_type("application/json").body(token_body())
            };
            let app = move || {
                App::new()
                    .route("/token", web::post().to(token))
                    .route("/{tenant}/v2.0/.well-known/openid-configuration", web::get().to(document.clone()))
            };
            HttpServer::new(app).workers(1).listen(listener).unwrap().run().await.unwrap();
        });
    });
    told.recv().unwrap()
}

#[derive(Debug)]
struct Canned;

#[async_trait::async_trait]
impl HttpClient for Canned {
    async fn execute_request(&self, _: &Request) -> azure_core::Result<AsyncRawResponse> {
        Ok(AsyncRawResponse::from_bytes(StatusCode::Ok, Headers::default(), token_body().into_bytes()))
    }
}

/// The credential of `azure_identity`, with a token service that is a constant.
pub fn azure_identity() -> Arc<ClientSecretCredential> {
    let client_options = ClientOptions { transport: Some(Transport::new(Arc::new(Canned))), ..Default::default() };
    let options = ClientSecretCredentialOptions { client_options };
    ClientSecretCredential::new(TENANT, CLIENT.into(), "s3cret".to_owned().into(), Some(options)).unwrap()
}

/// The next of `count` places, far from the last: caches of the processor shall not help more than they do in life.
pub fn next(at: usize, count: usize) -> usize {
    (at + 7_919) % count
}

/// When the tokens that are handed out now end.
pub fn in_an_hour() -> Timestamp {
    SystemClock.now() + SignedDuration::from_hours(1)
}

/// Time of the CPU in this thread in place of that on the wall: what else the machine does then hardly matters.
#[derive(Debug)]
pub struct CpuTime;

impl Measurement for CpuTime {
    type Intermediate = ThreadTime;
    type Value = Duration;

    fn start(&self) -> ThreadTime {
        ThreadTime::now()
    }

    fn end(&self, started: ThreadTime) -> Duration {
        started.elapsed()
    }

    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        *one + *other
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        value.as_nanos() as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}
