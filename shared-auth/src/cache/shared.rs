//! The level behind memory that replicas share: typed, sealed entries over a backend that sees neither.
//!
//! A partition is one hash of the backend, a credential is one field of it: an access token by its scopes, the refresh
//! token. Names are hashes, values are sealed for their place. Every value begins with the time at which it was got, so
//! that the backend can keep an older one from replacing a newer one; the time is part of the seal.
//!
//! Nothing here fails a request: a backend that is away is a level that is not there.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use smallvec::SmallVec;
use tokio::sync::watch;
use uuid::Uuid;

use super::key::{Id, PartitionKey};
use super::record::{RefreshRecord, TokenRecord};
use super::seal::{KeyRing, Opened};
use super::token::CachedToken;
use crate::clock::SharedClock;
use crate::protocol::scope::Scopes;
use crate::secret::{RefreshToken, TokenKind};

/// Entra's refresh tokens end after 90 days without use.
const REFRESH_TOKEN_LIFETIME: SignedDuration = SignedDuration::from_hours(90 * 24);
/// Digits of the time that every value begins with.
const STAMP: usize = 15;
const REFRESH_TOKEN: &str = "r";
/// For how long a replica may keep the others from asking Entra the same thing.
pub(super) const LEASE: Duration = Duration::from_secs(2);

/// The backend does not answer, or not in time. It has said so in the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Away;

/// What a backend holds of a partition, as it lies there.
#[derive(Debug, Default)]
pub(crate) struct Raw {
    /// When the partition was last removed; zero where nobody remembers a removal.
    pub removed_at: u64,
    pub fields: Vec<(String, Vec<u8>)>,
}

/// A change of one partition.
#[derive(Debug)]
#[cfg_attr(not(feature = "redis"), allow(dead_code, reason = "only Redis has use for it"))]
pub(crate) struct Write {
    pub partition: Id,
    /// The removal that the writer knew of. Where there was another one since, the write comes too late. `None`: the
    /// writer does not build on anything that was there before.
    pub knew_removal: Option<u64>,
    pub puts: Vec<(String, Vec<u8>)>,
    /// Values that serve nobody any more, by their first digits: another value under the same name stays.
    pub drops: Vec<(String, Vec<u8>)>,
    pub ttl: Duration,
    /// Whose partition it is, and until when.
    pub user: Option<(Id, Timestamp)>,
    pub now: Timestamp,
    /// True where other replicas may hold what this replaces.
    pub announce: bool,
    pub release: Option<Lease>,
}

/// How a write went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// It is there, or something newer. With the last removal.
    Kept(u64),
    /// The partition was removed after the writer had read it.
    RemovedMeanwhile,
    /// The backend has no room.
    Full,
}

/// The right to ask Entra for something while the others wait.
#[derive(Debug, Clone)]
pub(crate) struct Lease {
    /// Where the answer is going to lie.
    #[cfg_attr(not(feature = "redis"), allow(dead_code, reason = "only a cluster keeps the two together"))]
    pub partition: Id,
    pub of: Id,
    pub holder: String,
}

/// Tells whether a value is the one that is meant.
pub(crate) type Recognise = Box<dyn Fn(&[u8]) -> bool + Send + Sync>;

/// A store that replicas share. It knows names that are hashes and values that are sealed.
pub(crate) trait Backend: fmt::Debug + Send + Sync {
    fn read(&self, partition: Id) -> BoxFuture<'_, Result<Raw, Away>>;
    /// Tries to get the lease, and then reads. The flag is true where the lease was free.
    fn lease_and_read(&self, partition: Id, lease: Lease) -> BoxFuture<'_, Result<(bool, Raw), Away>>;
    fn release(&self, lease: Lease) -> BoxFuture<'_, Result<(), Away>>;
    fn write(&self, write: Write) -> BoxFuture<'_, Result<Written, Away>>;
    fn remove(&self, partitions: Vec<Id>) -> BoxFuture<'_, Result<(), Away>>;
    fn remove_user(&self, user: Id) -> BoxFuture<'_, Result<(), Away>>;
    /// Removes a field if it still holds what `is_it` recognises.
    fn remove_field(
        &self,
        partition: Id,
        field: &'static str,
        is_it: Recognise,
    ) -> BoxFuture<'_, Result<(), Away>>;
    /// Tells `listener` from now on what other replicas do, for as long as it exists.
    fn tell(&self, listener: Weak<dyn Listener>);
    /// Runs to the end whatever becomes of the caller.
    fn spawn(&self, work: BoxFuture<'static, ()>);
}

/// Who must hear of other replicas' changes.
#[cfg_attr(not(feature = "redis"), allow(dead_code, reason = "only Redis has use for it"))]
pub(crate) trait Listener: Send + Sync {
    fn removed(&self, partition: Id);
    fn changed(&self, partition: Id);
    /// Messages may have been missed.
    fn anything_may_have_changed(&self);
}

/// The shared level of one client. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct SharedLevel {
    pub backend: Arc<dyn Backend>,
    keys: KeyRing,
    pub(super) clock: SharedClock,
    waiting_removals: Arc<watch::Sender<u64>>,
}

/// One removal that waits for the backend, counted until it is done or given up.
struct Waiting(Arc<watch::Sender<u64>>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.send_modify(|waiting| *waiting -= 1);
    }
}

/// What the shared level knew of a partition.
#[derive(Debug)]
pub(crate) struct Found<K: TokenKind> {
    pub removed_at: u64,
    pub tokens: Vec<Arc<CachedToken<K>>>,
    pub refresh_token: Option<(RefreshToken, u64)>,
    pub user: Option<Arc<str>>,
    /// The time of each field that could be read. There are few.
    stamps: Vec<(String, u64)>,
    drops: Vec<(String, Vec<u8>)>,
    empty: bool,
}

impl SharedLevel {
    pub fn new(backend: Arc<dyn Backend>, keys: KeyRing, clock: SharedClock) -> Self {
        Self { backend, keys, clock, waiting_removals: Arc::default() }
    }

    /// One round trip. `None` where the backend is away.
    pub async fn load<K: TokenKind>(&self, partition: &PartitionKey) -> Option<Found<K>> {
        let id = partition.id();
        let raw = self.backend.read(id).await.ok()?;
        Some(self.open(id, raw))
    }

    /// One round trip: the lease if it is free, and what is there.
    pub async fn lease_and_load<K: TokenKind>(
        &self,
        partition: &PartitionKey,
        lease: &Lease,
    ) -> Option<(bool, Found<K>)> {
        let id = partition.id();
        let (ours, raw) = self.backend.lease_and_read(id, lease.clone()).await.ok()?;
        Some((ours, self.open(id, raw)))
    }

    /// A lease for one request key, to be tried for.
    pub fn lease(&self, partition: &PartitionKey, request_key: &str) -> Lease {
        Lease {
            partition: partition.id(),
            of: Id::of(&["lease", request_key]),
            holder: Uuid::new_v4().simple().to_string(),
        }
    }

    /// Gives a lease back: nothing came of it.
    pub fn release(&self, lease: Lease) {
        let backend = Arc::clone(&self.backend);
        self.backend.spawn(Box::pin(async move {
            let _it_ends_by_itself = backend.release(lease).await;
        }));
    }

    /// One round trip: the token, and the refresh token where it is new. `found` is what the writer had read.
    pub async fn publish<K: TokenKind>(
        &self,
        partition: &PartitionKey,
        token: &CachedToken<K>,
        refresh_token: Option<&(RefreshToken, u64)>,
        user: Option<&str>,
        found: Option<&Found<K>>,
        release: Option<Lease>,
    ) -> Option<Written> {
        let (id, now) = (partition.id(), self.clock.now());
        let mut puts = Vec::with_capacity(2);
        let field = field_of(&token.scopes);
        // Later than what was read, even where this clock is behind that of the replica which wrote it.
        let before = found.and_then(|found| found.stamp(&field));
        let stamp = milliseconds(now).max(before.map_or(0, |before| before + 1));
        puts.push((field.clone(), self.seal(id, &field, stamp, &TokenRecord::encode(token, user))?));
        let known = found.and_then(|found| found.refresh_token.as_ref()).map_or(0, |(_, stamp)| *stamp);
        if let Some((token, stamp)) = refresh_token.filter(|(_, stamp)| *stamp > known) {
            let record = RefreshRecord::encode(token, user);
            puts.push((REFRESH_TOKEN.to_owned(), self.seal(id, REFRESH_TOKEN, *stamp, &record)?));
        }
        let ends = match refresh_token {
            Some(_) => now.checked_add(REFRESH_TOKEN_LIFETIME).unwrap_or(token.expires_at),
            None => token.expires_at,
        };
        let ttl =
            Duration::try_from(ends.duration_since(now)).unwrap_or_default().max(Duration::from_secs(1));
        let write = Write {
            partition: id,
            knew_removal: found.map(|found| found.removed_at),
            puts,
            drops: found.map(|found| found.superseded_by(token)).unwrap_or_default(),
            ttl,
            user: user.map(|user| (user_id(user), ends)),
            now,
            announce: found.is_none_or(|found| !found.empty),
            release,
        };
        self.backend.write(write).await.ok()
    }

    /// Forgets partitions everywhere. The caller does not wait; a backend that is away is tried again.
    pub fn remove(&self, partitions: Vec<Id>) {
        let backend = Arc::clone(&self.backend);
        self.until_done(move || {
            let (backend, partitions) = (Arc::clone(&backend), partitions.clone());
            Box::pin(async move { backend.remove(partitions).await })
        });
    }

    /// Forgets every partition of a user everywhere.
    pub fn remove_user(&self, user: &str) {
        let (backend, user) = (Arc::clone(&self.backend), user_id(user));
        self.until_done(move || {
            let backend = Arc::clone(&backend);
            Box::pin(async move { backend.remove_user(user).await })
        });
    }

    /// Forgets a refresh token that was refused, unless it has a successor already.
    pub fn remove_refresh_token(&self, partition: &PartitionKey, refused: &RefreshToken) {
        let (level, id, refused) = (self.clone(), partition.id(), refused.clone());
        self.until_done(move || {
            let (level, refused) = (level.clone(), refused.clone());
            Box::pin(async move {
                let opener = level.clone();
                let is_it = move |value: &[u8]| {
                    let kept = opener
                        .unseal(id, REFRESH_TOKEN, value.to_vec())
                        .and_then(|(_, plain)| RefreshRecord::decode(&plain));
                    kept.is_some_and(|kept| kept.token.expose() == refused.expose())
                };
                level.backend.remove_field(id, REFRESH_TOKEN, Box::new(is_it)).await
            })
        });
    }

    /// A removal must happen, if not now then as soon as the backend is back.
    pub(super) fn until_done(
        &self,
        work: impl Fn() -> BoxFuture<'static, Result<(), Away>> + Send + Sync + 'static,
    ) {
        const MANY: u64 = 10_000;
        const TRIES: u32 = 600;
        self.waiting_removals.send_modify(|waiting| *waiting += 1);
        let waiting = Waiting(Arc::clone(&self.waiting_removals));
        if *self.waiting_removals.borrow() > MANY {
            tracing::warn!(
                "too many removals wait for the shared cache; one was dropped, and the entries end by themselves"
            );
            return;
        }
        self.backend.spawn(Box::pin(async move {
            let _until_done = waiting;
            let mut pause = Duration::from_millis(100);
            for _ in 0..TRIES {
                if work().await.is_ok() {
                    break;
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(3));
            }
        }));
    }

    /// Returns when no removal waits any more.
    #[cfg(any(test, feature = "desktop"))]
    pub async fn settled(&self) {
        let mut waiting = self.waiting_removals.subscribe();
        let _the_sender_is_ours = waiting.wait_for(|waiting| *waiting == 0).await;
    }

    pub(super) fn seal(&self, id: Id, field: &str, stamp: u64, plain: &[u8]) -> Option<Vec<u8>> {
        let mut value = format!("{stamp:0STAMP$}").into_bytes();
        let sealed = self.keys.seal(&place(&id, field, &value), plain).ok()?;
        value.extend_from_slice(&sealed);
        Some(value)
    }

    /// In the buffer in which it came.
    pub(super) fn unseal(&self, id: Id, field: &str, value: Vec<u8>) -> Option<(u64, Opened)> {
        let begins = value.len().min(STAMP);
        let mut stamp = [0; STAMP];
        stamp[..begins].copy_from_slice(&value[..begins]);
        let stamp = &stamp[..begins];
        let plain = self.keys.open_after(begins, &place(&id, field, stamp), value)?;
        Some((std::str::from_utf8(stamp).ok()?.parse().ok()?, plain))
    }

    fn open<K: TokenKind>(&self, id: Id, raw: Raw) -> Found<K> {
        let now = self.clock.now();
        let mut found = Found {
            removed_at: raw.removed_at,
            tokens: Vec::new(),
            refresh_token: None,
            user: None,
            stamps: Vec::new(),
            drops: Vec::new(),
            empty: raw.fields.is_empty(),
        };
        for (field, value) in raw.fields {
            let begins: SmallVec<[u8; STAMP + 1]> = head(&value).into();
            let user = match self.unseal(id, &field, value) {
                Some((stamp, plain)) if field == REFRESH_TOKEN => {
                    RefreshRecord::decode(&plain).map(|record| {
                        found.refresh_token = Some((record.token, stamp));
                        (stamp, record.user)
                    })
                }
                Some((stamp, plain)) => {
                    // Its own expiry counts, and not only the backend's.
                    TokenRecord::decode::<K>(&plain, now).filter(|(token, _)| token.is_usable(now)).map(
                        |(token, user)| {
                            found.tokens.push(Arc::new(token));
                            (stamp, user)
                        },
                    )
                }
                None => None,
            };
            match user {
                Some((stamp, user)) => {
                    found.user = user.or(found.user);
                    found.stamps.push((field, stamp));
                }
                None => found.drops.push((field, begins.to_vec())),
            }
        }
        // Oldest first: where two overlap, the later one wins in memory.
        found.tokens.sort_by_key(|token| token.cached_at());
        found
    }
}

impl<K: TokenKind> Found<K> {
    /// What a new token makes superfluous, beside what served nobody anyway.
    fn superseded_by(&self, token: &CachedToken<K>) -> Vec<(String, Vec<u8>)> {
        let own = field_of(&token.scopes);
        let overlapped = self
            .tokens
            .iter()
            .filter(|old| old.scopes.intersects(&token.scopes))
            .map(|old| field_of(&old.scopes))
            .filter(|field| *field != own)
            .filter_map(|field| {
                let stamp = self.stamp(&field)?;
                Some((field, format!("{stamp:0STAMP$}").into_bytes()))
            });
        self.drops.iter().cloned().chain(overlapped).collect()
    }

    fn stamp(&self, field: &str) -> Option<u64> {
        self.stamps.iter().find(|(known, _)| known == field).map(|(_, stamp)| *stamp)
    }

    /// A token that serves the scopes.
    pub fn token(&self, scopes: &Scopes, now: Timestamp) -> Option<Arc<CachedToken<K>>> {
        self.tokens.iter().rev().find(|token| token.is_usable(now) && token.serves(scopes.as_str())).cloned()
    }

    /// True where nothing is there, and nothing was removed either.
    pub fn is_empty(&self) -> bool {
        self.empty
    }
}

/// The name of an access token within its partition: a hash, for scopes may name people's data.
fn field_of(scopes: &Scopes) -> String {
    let mut name = Id::of(&[&scopes.canonical()]).text();
    name.truncate(22);
    name.insert(0, 'a');
    name
}

/// What a value is sealed for.
fn place<'a>(id: &'a Id, field: &'a str, stamp: &'a [u8]) -> [&'a [u8]; 4] {
    [b"token", &id.0, field.as_bytes(), stamp]
}

fn user_id(user: &str) -> Id {
    Id::of(&["user", &user.to_ascii_lowercase()])
}

/// What a value is recognised by.
pub(super) fn head(value: &[u8]) -> &[u8] {
    value.get(..STAMP).unwrap_or(value)
}

pub(super) fn milliseconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_millisecond()).unwrap_or_default()
}
