//! What the file says once it is opened: partitions with their sealed values, removals that are still remembered, and
//! who asks Entra at the moment. The rules of writing stand here, as pure functions of the contents and the time.
//!
//! They are those of the scripts that run in Redis: an older value never replaces a newer one, and what was under way
//! when its partition was removed does not come back.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::cache::key::Id;
use crate::cache::shared::{LEASE, Lease, Raw, Write, Written};

/// For how long a removal is remembered, so that what was under way does not bring back what was removed.
const REMOVAL_REMEMBERED: u64 = 60 * 60 * 1000;
/// The digits of time that every value begins with.
const STAMP: usize = 15;

/// Everything that one registration keeps. Names are hashes, times are milliseconds since 1970.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Contents {
    #[serde(default)]
    partitions: BTreeMap<String, Partition>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Partition {
    /// From then on it counts as absent.
    ends_at: u64,
    #[serde(default)]
    removed_at: u64,
    #[serde(default)]
    user: Option<String>,
    #[serde(default)]
    fields: BTreeMap<String, Value>,
}

/// Bytes, as base64 in the text of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Value(Vec<u8>);

impl Serialize for Value {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD_NO_PAD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD_NO_PAD.decode(text).map(Self).map_err(serde::de::Error::custom)
    }
}

impl Contents {
    /// A partition as it lies there.
    pub fn read(&self, partition: Id, now: u64) -> Raw {
        let Some(found) = self.partitions.get(&partition.text()).filter(|found| found.ends_at > now) else {
            return Raw::default();
        };
        let fields = found.fields.iter().map(|(field, value)| (field.clone(), value.0.clone()));
        Raw { removed_at: found.removed_at, fields: fields.collect() }
    }

    /// Drops what serves nobody any more and takes in what is new.
    pub fn write(&mut self, write: Write, now: u64) -> Written {
        self.sweep(now);
        let name = write.partition.text();
        let removed_at = self.partitions.get(&name).map_or(0, |found| found.removed_at);
        if write.knew_removal.is_some_and(|knew| removed_at > knew) {
            return Written::RemovedMeanwhile;
        }
        let partition = self.partitions.entry(name).or_default();
        for (field, first) in write.drops {
            if partition.fields.get(&field).is_some_and(|old| head(&old.0) == first) {
                partition.fields.remove(&field);
            }
        }
        for (field, value) in write.puts {
            if partition.fields.get(&field).is_none_or(|old| stamp(&old.0) <= stamp(&value)) {
                partition.fields.insert(field, Value(value));
            }
        }
        partition.user = write.user.map(|(user, _)| user.text()).or(partition.user.take());
        partition.ends_at = partition.ends_at.max(now.saturating_add(milliseconds(write.ttl)));
        self.sweep(now);
        Written::Kept(removed_at)
    }

    /// Forgets partitions, and remembers that it did.
    pub fn remove(&mut self, partitions: &[Id], now: u64) {
        self.sweep(now);
        for partition in partitions {
            self.remove_named(partition.text(), now);
        }
    }

    /// Forgets every partition of a user.
    pub fn remove_user(&mut self, user: Id, now: u64) {
        self.sweep(now);
        let user = user.text();
        let own: Vec<_> =
            self.partitions.iter().filter(|(_, kept)| kept.user.as_ref() == Some(&user)).collect();
        for name in own.into_iter().map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            self.remove_named(name, now);
        }
    }

    /// Forgets one field if it holds what is meant. False where it does not.
    pub fn remove_field(&mut self, partition: Id, field: &str, is_it: impl Fn(&[u8]) -> bool) -> bool {
        let Some(partition) = self.partitions.get_mut(&partition.text()) else { return false };
        let meant = partition.fields.get(field).is_some_and(|value| is_it(&value.0));
        if meant {
            partition.fields.remove(field);
        }
        meant
    }

    /// True where nothing is there, and no removal has to be remembered either.
    pub fn is_empty(&self) -> bool {
        self.partitions.is_empty()
    }

    fn remove_named(&mut self, name: String, now: u64) {
        let before = self.partitions.get(&name).map_or(0, |found| found.removed_at);
        let removed_at = now.max(before + 1);
        let (user, fields) = (None, BTreeMap::new());
        let ends_at = now + REMOVAL_REMEMBERED;
        self.partitions.insert(name, Partition { ends_at, removed_at, user, fields });
    }

    fn sweep(&mut self, now: u64) {
        self.partitions
            .retain(|_, kept| kept.ends_at > now && (kept.removed_at > 0 || !kept.fields.is_empty()));
    }
}

/// Who asks Entra at the moment. In a file of its own: losing it costs one request more.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Leases {
    #[serde(default)]
    held: BTreeMap<String, Held>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Held {
    holder: String,
    until: u64,
}

impl Leases {
    /// True where the lease was free, and is the holder's from now on.
    pub fn take(&mut self, lease: Lease, now: u64) -> bool {
        let longest = now + milliseconds(LEASE);
        // One that ends later than any lease can was taken before the clock was moved back.
        self.held.retain(|_, held| held.until > now && held.until <= longest);
        let name = lease.of.text();
        if self.held.contains_key(&name) {
            return false;
        }
        self.held.insert(name, Held { holder: lease.holder, until: longest });
        true
    }

    /// Gives back what is still held. False where it is not.
    pub fn release(&mut self, lease: &Lease) -> bool {
        let name = lease.of.text();
        let ours = self.held.get(&name).is_some_and(|held| held.holder == lease.holder);
        if ours {
            self.held.remove(&name);
        }
        ours
    }

    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }
}

fn head(value: &[u8]) -> &[u8] {
    value.get(..STAMP).unwrap_or(value)
}

/// Zero for a value that is none of ours: anything replaces it.
fn stamp(value: &[u8]) -> u64 {
    std::str::from_utf8(head(value)).ok().and_then(|digits| digits.parse().ok()).unwrap_or_default()
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
