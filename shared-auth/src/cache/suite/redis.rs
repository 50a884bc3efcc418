//! A Redis of the test's own, and memory in front of it.

use std::sync::Arc;
use std::time::Duration;

use deadpool_redis::redis::aio::MultiplexedConnection;
use deadpool_redis::redis::{Client, cmd};
use jiff::SignedDuration;

use super::level::place_of_a_view;
use super::two_levels::TwoLevels;
use super::{KEY, Outside, Place, View, clock, everywhere, from_outside, keys, tests};
use crate::cache::redis::process::RedisProcess;
use crate::cache::redis::{RedisBackend, RedisCache};
use crate::cache::seal::KeyRing;
use crate::cache::shared::SharedLevel;
use crate::clock::ManualClock;

pub(super) struct InRedis {
    process: RedisProcess,
    clock: ManualClock,
    view: View,
}

everywhere!(redis: super::InRedis);
everywhere!(two_levels_with_redis: super::TwoLevels<super::InRedis>);
from_outside!(redis_from_outside: super::InRedis);

fn view(process: &RedisProcess, keys: &KeyRing, clock: &ManualClock) -> View {
    let redis = RedisCache::builder(&process.url(), keys.clone()).time_limit(Duration::from_secs(2));
    let link = redis.build().unwrap().link;
    let backend = Arc::new(RedisBackend::new(Arc::clone(&link), "auth:suite".to_owned()));
    let level = SharedLevel::new(backend.clone(), keys.clone(), Arc::new(clock.clone()));
    let refused = move || link.misplaced.get();
    View { level, backend, keys: keys.clone(), refused: Box::new(refused) }
}

impl InRedis {
    async fn connection(&self) -> MultiplexedConnection {
        Client::open(self.process.url()).unwrap().get_multiplexed_async_connection().await.unwrap()
    }
}

impl Place for InRedis {
    async fn begin() -> Self {
        let (process, clock) = (RedisProcess::start().await, clock());
        let view = view(&process, &keys(KEY), &clock);
        Self { process, clock, view }
    }

    place_of_a_view!();
}

impl Outside for InRedis {
    fn view(&self, keys: &KeyRing) -> View {
        view(&self.process, keys, &self.clock)
    }

    async fn everything(&self) -> Vec<Vec<u8>> {
        let mut connection = self.connection().await;
        let keys: Vec<Vec<u8>> = cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
        let mut all = keys.clone();
        for key in keys {
            // As it would be copied to another server: whatever type it has.
            let value: Vec<u8> = cmd("DUMP").arg(key).query_async(&mut connection).await.unwrap();
            all.push(value);
        }
        all
    }

    async fn passes(&self, time: SignedDuration) {
        // The server has a clock of its own, which nobody can move.
        tokio::time::sleep(Duration::try_from(time).unwrap()).await;
    }
}
