//! 100 users in Redis, and 100,000: what a lookup costs, and what each user and each on-behalf-of entry takes.

use std::time::{Duration, Instant};

use bench::{USER_SCOPES, next};
use jiff::SignedDuration;
use shared_auth::{Account, Clock, Scopes, SystemClock, TokenSource, UserAssertion};

use super::rates::{look, median};
use super::server::Server;

const FEW: usize = 100;
const MANY: usize = 100_000;
const LOOKUPS: usize = 5_000;
const ASSERTIONS: usize = 500;
const NOBODY_ASKED: &str = "https://login.microsoftonline.com";

/// Puts tokens of as many users there, as a sign-in does: one access token each, one refresh token.
pub async fn fill(server: &Server, users: usize) -> Vec<Account> {
    let (client, homes) = (server.client(NOBODY_ASKED, 4 * 1024 * 1024 * 1024), bench::homes(users));
    for (chunk, homes) in homes.chunks(250).enumerate() {
        client.import_msal_cache(bench::signed_in(homes)).unwrap();
        // A hash and an index for each.
        let wanted = 2 * (chunk * 250 + homes.len());
        let started = Instant::now();
        while server.ask::<usize>(&["DBSIZE"]).await < wanted {
            assert!(started.elapsed() < Duration::from_secs(20), "not all of them arrive");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    homes.into_iter().map(bench::account).collect()
}

pub async fn keys(server: &Server, pattern: &str) -> Vec<String> {
    let mut keys: Vec<String> = server.ask(&["KEYS", pattern]).await;
    keys.sort_unstable();
    keys
}

pub async fn report(server: &Server) {
    let accounts = fill(server, FEW).await;
    let few = cost(server, &accounts).await;
    let accounts = fill(server, MANY).await;
    let many = cost(server, &accounts).await;
    println!("\n{:<20}{:>20}{:>22}", "users in Redis", "commands a lookup", "microseconds a lookup");
    for (users, (commands, time)) in [(FEW, few), (MANY, many)] {
        println!("{users:<20}{commands:>20.2}{time:>22.1}");
    }
    println!("time of the second by that of the first: {:.2}", many.1 / few.1);

    println!("\nbytes in Redis (MEMORY USAGE), tokens of {} bytes", bench::TOKEN_BYTES);
    let user = memory(server, "auth:*:p:*").await + memory(server, "auth:*:u:*").await;
    println!("{:<44}{user:>8.0}", "a signed-in user, refresh token included");
    let _: String = server.ask(&["FLUSHALL"]).await;
    on_behalf(server).await;
    println!("{:<44}{:>8.0}", "an on-behalf-of entry", memory(server, "auth:*:p:*").await);
    println!("{:<44}{:>8.0}", "a user's list of such entries, each", memory(server, "auth:*:u:*").await);
}

/// Commands for each lookup as the server counts them, and its time.
async fn cost(server: &Server, accounts: &[Account]) -> (f64, f64) {
    let client = server.client(NOBODY_ASKED, 1);
    look(&client, &accounts[0]).await;
    let (mut at, mut times, before) = (0, Vec::new(), server.calls("hgetall").await.1);
    for _ in 0..LOOKUPS {
        at = next(at, accounts.len());
        let started = Instant::now();
        look(&client, &accounts[at]).await;
        times.push(started.elapsed().as_secs_f64() * 1e6);
    }
    let commands = server.calls("hgetall").await.1 - before;
    (commands as f64 / LOOKUPS as f64, median(times.into_iter()))
}

async fn on_behalf(server: &Server) {
    let client = server.client(&bench::start_sts(Duration::ZERO), 64 * 1024 * 1024);
    let ends = SystemClock.now() + SignedDuration::from_hours(1);
    for user in 0..ASSERTIONS {
        let assertion = UserAssertion::new(bench::incoming(user), ends);
        let token = client.acquire_token_on_behalf_of(&assertion, Scopes::from(USER_SCOPES)).await.unwrap();
        assert_eq!(token.source, TokenSource::IdentityProvider);
    }
}

/// The average of the keys, from up to 200 of them; 0 where there are none.
async fn memory(server: &Server, pattern: &str) -> f64 {
    let (keys, mut sum, mut count) = (keys(server, pattern).await, 0, 0);
    for key in keys.iter().step_by((keys.len() / 200).max(1)) {
        sum += server.ask::<usize>(&["MEMORY", "USAGE", key, "SAMPLES", "0"]).await;
        count += 1;
    }
    sum as f64 / f64::from(count.max(1))
}
