//! Memory in front of a place outside, as clients have it: written through one process, read through another that has
//! just been started and through one that has been there all the time.

use std::future::Future;
use std::sync::Arc;

use super::{Entry, KEY, Outside, Place, Whose, keys};
use crate::cache::memory::MEMORY_LIMIT_BYTES;
use crate::cache::store::{TokenStore, Wanted};
use crate::client::TokenSource;
use crate::clock::ManualClock;
use crate::error::{Error, InteractionRequired};
use crate::secret::{RefreshToken, User};

/// Two processes over one place.
pub(super) struct TwoLevels<P> {
    behind: P,
    writer: TokenStore<User>,
    reader: TokenStore<User>,
}

impl<P: Outside> TwoLevels<P> {
    fn process(behind: &P) -> TokenStore<User> {
        let level = behind.view(&keys(KEY)).level;
        TokenStore::new(Arc::new(behind.clock().clone()), MEMORY_LIMIT_BYTES, Some(level), Arc::default())
    }

    async fn found(store: &TokenStore<User>, partition: &Whose, scopes: &str) -> Option<String> {
        let partition = partition.reference();
        let wanted = Wanted { partition, scopes, claims: None, force_refresh: false };
        let nothing = |_| async { Err(Error::from(InteractionRequired::no_account("none".into()))) };
        let result = store.acquire(&wanted, nothing).await.ok()?;
        assert_eq!(result.source, TokenSource::Cache);
        Some(result.access_token.expose_secret().to_owned())
    }

    async fn kept(store: &TokenStore<User>, partition: &Whose) -> Option<String> {
        store.fetch(&[partition.key()]).await;
        Some(store.cache.refresh_token(&partition.key())?.expose().to_owned())
    }
}

impl<P: Outside> Place for TwoLevels<P> {
    async fn begin() -> Self {
        let behind = P::begin().await;
        Self { writer: Self::process(&behind), reader: Self::process(&behind), behind }
    }

    fn clock(&self) -> &ManualClock {
        self.behind.clock()
    }

    async fn write_late(&self, entry: Entry, meanwhile: impl Future<Output = ()>) {
        // As a refresh does it: what comes back counts as of when it was asked for.
        self.writer.fetch(&[entry.partition.key()]).await;
        let (whose, scopes) = (entry.partition.clone(), entry.scopes.clone());
        let wanted =
            Wanted { partition: whose.reference(), scopes: &scopes, claims: None, force_refresh: true };
        let (asked, is_asked) = tokio::sync::oneshot::channel();
        let (answer, answered) = tokio::sync::oneshot::channel::<()>();
        let (cache, clock) = (self.writer.cache.clone(), self.clock().clone());
        let request = move |partition| async move {
            let removals = cache.removals();
            let _ = asked.send(());
            let _ = answered.await;
            let (token, refresh_token) = (entry.token(&clock), entry.refresh());
            let user = entry.user.as_deref();
            Ok(cache.store_as_of(removals, &partition, token, refresh_token, user))
        };
        let acquired = tokio::spawn(self.writer.acquire(&wanted, request));
        is_asked.await.unwrap();
        meanwhile.await;
        answer.send(()).unwrap();
        acquired.await.unwrap().unwrap();
    }

    async fn read(&self, partition: &Whose, scopes: &str) -> Option<String> {
        let fresh = Self::found(&Self::process(&self.behind), partition, scopes).await;
        // The other two hear of what was written within a second.
        for store in [&self.writer, &self.reader] {
            super::until("all processes say the same", || async {
                Self::found(store, partition, scopes).await == fresh
            })
            .await;
        }
        fresh
    }

    async fn refresh_token(&self, partition: &Whose) -> Option<String> {
        Self::kept(&Self::process(&self.behind), partition).await
    }

    async fn remove(&self, partition: &Whose) {
        self.writer.remove(&partition.key());
        self.writer.settled().await;
    }

    async fn remove_user(&self, user: &str) {
        self.writer.remove_user(user);
        self.writer.settled().await;
    }

    async fn remove_refresh_token(&self, partition: &Whose, refused: &str) {
        self.writer.remove_refresh_token(&partition.key(), &RefreshToken::new(refused));
        self.writer.settled().await;
    }
}
