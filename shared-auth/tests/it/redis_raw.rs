//! Everything that the whole chain sends to Redis, read raw: what lies there, and what only passed (leases, notices, what was
//! replaced or removed since). Nothing of it says who it is about, and everything ends by itself.

use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use deadpool_redis::redis::cmd;
use shared_auth::UserAssertion;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::background::{Greetings, caller, outcome, worker};
use crate::redis_server::{RedisServer, cache, replica, within_a_second};
use crate::redis_sessions::{Browser, Replica, routes, start};
use crate::support::{API, DAEMON, GRAPH_DEFAULT, OTHER_API, WEB_APP, access_as_user, sign_in};

/// Every command that the server is sent, with its arguments, as the server itself tells.
struct Overheard(Arc<Mutex<Vec<u8>>>);

impl Overheard {
    async fn begin(redis: &RedisServer) -> Self {
        let mut connection = TcpStream::connect(redis.address()).await.unwrap();
        connection.write_all(b"MONITOR\r\n").await.unwrap();
        let all = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&all);
        tokio::spawn(async move {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(length @ 1..) = connection.read(&mut buffer).await {
                heard.lock().unwrap().extend_from_slice(&buffer[..length]);
            }
        });
        let this = Self(all);
        within_a_second("the server tells", || async { this.text().starts_with("+OK") }).await;
        this
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

/// Every key that is there now has an end.
async fn everything_ends(redis: &RedisServer) {
    let mut connection = redis.connection().await;
    let keys: Vec<Vec<u8>> = cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
    assert!(!keys.is_empty());
    for key in keys {
        let left: i64 = cmd("PTTL").arg(&key).query_async(&mut connection).await.unwrap();
        // -2: it ended since.
        assert!(left >= 0 || left == -2, "{} has no end", String::from_utf8_lossy(&key));
    }
}

/// Checklist 97.
#[tokio::test]
async fn whatever_the_whole_chain_writes_to_redis_tells_nothing_and_ends() {
    let (lab, redis, clock) = start().await;
    let overheard = Overheard::begin(&redis).await;
    let mut secrets = Vec::new();

    // The web app: a session, a sign-in, the token for the API, a renewal.
    let site = Replica::start(routes(&lab, &redis, &clock)).await;
    let mut browser = Browser::default();
    site.get(&mut browser, "/auth/sign-in").await;
    secrets.extend(browser.cookies.values().cloned());
    everything_ends(&redis).await;
    site.sign_in(&mut browser, "alice").await;
    let csrf = site.get(&mut browser, "/hello").await.body.split('|').nth(1).unwrap().to_owned();
    secrets.extend([browser.session().unwrap(), csrf]);
    let web_app = replica(&lab, WEB_APP, &redis);
    let signed_in = sign_in(&web_app, "alice", &format!("{} User.Read", access_as_user())).await;
    let (account, mine) = (signed_in.account, signed_in.result);
    let renewed = web_app.acquire_token_silent(&account, access_as_user()).force_refresh().await.unwrap();
    everything_ends(&redis).await;

    // The API: on behalf of the user, for as long as the request lasts and for longer; and work in the background.
    let assertion = UserAssertion::new(mine.access_token.expose_secret(), mine.expires_at);
    let (one, other) = (replica(&lab, API, &redis), replica(&lab, API, &redis));
    let obo = one.acquire_token_on_behalf_of(&assertion, "User.Read").await.unwrap();
    other.acquire_token_on_behalf_of(&assertion, "User.Read").force_refresh().await.unwrap();
    let (long, handle) = one.initiate_long_running_on_behalf_of(&assertion, "Mail.Read").await.unwrap();
    let greetings = Greetings::new("greetings", &one).shared(cache(&redis));
    let alice = caller(&lab, "alice").await;
    let task = greetings.accept(&alice, "User.Read", &"Good morning".to_owned()).await.unwrap();
    everything_ends(&redis).await;
    let working = worker(&lab, &other, &greetings);
    outcome(&greetings, &alice, &task).await;
    everything_ends(&redis).await;
    working.abort();

    // A service, and the end: the user signs out, everywhere.
    let app = replica(&lab, DAEMON, &redis).acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();
    let before_the_end = redis.everything().await;
    web_app.remove_account(&account);
    one.remove_account(&account);
    one.stop_long_running_process(&handle);
    within_a_second("the removals are there", || async { overheard.text().matches("PUBLISH").count() > 4 })
        .await;
    everything_ends(&redis).await;

    let (text, at_the_end) = (overheard.text(), redis.everything().await);
    for kind in [":p:{", ":u:", ":l:{", ":s:", ":w:greetings}:due", ":w:greetings}:r:", ":changes"] {
        assert!(text.contains(kind), "{kind} was not written, so nothing was seen");
    }
    for token in [&mine, &renewed, &obo, &long] {
        secrets.push(token.access_token.expose_secret().to_owned());
    }
    secrets.push(app.access_token.expose_secret().to_owned());
    secrets.push(task.to_string());
    let (object_id, tenant) = account.home_account_id.split_once('.').unwrap();
    let known = [
        "alice",
        "Alice",
        "contoso",
        "@contoso",
        "Good morning",
        "User.Read",
        "Mail.Read",
        "access_as_user",
        "graph.microsoft",
        "eyJ0eXAi",
        "eyJhbGci",
        "expires_at",
        "refresh_token",
        "verifier",
        "csrf",
        object_id,
        tenant,
        WEB_APP,
        API,
        DAEMON,
        OTHER_API,
    ];
    let encoded = ["alice@contoso.test", "Alice Kim"]
        .map(|name| [STANDARD_NO_PAD.encode(name), URL_SAFE_NO_PAD.encode(name)]);
    let pieces = secrets.iter().flat_map(|secret| {
        // A token is not there in parts either: its beginning, its middle, its end.
        let (length, middle) = (secret.len(), secret.len() / 2);
        [
            &secret[..length.min(20)],
            &secret[middle..(middle + 20).min(length)],
            &secret[length.saturating_sub(20)..],
        ]
    });
    let telling =
        known.into_iter().chain(pieces).chain(encoded.iter().flatten().map(|name| &name[..name.len() - 1]));
    for telling in telling {
        assert!(!text.contains(telling), "{telling} was sent to Redis");
        for bytes in before_the_end.iter().chain(&at_the_end) {
            let found = bytes.windows(telling.len()).any(|window| window == telling.as_bytes());
            assert!(!found, "{telling} lies in Redis");
        }
    }
}
