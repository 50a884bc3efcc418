//! One suite for every place in which tokens are kept: memory, Redis, two levels, a file. The same sentences for each.
//!
//! To add a place: implement [`Place`] for it in a file here, and [`Outside`] where it lies outside the process; then
//! one line with `everywhere!`, one with `from_outside!`. The sentences stand in `sentences.rs` and `outside.rs`.

mod outside;
mod sentences;

#[cfg(feature = "desktop")]
mod file;
mod level;
mod memory;
#[cfg(feature = "redis")]
mod redis;
mod two_levels;

use std::future::Future;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::key::{Id, Owner, PartitionKey, PartitionRef};
use super::seal::KeyRing;
use super::shared::{Backend, SharedLevel};
use super::token::CachedToken;
use crate::clock::{Clock, ManualClock};
use crate::protocol::scope::Scopes;
use crate::secret::{AccessToken, RefreshToken, TokenDigest, User};

/// 32 times the letter `k`, and 32 times the letter `o`, in base64.
const KEY: &str = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=";
const OLD_KEY: &str = "b29vb29vb29vb29vb29vb29vb29vb29vb29vb29vb28=";

/// Somewhere to keep tokens, as the sentences see it.
trait Place: Send + Sync {
    async fn begin() -> Self;

    fn clock(&self) -> &ManualClock;

    /// Stores what was got, and was asked for before `meanwhile` happened.
    async fn write_late(&self, entry: Entry, meanwhile: impl Future<Output = ()>);

    async fn read(&self, partition: &Whose, scopes: &str) -> Option<String>;

    async fn refresh_token(&self, partition: &Whose) -> Option<String>;

    async fn remove(&self, partition: &Whose);

    async fn remove_user(&self, user: &str);

    async fn remove_refresh_token(&self, partition: &Whose, refused: &str);

    async fn write(&self, entry: Entry) {
        self.write_late(entry, async {}).await;
    }
}

/// A place outside the process, that others can reach.
trait Outside: Place {
    /// Another process's view of it, under the keys given.
    fn view(&self, keys: &KeyRing) -> View;

    /// Every byte that lies there.
    async fn everything(&self) -> Vec<Vec<u8>>;

    /// Returns when this much time has passed there.
    async fn passes(&self, time: SignedDuration);
}

/// A process of its own at a place.
struct View {
    level: SharedLevel,
    backend: Arc<dyn Backend>,
    keys: KeyRing,
    /// What the place itself refused, beside what the keys did not open.
    refused: Box<dyn Fn() -> u64 + Send + Sync>,
}

impl View {
    fn unreadable(&self) -> u64 {
        self.keys.unreadable() + (self.refused)()
    }
}

/// Names a partition.
#[derive(Debug, Clone)]
struct Whose {
    owner: Arc<Owner>,
    tenant: String,
    name: Name,
}

#[derive(Debug, Clone)]
enum Name {
    App,
    Account(String),
    LongRunning(TokenDigest),
}

impl Whose {
    fn app(environment: &str, tenant: &str, client: &str) -> Self {
        Self { owner: Owner::new(environment, client), tenant: tenant.to_owned(), name: Name::App }
    }

    fn account(environment: &str, tenant: &str, client: &str, user: &str) -> Self {
        Self { name: Name::Account(user.to_owned()), ..Self::app(environment, tenant, client) }
    }

    fn long_running(environment: &str, tenant: &str, client: &str, key: &str) -> Self {
        Self { name: Name::LongRunning(TokenDigest::of(key)), ..Self::app(environment, tenant, client) }
    }

    fn reference(&self) -> PartitionRef<'_> {
        let tenant = self.tenant.as_str();
        match &self.name {
            Name::App => PartitionRef::app(&self.owner, tenant),
            Name::Account(user) => PartitionRef::account(&self.owner, tenant, user),
            Name::LongRunning(key) => PartitionRef::long_running(&self.owner, tenant, key),
        }
    }

    fn key(&self) -> PartitionKey {
        self.reference().to_key()
    }

    fn id(&self) -> Id {
        self.key().id()
    }
}

/// A token to be stored.
#[derive(Debug, Clone)]
struct Entry {
    partition: Whose,
    text: String,
    scopes: String,
    lifetime: SignedDuration,
    refresh_token: Option<String>,
    user: Option<String>,
}

impl Entry {
    fn new(partition: &Whose, text: &str, scopes: &str) -> Self {
        Self {
            partition: partition.clone(),
            text: text.to_owned(),
            scopes: scopes.to_owned(),
            lifetime: SignedDuration::from_hours(1),
            refresh_token: None,
            user: Some("alice.contoso".to_owned()),
        }
    }

    fn lifetime(self, lifetime: SignedDuration) -> Self {
        Self { lifetime, ..self }
    }

    fn refresh_token(self, text: &str) -> Self {
        Self { refresh_token: Some(text.to_owned()), ..self }
    }

    fn of(self, user: &str) -> Self {
        Self { user: Some(user.to_owned()), ..self }
    }

    fn token(&self, clock: &ManualClock) -> CachedToken<User> {
        let (now, text) = (clock.now(), AccessToken::new(self.text.as_str()));
        CachedToken::new(text, Scopes::from(self.scopes.as_str()), now + self.lifetime, now)
    }

    fn refresh(&self) -> Option<RefreshToken> {
        self.refresh_token.as_deref().map(RefreshToken::new)
    }
}

fn clock() -> ManualClock {
    ManualClock::at(Timestamp::from_second(1_800_000_000).unwrap())
}

fn keys(text: &str) -> KeyRing {
    text.parse().unwrap()
}

fn account(user: &str) -> Whose {
    Whose::account("login", "tenant", "client", user)
}

/// Waits for what happens by itself.
async fn until<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    for _ in 0..500 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("not within five seconds: {what}");
}

macro_rules! tests {
    ($name:ident: $place:ty, $file:ident { $($sentence:ident)* }) => {
        mod $name {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $sentence() {
                    let place = <$place as super::super::Place>::begin().await;
                    super::super::$file::$sentence(&place).await;
                }
            )*
        }
    };
}

macro_rules! everywhere {
    ($name:ident: $place:ty) => {
        tests!($name: $place, sentences {
            what_was_written_is_read_with_any_of_its_scopes_and_no_others
            a_token_ends_five_minutes_early
            a_newer_token_replaces_those_whose_scopes_it_overlaps
            a_token_of_the_future_is_not_believed
            partitions_do_not_mix
            a_removed_partition_is_gone_and_can_begin_anew
            signing_out_removes_what_is_the_users_and_nothing_else
            a_rotated_refresh_token_replaces_the_old_one_and_none_keeps_it
            a_refused_refresh_token_goes_and_its_successor_stays
            writers_at_once_lose_nothing
            what_was_under_way_when_it_was_removed_does_not_come_back
        });
    };
}

macro_rules! from_outside {
    ($name:ident: $place:ty) => {
        tests!($name: $place, outside {
            what_one_process_wrote_the_other_reads
            whoever_reads_it_learns_nothing
            values_that_were_swapped_cut_or_forged_count_as_absent_and_are_replaced
            keys_are_rotated_without_losing_the_cache
            a_foreign_key_opens_nothing_and_is_counted
            an_older_value_never_replaces_a_newer_one_however_late_it_comes
            only_what_was_seen_is_dropped
            a_removal_is_remembered_and_a_new_beginning_is_possible
            a_lease_has_one_holder_and_is_given_back_by_that_one_only
            the_lease_of_a_holder_that_died_ends
            a_field_goes_only_while_it_holds_what_was_refused
            values_end_by_themselves
            another_process_is_heard_of
        });
    };
}

use {everywhere, from_outside, tests};
