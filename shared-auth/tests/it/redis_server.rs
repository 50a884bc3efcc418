//! Redis servers for these tests, and replicas that share them.

#[allow(dead_code, unused_imports, reason = "each test program needs some of it")]
#[path = "../servers/mod.rs"]
mod servers;

use std::sync::Arc;
use std::time::Duration;

use entra_lab::EntraLab;
use shared_auth::{ConfidentialClient, KeyRing, ManualClock, RedisCache};

pub use self::servers::{Cluster, OF_THE_SENTINELS, RedisServer, Sentinels, WATCHER};
use crate::support::{now, registration};

/// 32 times the letter `k` and 32 times the letter `o`, in base64.
pub const KEY: &str = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=";
pub const OLD_KEY: &str = "b29vb29vb29vb29vb29vb29vb29vb29vb29vb29vb28=";

pub fn cache(redis: &RedisServer) -> RedisCache {
    cache_with_keys(redis, KEY)
}

pub fn cache_with_keys(redis: &RedisServer, keys: &str) -> RedisCache {
    RedisCache::connect(&redis.url(), keys.parse::<KeyRing>().unwrap()).unwrap()
}

/// For tests in which it matters that Redis is waited for, however busy the machine is.
pub fn patient(url: &str) -> RedisCache {
    let keys = KEY.parse::<KeyRing>().unwrap();
    RedisCache::builder(url, keys).time_limit(Duration::from_secs(10)).build().unwrap()
}

/// A replica: its own memory, its own connection, the same registration.
pub fn replica(lab: &EntraLab, client_id: &str, redis: &RedisServer) -> ConfidentialClient {
    replica_with(lab, client_id, cache(redis))
}

pub fn replica_with(lab: &EntraLab, client_id: &str, cache: RedisCache) -> ConfidentialClient {
    ConfidentialClient::builder(registration(lab, client_id)).shared_cache(cache).build().unwrap()
}

pub fn replica_with_clock(
    lab: &EntraLab,
    client_id: &str,
    redis: &RedisServer,
) -> (ConfidentialClient, ManualClock) {
    let clock = ManualClock::at(now());
    let builder = ConfidentialClient::builder(registration(lab, client_id)).shared_cache(cache(redis));
    (builder.clock(Arc::new(clock.clone())).build().unwrap(), clock)
}

/// Waits until something is so; at most a second.
pub async fn within_a_second<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let started = tokio::time::Instant::now();
    while !is_so().await {
        assert!(started.elapsed() < Duration::from_secs(1), "not within a second: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
