//! Sessions in Redis: replicas know each other's, nobody can read them, and losing them is no error.

use std::net::TcpListener;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer, web};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use deadpool_redis::redis::cmd;
use entra_lab::EntraLab;
use jiff::SignedDuration;
use shared_auth::ManualClock;
use shared_auth::actix::{PageError, SignInOptions, SignInRoutes, SignedInUser};

use crate::redis_server::{RedisServer, cache, within_a_second};
use crate::support::{Person, WEB_APP, access_as_user, now, registration};

/// Signs users in; replicas share a Redis and the key of the cookie.
pub fn routes(lab: &EntraLab, redis: &RedisServer, clock: &ManualClock) -> SignInRoutes {
    let cache = cache(redis);
    let client = shared_auth::ConfidentialClient::builder(registration(lab, WEB_APP))
        .shared_cache(cache.clone())
        .clock(std::sync::Arc::new(clock.clone()))
        .build()
        .unwrap();
    let options = SignInOptions {
        public_url: "http://localhost:3000".parse().unwrap(),
        scopes: access_as_user().into(),
        session_key: STANDARD.encode([7; 64]).parse().unwrap(),
        render_failure: |failure, _| format!("PAGE {} {}", failure.status, failure.title),
    };
    SignInRoutes::new(client, options).with_redis(cache)
}

/// A replica of the app, listening.
pub struct Replica {
    url: String,
    server: ServerHandle,
    http: reqwest::Client,
}

impl Replica {
    pub async fn start(routes: SignInRoutes) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = HttpServer::new(move || {
            App::new()
                .configure(|app| routes.routes(app))
                .route("/", web::get().to(home))
                .route("/hello", web::get().to(hello))
                .wrap(routes.failures())
                .wrap(routes.sessions())
        });
        let server = server.workers(1).disable_signals().listen(listener).unwrap().run();
        let handle = server.handle();
        tokio::spawn(server);
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        Self { url, server: handle, http: http.timeout(Duration::from_secs(5)).build().unwrap() }
    }

    /// Asks as `browser` and keeps the cookie that comes back.
    pub async fn get(&self, browser: &mut Browser, path: &str) -> Answer {
        self.send(browser, self.http.get(format!("{}{path}", self.url))).await
    }

    async fn send(&self, browser: &mut Browser, request: reqwest::RequestBuilder) -> Answer {
        let cookies: Vec<_> = browser.cookies.values().cloned().collect();
        let request = if cookies.is_empty() { request } else { request.header("cookie", cookies.join("; ")) };
        let answer = request.send().await.unwrap();
        for cookie in answer.headers().get_all("set-cookie") {
            let (cookie, gone) = (cookie.to_str().unwrap(), cookie.to_str().unwrap().contains("Max-Age=0"));
            let cookie = cookie.split(';').next().unwrap();
            let (name, value) = cookie.split_once('=').unwrap();
            if gone {
                browser.cookies.remove(name);
                continue;
            }
            entra_lab::scan::secret(value);
            browser.cookies.insert(name.to_owned(), cookie.to_owned());
        }
        let location = answer.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
        Answer { status: answer.status().as_u16(), location, body: answer.text().await.unwrap() }
    }

    pub async fn sign_in(&self, browser: &mut Browser, user: &str) {
        let to_entra = self.get(browser, "/auth/sign-in?return_to=/hello").await.location.unwrap();
        let back = Person::default().sign_in(&to_entra, user).await;
        let done = self.get(browser, &format!("/signin-oidc?{back}")).await;
        assert_eq!((done.status, done.location.as_deref()), (303, Some("/hello")), "{}", done.body);
    }

    async fn stop(self) {
        self.server.stop(false).await;
    }
}

#[derive(Default, Clone)]
pub struct Browser {
    pub cookies: std::collections::BTreeMap<String, String>,
}

impl Browser {
    pub fn session(&self) -> Option<String> {
        self.cookies.get("session").cloned()
    }
}

#[derive(Debug)]
pub struct Answer {
    status: u16,
    location: Option<String>,
    pub body: String,
}

async fn home(user: Option<SignedInUser>) -> String {
    user.map_or("nobody".to_owned(), |user| user.name().to_owned())
}

async fn hello(user: SignedInUser) -> Result<String, PageError> {
    user.acquire_token(&access_as_user().into()).await?;
    Ok(format!("{}|{}", user.name(), user.csrf_token()))
}

pub async fn start() -> (EntraLab, RedisServer, ManualClock) {
    (EntraLab::start().await.unwrap(), RedisServer::start().await, ManualClock::at(now()))
}

#[tokio::test]
async fn who_signed_in_at_one_replica_is_signed_in_at_the_other_and_stays_so_when_the_first_dies() {
    let (lab, redis, clock) = start().await;
    let one = Replica::start(routes(&lab, &redis, &clock)).await;
    let other = Replica::start(routes(&lab, &redis, &clock)).await;
    let (mut alice, mut bob) = (Browser::default(), Browser::default());

    // Begun here, finished there.
    let to_entra = one.get(&mut alice, "/auth/sign-in").await.location.unwrap();
    let back = Person::default().sign_in(&to_entra, "alice").await;
    let before = alice.session();
    assert_eq!(other.get(&mut alice, &format!("/signin-oidc?{back}")).await.status, 303);
    assert_ne!(alice.session(), before, "a new id at the sign-in");
    one.sign_in(&mut bob, "bob").await;

    for _ in 0..3 {
        assert!(one.get(&mut alice, "/hello").await.body.starts_with("Alice Kim"));
        assert!(other.get(&mut bob, "/hello").await.body.starts_with("Bob Novak"));
    }
    one.stop().await;
    assert!(other.get(&mut alice, "/hello").await.body.starts_with("Alice Kim"));

    let all = redis.everything().await;
    for telling in ["eyJ", "alice", "Alice", "Novak", "csrf", "contoso", "verifier"] {
        let found = all.iter().any(|text| text.windows(telling.len()).any(|part| part == telling.as_bytes()));
        assert!(!found, "{telling}");
    }
    let id = alice.session().unwrap();
    let id = &id.split('=').nth(1).unwrap()[44..];
    assert!(
        !all.iter().any(|text| text.windows(20).any(|part| id.as_bytes().starts_with(part))),
        "no id in a key"
    );
}

/// Checklist 73.
#[tokio::test]
async fn signing_out_at_one_replica_ends_the_session_at_all_of_them() {
    let (lab, redis, clock) = start().await;
    let one = Replica::start(routes(&lab, &redis, &clock)).await;
    let other = Replica::start(routes(&lab, &redis, &clock)).await;
    let mut alice = Browser::default();
    one.sign_in(&mut alice, "alice").await;
    let csrf = other.get(&mut alice, "/hello").await.body.split('|').nth(1).unwrap().to_owned();
    let mut copied = alice.clone();

    let form = other.http.post(format!("{}/auth/sign-out", other.url)).form(&[("csrf_token", csrf)]);
    assert_eq!(other.send(&mut alice, form).await.status, 303);

    assert_eq!(one.get(&mut copied, "/").await.body, "nobody", "a copy of the cookie is worth nothing");
    within_a_second("no session is left", || async {
        redis.command::<Vec<String>>(&["KEYS", "auth:*:s:*"]).await.iter().all(|key| key.ends_with(":ready"))
    })
    .await;
}

/// Checklist 80.
#[tokio::test]
async fn a_session_that_was_lost_or_tampered_with_leads_to_a_sign_in() {
    let (lab, redis, clock) = start().await;
    let app = Replica::start(routes(&lab, &redis, &clock)).await;
    let (mut alice, mut bob) = (Browser::default(), Browser::default());
    app.sign_in(&mut alice, "alice").await;
    let sessions = async || {
        let mut keys: Vec<String> = redis.command(&["KEYS", "auth:*:s:*"]).await;
        keys.retain(|key| !key.ends_with(":ready"));
        keys
    };
    let of_alice = sessions().await.remove(0);
    app.sign_in(&mut bob, "bob").await;
    let of_bob = sessions().await.into_iter().find(|key| *key != of_alice).unwrap();

    let mut connection = redis.connection().await;
    let value: Vec<u8> = cmd("GET").arg(&of_bob).query_async(&mut connection).await.unwrap();
    for forged in [value.clone(), value[..40].to_vec(), b"{}".to_vec(), vec![]] {
        let () = cmd("SET").arg(&of_alice).arg(forged).query_async(&mut connection).await.unwrap();
        assert_eq!(app.get(&mut alice.clone(), "/").await.body, "nobody");
        let answer = app.get(&mut alice.clone(), "/hello").await;
        assert!(answer.status == 303 && answer.location.unwrap().starts_with("/auth/sign-in?"));
    }
    let _: String = redis.command(&["FLUSHALL"]).await;
    let answer = app.get(&mut alice, "/hello").await;
    assert!(answer.status == 303 && answer.location.unwrap().starts_with("/auth/sign-in?"));
    app.sign_in(&mut alice, "alice").await;
    assert!(app.get(&mut alice, "/hello").await.body.starts_with("Alice Kim"));
}

#[tokio::test]
async fn a_cookie_with_an_empty_token_cache_leads_to_a_sign_in_for_the_same_user() {
    let (lab, redis, clock) = start().await;
    let app = Replica::start(routes(&lab, &redis, &clock)).await;
    let mut alice = Browser::default();
    app.sign_in(&mut alice, "alice").await;
    let partitions: Vec<String> = redis.command(&["KEYS", "auth:*:p:*"]).await;
    for key in partitions {
        let _: i64 = redis.command(&["DEL", &key]).await;
    }

    let other = Replica::start(routes(&lab, &redis, &clock)).await;
    let answer = other.get(&mut alice, "/hello").await;
    assert_eq!(answer.status, 303, "{}", answer.body);
    let to_entra = other.get(&mut alice, &answer.location.unwrap()).await.location.unwrap();
    assert!(to_entra.contains("login_hint=alice"), "{to_entra}");
}

#[tokio::test]
async fn whoever_lost_a_session_or_its_tokens_is_signed_in_again_without_a_question() {
    let (lab, redis, clock) = start().await;
    let (mut person, mut alice) = (Person::default(), Browser::default());
    let first = Replica::start(routes(&lab, &redis, &clock)).await;
    let to_entra = first.get(&mut alice, "/auth/sign-in?return_to=/hello").await.location.unwrap();
    let back = person.sign_in(&to_entra, "alice").await;
    assert_eq!(first.get(&mut alice, &format!("/signin-oidc?{back}")).await.status, 303);

    for lost in ["auth:*:p:*", "auth:*:s:*", "*"] {
        let keys: Vec<String> = redis.command(&["KEYS", lost]).await;
        assert!(!keys.is_empty(), "{lost}");
        for key in keys {
            let _: i64 = redis.command(&["DEL", &key]).await;
        }
        // Nothing in memory either.
        let app = Replica::start(routes(&lab, &redis, &clock)).await;

        let again = app.get(&mut alice, "/hello").await;
        assert_eq!(again.status, 303, "{lost}: no error page but the way to Entra: {}", again.body);
        let to_entra = app.get(&mut alice, &again.location.unwrap()).await.location.unwrap();
        assert!(to_entra.contains("login_hint=alice"), "{lost}: {to_entra}");
        assert!(!to_entra.contains("prompt="), "{lost}: {to_entra}");
        let back = person.silently(&to_entra).await.unwrap_or_else(|| panic!("{lost}: a page asks"));
        let done = app.get(&mut alice, &format!("/signin-oidc?{back}")).await;
        assert_eq!((done.status, done.location.as_deref()), (303, Some("/hello")), "{lost}: {}", done.body);
        assert!(app.get(&mut alice, "/hello").await.body.starts_with("Alice Kim"), "{lost}");
    }
}

#[tokio::test]
async fn while_redis_is_away_pages_for_everybody_go_on_and_nobody_is_signed_out() {
    let (lab, redis, clock) = start().await;
    let app = Replica::start(routes(&lab, &redis, &clock)).await;
    let (mut alice, mut nobody) = (Browser::default(), Browser::default());
    app.sign_in(&mut alice, "alice").await;
    let csrf = app.get(&mut alice, "/hello").await.body.split('|').nth(1).unwrap().to_owned();

    redis.pause();
    for _ in 0..8 {
        let home = app.get(&mut alice, "/").await;
        assert_eq!((home.status, home.body.as_str()), (200, "nobody"));
        let first = app.get(&mut nobody, "/auth/sign-in").await;
        assert_eq!((first.status, &first.body[..8]), (503, "PAGE 503"));
        for path in ["/hello", "/auth/sign-in", "/signin-oidc?code=a&state=b"] {
            let answer = app.get(&mut alice, path).await;
            assert!(answer.status == 503 && answer.body.starts_with("PAGE 503"), "{path}: {answer:?}");
        }
        let form = app.http.post(format!("{}/auth/sign-out", app.url)).form(&[("csrf_token", &csrf)]);
        assert_eq!(app.send(&mut alice, form).await.status, 503, "nobody is told that they signed out");
    }
    redis.resume();

    let started = tokio::time::Instant::now();
    while !app.get(&mut alice, "/hello").await.body.starts_with("Alice Kim") {
        assert!(started.elapsed() < Duration::from_secs(5), "still away");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_session_ends_a_day_after_the_sign_in_however_much_it_is_used() {
    let (lab, redis, clock) = start().await;
    let app = Replica::start(routes(&lab, &redis, &clock)).await;
    let mut alice = Browser::default();
    app.sign_in(&mut alice, "alice").await;

    for hour in 0..30 {
        let body = app.get(&mut alice, "/").await.body;
        assert_eq!(body == "Alice Kim", hour < 24, "after {hour} hours");
        clock.advance(SignedDuration::from_hours(1));
    }
}

#[tokio::test]
async fn a_sign_in_under_way_lives_15_minutes_outside_of_the_sessions_and_a_session_8_hours() {
    const MINUTE: i64 = 60_000;
    let (lab, redis, clock) = start().await;
    let app = Replica::start(routes(&lab, &redis, &clock)).await;
    let mut alice = Browser::default();
    // The one session there is, and what is left of its time.
    let session = async || {
        let mut keys: Vec<String> = redis.command(&["KEYS", "auth:*:s:*"]).await;
        keys.retain(|key| !key.ends_with(":ready"));
        assert_eq!(keys.len(), 1);
        let left: i64 = redis.command(&["PTTL", &keys[0]]).await;
        (keys.remove(0), left)
    };

    let to_entra = app.get(&mut alice, "/auth/sign-in").await.location.unwrap();
    let mut waiting: Vec<String> = redis.command(&["KEYS", "auth:*:o:*"]).await;
    assert_eq!(waiting.len(), 1);
    let left: i64 = redis.command(&["PTTL", &waiting.remove(0)]).await;
    assert!((14 * MINUTE..=15 * MINUTE).contains(&left), "{left}");
    let sessions: Vec<String> = redis.command(&["KEYS", "auth:*:s:*"]).await;
    assert!(sessions.iter().all(|key| key.ends_with(":ready")), "nobody has a session yet: {sessions:?}");

    let back = Person::default().sign_in(&to_entra, "alice").await;
    assert_eq!(app.get(&mut alice, &format!("/signin-oidc?{back}")).await.status, 303);
    assert!(redis.command::<Vec<String>>(&["KEYS", "auth:*:o:*"]).await.is_empty(), "it is used up");
    for path in ["/", "/hello", "/"] {
        let (key, left) = session().await;
        assert!((479 * MINUTE..=480 * MINUTE).contains(&left), "{left} before {path}");
        let _: i64 = redis.command(&["PEXPIRE", &key, "60000"]).await;
        assert!(app.get(&mut alice, path).await.body.starts_with("Alice Kim"));
    }
}

#[tokio::test]
async fn a_front_channel_sign_out_at_one_replica_ends_the_session_and_the_tokens_at_all_of_them() {
    let (lab, redis, clock) = start().await;
    let one = Replica::start(routes(&lab, &redis, &clock)).await;
    let other = Replica::start(routes(&lab, &redis, &clock)).await;
    let (mut alice, mut bob) = (Browser::default(), Browser::default());
    let to_entra = one.get(&mut alice, "/auth/sign-in").await.location.unwrap();
    let back = Person::default().sign_in(&to_entra, "alice").await;
    assert_eq!(one.get(&mut alice, &format!("/signin-oidc?{back}")).await.status, 303);
    one.sign_in(&mut bob, "bob").await;
    let sid =
        url::form_urlencoded::parse(back.as_bytes()).find(|(name, _)| name == "session_state").unwrap().1;

    // In a hidden frame: no cookie comes along.
    let answer = other.get(&mut Browser::default(), &format!("/signout-oidc?sid={sid}")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);

    for replica in [&one, &other] {
        assert_eq!(replica.get(&mut alice.clone(), "/").await.body, "nobody");
        let to_entra = replica.get(&mut alice.clone(), "/auth/sign-in").await.location.unwrap();
        assert!(!to_entra.contains("login_hint"), "who signed out is not asked for: {to_entra}");
        assert!(replica.get(&mut bob, "/hello").await.body.starts_with("Bob Novak"));
    }
    let client = shared_auth::ConfidentialClient::builder(registration(&lab, WEB_APP));
    let client = client.shared_cache(cache(&redis)).build().unwrap();
    let account = shared_auth::Account {
        home_account_id: format!("a0000000-0000-4000-8000-00000000000a.{}", lab.tenant_id()),
        tenant_id: lab.tenant_id().to_string(),
        username: String::new(),
    };
    within_a_second("her tokens are gone", || async {
        client.acquire_token_silent(&account, access_as_user()).await.is_err()
    })
    .await;
    let index: Vec<String> = redis.command(&["KEYS", "auth:*:i:*"]).await;
    assert_eq!(index.len(), 1, "Bob's");
    assert!(!index[0].contains(&*sid), "no sid can be read");
    let left: i64 = redis.command(&["PTTL", &index[0]]).await;
    assert!(left > 0, "it ends by itself");
}
