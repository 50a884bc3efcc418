//! Memory alone, as a client has it that was given nothing else.

use std::future::Future;
use std::sync::Arc;

use super::{Entry, Place, Whose, clock, everywhere, tests};
use crate::cache::memory::{MEMORY_LIMIT_BYTES, MemoryCache};
use crate::clock::{Clock, ManualClock};
use crate::secret::{RefreshToken, User};

struct Memory {
    cache: MemoryCache<User>,
    clock: ManualClock,
}

everywhere!(memory: super::Memory);

impl Place for Memory {
    async fn begin() -> Self {
        let clock = clock();
        Self { cache: MemoryCache::new(Arc::new(clock.clone()), MEMORY_LIMIT_BYTES, false), clock }
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }

    async fn write_late(&self, entry: Entry, meanwhile: impl Future<Output = ()>) {
        let removals = self.cache.removals();
        meanwhile.await;
        let (token, refresh_token) = (entry.token(&self.clock), entry.refresh());
        self.cache.store_as_of(removals, &entry.partition.key(), token, refresh_token, entry.user.as_deref());
    }

    async fn read(&self, partition: &Whose, scopes: &str) -> Option<String> {
        let token = self.cache.token(&partition.key(), scopes, self.clock.now())?;
        Some(token.access_token.expose_secret().to_owned())
    }

    async fn refresh_token(&self, partition: &Whose) -> Option<String> {
        Some(self.cache.refresh_token(&partition.key())?.expose().to_owned())
    }

    async fn remove(&self, partition: &Whose) {
        self.cache.remove(&partition.key());
    }

    async fn remove_user(&self, user: &str) {
        self.cache.remove_user(user);
    }

    async fn remove_refresh_token(&self, partition: &Whose, refused: &str) {
        self.cache.remove_refresh_token(&partition.key(), &RefreshToken::new(refused));
    }
}
