//! A Redis of the test's own, and memory in front of it: one server, a cluster of three nodes, a master that three
//! sentinels name, with passwords. The latter two take seconds to begin, so tests that run at once share them, each under a
//! name of its own.

use std::sync::Arc;
use std::time::Duration;

use deadpool_redis::redis::cmd;
use jiff::SignedDuration;

use super::level::place_of_a_view;
use super::two_levels::TwoLevels;
use super::{KEY, Outside, Place, View, clock, everywhere, from_outside, keys, tests};
use crate::cache::redis::servers::{Cluster, OF_THE_SENTINELS, RedisServer, Sentinels};
use crate::cache::redis::{RedisBackend, RedisCache, RedisCacheBuilder};
use crate::cache::seal::KeyRing;
use crate::cache::shared::SharedLevel;
use crate::clock::ManualClock;

everywhere!(redis: super::InRedis<super::RedisServer>);
everywhere!(two_levels_with_redis: super::TwoLevels<super::InRedis<super::RedisServer>>);
from_outside!(redis_from_outside: super::InRedis<super::RedisServer>);

everywhere!(cluster: super::InRedis<super::Cluster>);
everywhere!(two_levels_with_a_cluster: super::TwoLevels<super::InRedis<super::Cluster>>);
from_outside!(cluster_from_outside: super::InRedis<super::Cluster>);

everywhere!(sentinels: super::InRedis<super::Sentinels>);
everywhere!(two_levels_with_sentinels: super::TwoLevels<super::InRedis<super::Sentinels>>);
from_outside!(sentinels_from_outside: super::InRedis<super::Sentinels>);

/// A way to run Redis.
pub(super) trait Kind: Send + Sync + Sized + 'static {
    async fn begin() -> Arc<Self>;

    fn connected(&self, keys: &KeyRing) -> RedisCacheBuilder;

    /// The servers in which something may lie.
    fn servers(&self) -> Vec<&RedisServer>;
}

impl Kind for RedisServer {
    async fn begin() -> Arc<Self> {
        Arc::new(Self::start().await)
    }

    fn connected(&self, keys: &KeyRing) -> RedisCacheBuilder {
        RedisCache::builder(&self.url(), keys.clone())
    }

    fn servers(&self) -> Vec<&RedisServer> {
        vec![self]
    }
}

impl Kind for Cluster {
    async fn begin() -> Arc<Self> {
        Self::shared().await
    }

    fn connected(&self, keys: &KeyRing) -> RedisCacheBuilder {
        RedisCache::builder(&self.url(), keys.clone())
    }

    fn servers(&self) -> Vec<&RedisServer> {
        self.nodes().iter().collect()
    }
}

impl Kind for Sentinels {
    async fn begin() -> Arc<Self> {
        Self::shared().await
    }

    fn connected(&self, keys: &KeyRing) -> RedisCacheBuilder {
        RedisCache::builder(&self.url(), keys.clone()).sentinel_account(None, OF_THE_SENTINELS)
    }

    fn servers(&self) -> Vec<&RedisServer> {
        vec![self.master()]
    }
}

pub(super) struct InRedis<R> {
    redis: Arc<R>,
    namespace: String,
    clock: ManualClock,
    view: View,
}

fn view(redis: &impl Kind, namespace: &str, keys: &KeyRing, clock: &ManualClock) -> View {
    let link = redis.connected(keys).time_limit(Duration::from_secs(2)).build().unwrap().link;
    let backend = Arc::new(RedisBackend::new(Arc::clone(&link), namespace.to_owned()));
    let level = SharedLevel::new(backend.clone(), keys.clone(), Arc::new(clock.clone()));
    let refused = move || link.misplaced.get();
    View { level, backend, keys: keys.clone(), refused: Box::new(refused) }
}

impl<R: Kind> Place for InRedis<R> {
    async fn begin() -> Self {
        let (redis, clock) = (R::begin().await, clock());
        let namespace = format!("auth:suite-{}", uuid::Uuid::new_v4().simple());
        let view = view(&*redis, &namespace, &keys(KEY), &clock);
        Self { redis, namespace, clock, view }
    }

    place_of_a_view!();
}

impl<R: Kind> Outside for InRedis<R> {
    fn view(&self, keys: &KeyRing) -> View {
        view(&*self.redis, &self.namespace, keys, &self.clock)
    }

    async fn everything(&self) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        for server in self.redis.servers() {
            let mut connection = server.connection().await;
            let pattern = format!("{}*", self.namespace);
            let keys: Vec<Vec<u8>> = cmd("KEYS").arg(pattern).query_async(&mut connection).await.unwrap();
            all.extend(keys.iter().cloned());
            for key in keys {
                // As it would be copied to another server: whatever type it has.
                let value: Vec<u8> = cmd("DUMP").arg(key).query_async(&mut connection).await.unwrap();
                all.push(value);
            }
        }
        all
    }

    async fn passes(&self, time: SignedDuration) {
        // The server has a clock of its own, which nobody can move.
        tokio::time::sleep(Duration::try_from(time).unwrap()).await;
    }
}
