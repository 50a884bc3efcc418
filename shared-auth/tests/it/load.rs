//! Continuous load on replicas that share a Redis, while something happens to it: six things that happen in life.
//!
//! A replica has its own connection and its own memory; from time to time one is replaced by a new one with an empty memory, as in a
//! deployment. So there are hits in memory, lookups in Redis, leases, writes and requests to Entra, which the lab plays.
//! Nobody may be refused, and nobody may wait for longer than [`LONGEST`].

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use entra_lab::EntraLab;
use shared_auth::{ConfidentialClient, KeyRing, RedisCache, TokenSource, UserAssertion};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::redis_server::{Cluster, KEY, RedisServer, Sentinels, replica_with};
use crate::support::{API, GRAPH_DEFAULT, WEB_APP, access_as_user, client, sign_in};

/// Looking, the lease, looking again and writing may each take the limit of 250 ms once, connecting its 2 s, and a busy
/// machine its share. What hangs takes for ever.
pub const LONGEST: Duration = Duration::from_secs(5);
const REPLICAS: usize = 4;
const CALLERS: usize = 2;
/// Requests after which a caller's replica is replaced.
const DEPLOYED_AFTER: usize = 50;
const PAUSE: Duration = Duration::from_millis(5);

/// What became of the requests.
#[derive(Debug, Default)]
pub struct Figures {
    pub requests: usize,
    pub from_entra: usize,
    pub errors: Vec<String>,
    pub longest: Duration,
}

impl Figures {
    fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.from_entra += other.from_entra;
        self.errors.extend(other.errors);
        self.longest = self.longest.max(other.longest);
    }

    /// Everybody was served, in time.
    pub fn check(&self) {
        assert!(self.requests > 100, "that is no load: {self}");
        assert!(self.errors.is_empty(), "{self}: {:?}", self.errors.first());
        assert!(self.longest < LONGEST, "{self}");
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { requests, from_entra, errors, longest } = self;
        let errors = errors.len();
        write!(
            f,
            "{requests:>8} requests {from_entra:>7} of them from Entra {errors:>3} errors, longest wait {longest:?}"
        )
    }
}

/// Callers at work.
struct Load {
    ends: Arc<AtomicBool>,
    callers: Vec<JoinHandle<Figures>>,
    lab: Arc<EntraLab>,
    assertion: UserAssertion,
    url: String,
}

fn cache(url: &str) -> RedisCache {
    RedisCache::connect(url, KEY.parse::<KeyRing>().unwrap()).unwrap()
}

impl Load {
    async fn on(url: &str) -> Self {
        let lab = Arc::new(EntraLab::start().await.unwrap());
        let mut assertions = Vec::new();
        for user in ["alice", "bob", "carol"] {
            let token = sign_in(&client(&lab, WEB_APP), user, &access_as_user()).await.result;
            assertions.push(UserAssertion::new(token.access_token.expose_secret(), token.expires_at));
        }
        let (ends, assertion) = (Arc::new(AtomicBool::new(false)), assertions[0].clone());
        let mut callers = Vec::new();
        for _ in 0..REPLICAS {
            let redis = cache(url);
            for caller in 0..CALLERS {
                let (lab, ends) = (Arc::clone(&lab), Arc::clone(&ends));
                callers.push(tokio::spawn(calls(lab, redis.clone(), assertions.clone(), caller, ends)));
            }
        }
        let load = Self { ends, callers, lab, assertion, url: url.to_owned() };
        load.shared().await; // Warm, and known to work.
        load
    }

    /// Returns when what one new replica gets is found by the next one.
    async fn shared(&self) {
        let started = Instant::now();
        loop {
            let [one, other] = [(); 2].map(|()| replica_with(&self.lab, API, cache(&self.url)));
            one.acquire_token_on_behalf_of(&self.assertion, "User.Read").force_refresh().await.unwrap();
            let found = other.acquire_token_on_behalf_of(&self.assertion, "User.Read").await.unwrap();
            if found.source == TokenSource::Cache {
                return;
            }
            assert!(started.elapsed() < Duration::from_secs(30), "Redis is not shared again");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ends when Redis is shared again and this much time has passed.
    async fn end(self, after: Duration) -> Figures {
        self.shared().await;
        sleep(after).await;
        self.ends.store(true, Ordering::Relaxed);
        let mut figures = Figures::default();
        for caller in self.callers {
            figures.add(caller.await.unwrap());
        }
        figures
    }
}

/// One caller's requests, until told to end.
async fn calls(
    lab: Arc<EntraLab>,
    redis: RedisCache,
    assertions: Vec<UserAssertion>,
    caller: usize,
    ends: Arc<AtomicBool>,
) -> Figures {
    let mut figures = Figures::default();
    let mut replica: Option<ConfidentialClient> = None;
    while !ends.load(Ordering::Relaxed) {
        let number = figures.requests + caller * DEPLOYED_AFTER / CALLERS;
        if number.is_multiple_of(DEPLOYED_AFTER) {
            replica = None;
        }
        let api = replica.get_or_insert_with(|| replica_with(&lab, API, redis.clone()));
        let asked = Instant::now();
        let source = match assertions.get(number % (assertions.len() + 1)) {
            Some(user) => api.acquire_token_on_behalf_of(user, "User.Read").await.map(|token| token.source),
            None => api.acquire_token_for_client(GRAPH_DEFAULT).await.map(|token| token.source),
        };
        figures.longest = figures.longest.max(asked.elapsed());
        figures.requests += 1;
        match source {
            Ok(source) => figures.from_entra += usize::from(source == TokenSource::IdentityProvider),
            Err(error) => figures.errors.push(error.to_string()),
        }
        sleep(PAUSE).await;
    }
    figures
}

/// Killed, and started again after `away`, empty.
pub async fn stopped(away: Duration, after: Duration) -> Figures {
    let mut redis = RedisServer::start().await;
    let load = Load::on(&redis.url()).await;
    redis.stop();
    sleep(away).await;
    redis.start_again().await;
    load.end(after).await
}

/// SIGSTOP, and SIGCONT after `away`.
pub async fn paused(away: Duration, after: Duration) -> Figures {
    let redis = RedisServer::start().await;
    let load = Load::on(&redis.url()).await;
    redis.pause();
    sleep(away).await;
    redis.resume();
    load.end(after).await
}

/// FLUSHALL, again and again for `time`.
pub async fn emptied(time: Duration, after: Duration) -> Figures {
    let redis = RedisServer::start().await;
    let load = Load::on(&redis.url()).await;
    let started = Instant::now();
    while started.elapsed() < time {
        let _: String = redis.command(&["FLUSHALL"]).await;
        sleep(Duration::from_millis(200)).await;
    }
    load.end(after).await
}

/// `maxmemory` reached with `noeviction`: every write is refused for `time`.
pub async fn full(time: Duration, after: Duration) -> Figures {
    let redis = RedisServer::start().await;
    let load = Load::on(&redis.url()).await;
    let _: String = redis.command(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
    let _: String = redis.command(&["CONFIG", "SET", "maxmemory", "1mb"]).await;
    sleep(time).await;
    let _: String = redis.command(&["CONFIG", "SET", "maxmemory", "0"]).await;
    load.end(after).await
}

/// The sentinels' master is killed, and its replica takes over.
pub async fn failed_over(after: Duration) -> Figures {
    let mut redis = Sentinels::start().await;
    let load = Load::on(&redis.url()).await;
    redis.fail_over().await;
    load.end(after).await
}

/// Every slot of a cluster's first node moves to the second one, with what lies there.
pub async fn slots_moved(after: Duration) -> Figures {
    let cluster = Cluster::start().await;
    let load = Load::on(&cluster.url()).await;
    cluster.move_slots().await;
    assert_eq!(cluster.keys().await[0], 0, "everything was moved");
    load.end(after).await
}
