//! The level behind memory alone, over whatever backend: each call goes there.

use std::future::Future;

use super::{Entry, View, Whose};
use crate::cache::shared::Found;
use crate::clock::{Clock, ManualClock};
use crate::secret::{RefreshToken, User};

impl View {
    async fn load(&self, partition: &Whose) -> Found<User> {
        self.level.load(&partition.key()).await.expect("the backend is there")
    }

    pub async fn write_late(&self, clock: &ManualClock, entry: Entry, meanwhile: impl Future<Output = ()>) {
        let found = self.load(&entry.partition).await;
        meanwhile.await;
        let now = u64::try_from(clock.now().as_millisecond()).unwrap();
        let known = found.refresh_token.as_ref().map_or(0, |(_, stamp)| *stamp);
        let refresh_token = entry.refresh().map(|token| (token, now.max(known + 1)));
        let (token, user) = (entry.token(clock), entry.user.as_deref());
        let written = self
            .level
            .publish(&entry.partition.key(), &token, refresh_token.as_ref(), user, Some(&found), None)
            .await;
        assert!(written.is_some(), "the backend is there");
    }

    pub async fn read(&self, clock: &ManualClock, partition: &Whose, scopes: &str) -> Option<String> {
        let token = self.load(partition).await.token(&scopes.into(), clock.now())?;
        Some(token.access_token.expose_secret().to_owned())
    }

    pub async fn refresh_token(&self, partition: &Whose) -> Option<String> {
        Some(self.load(partition).await.refresh_token?.0.expose().to_owned())
    }

    pub async fn remove(&self, partition: &Whose) {
        self.level.remove(vec![partition.id()]);
        self.level.settled().await;
    }

    pub async fn remove_user(&self, user: &str) {
        self.level.remove_user(user);
        self.level.settled().await;
    }

    pub async fn remove_refresh_token(&self, partition: &Whose, refused: &str) {
        self.level.remove_refresh_token(&partition.key(), &RefreshToken::new(refused));
        self.level.settled().await;
    }
}

/// Makes a place of a type that has a `view` and a `clock`.
macro_rules! place_of_a_view {
    () => {
        fn clock(&self) -> &crate::clock::ManualClock {
            &self.clock
        }

        async fn write_late(&self, entry: super::Entry, meanwhile: impl std::future::Future<Output = ()>) {
            self.view.write_late(&self.clock, entry, meanwhile).await;
        }

        async fn read(&self, partition: &super::Whose, scopes: &str) -> Option<String> {
            self.view.read(&self.clock, partition, scopes).await
        }

        async fn refresh_token(&self, partition: &super::Whose) -> Option<String> {
            self.view.refresh_token(partition).await
        }

        async fn remove(&self, partition: &super::Whose) {
            self.view.remove(partition).await;
        }

        async fn remove_user(&self, user: &str) {
            self.view.remove_user(user).await;
        }

        async fn remove_refresh_token(&self, partition: &super::Whose, refused: &str) {
            self.view.remove_refresh_token(partition, refused).await;
        }
    };
}

pub(super) use place_of_a_view;
