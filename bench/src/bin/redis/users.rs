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

pub async fn report() {
    let (few, many) = (Server::start().await, Server::start().await);
    let (of_few, of_many) = (fill(&few, FEW).await, fill(&many, MANY).await);
    let (one, other) = (few.client(NOBODY_ASKED, 1), many.client(NOBODY_ASKED, 1));
    look(&one, &of_few[0]).await;
    look(&other, &of_many[0]).await;
    let before = [few.calls("").await.1, many.calls("").await.1];
    let (mut times, mut at) = ([Vec::new(), Vec::new()], [0, 0]);
    for _ in 0..LOOKUPS {
        // In turn, so that what else the machine does hits both.
        at = [next(at[0], FEW), next(at[1], MANY)];
        times[0].push(timed(look(&one, &of_few[at[0]])).await);
        times[1].push(timed(look(&other, &of_many[at[1]])).await);
    }
    let after = [few.calls("").await.1, many.calls("").await.1];
    let medians = times.map(|times| median(times.into_iter()));
    println!("\n{:<20}{:>20}{:>22}", "users in Redis", "commands a lookup", "microseconds a lookup");
    for (place, users) in [FEW, MANY].into_iter().enumerate() {
        let commands = (after[place] - before[place]) as f64 / LOOKUPS as f64;
        println!("{users:<20}{commands:>20.2}{:>22.1}", medians[place]);
    }
    println!("time of the second by that of the first: {:.2}", medians[1] / medians[0]);

    println!("\nbytes in Redis (MEMORY USAGE), access tokens of {} bytes", bench::TOKEN_BYTES);
    let user = memory(&many, "auth:*:p:*").await + memory(&many, "auth:*:u:*").await;
    println!("{:<44}{user:>8.0}", "a signed-in user, refresh token included");
    let _: String = few.ask(&["FLUSHALL"]).await;
    on_behalf(&few).await;
    println!("{:<44}{:>8.0}", "an on-behalf-of entry", memory(&few, "auth:*:p:*").await);
}

/// Microseconds until it is done.
async fn timed(call: impl Future<Output = ()>) -> f64 {
    let started = Instant::now();
    call.await;
    started.elapsed().as_secs_f64() * 1e6
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
