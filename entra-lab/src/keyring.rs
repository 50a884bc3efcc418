//! The signing keys of one lab: which sign, which are published, and what `POST /lab/keys` does to them.
//!
//! Every lab of a process starts with the same two keys, because making RSA keys is slow; a rotation
//! makes new ones for this lab only, and a reset goes back to the first two.

use std::sync::{Arc, PoisonError, RwLock};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::keys::{Keys, SigningKey, make};

/// How many keys a roll-over with grace leaves in the document.
const MOST_PUBLISHED: usize = 4;

/// A change of the keys. The JSON has the name of the variant as `action`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case", deny_unknown_fields)]
pub enum KeyChange {
    /// Another key signs. With grace it is the one that was published already, and the old one stays
    /// in the document; without grace only new keys are there, and tokens of the old one are refused.
    Rotate { grace: bool },
    /// What the key documents show.
    Publish { set: KeySet },
}

/// What the key documents show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeySet {
    #[default]
    Normal,
    /// A valid document without keys.
    Empty,
    /// A document that ends in the middle.
    Broken,
}

/// The keys of one lab.
#[derive(Debug)]
pub struct Keyring {
    first: Arc<Keys>,
    ring: RwLock<Ring>,
}

#[derive(Debug, Clone)]
struct Ring {
    published: Vec<Arc<SigningKey>>,
    active: Arc<SigningKey>,
    set: KeySet,
}

impl Keyring {
    pub fn new(first: Arc<Keys>) -> Self {
        let ring = RwLock::new(Ring::of(&first));
        Self { first, ring }
    }

    /// The key that signs.
    pub fn active(&self) -> Arc<SigningKey> {
        Arc::clone(&self.read().active)
    }

    /// The published key with this id.
    pub fn find(&self, kid: &str) -> Option<Arc<SigningKey>> {
        self.read().published.iter().find(|k| k.kid == kid).cloned()
    }

    pub fn published(&self) -> Vec<Arc<SigningKey>> {
        self.read().published.clone()
    }

    /// What the key documents show.
    pub fn set(&self) -> KeySet {
        self.read().set
    }

    pub fn reset(&self) {
        *self.write() = Ring::of(&self.first);
    }

    /// Applies a change; the answer names the key that signs from now on.
    pub fn apply(&self, change: KeyChange) -> Result<Value, String> {
        match change {
            KeyChange::Publish { set } => self.write().set = set,
            KeyChange::Rotate { grace } => {
                // Made before the lock is taken: it takes a while.
                let mut fresh = vec![Arc::new(make().map_err(|e| e.to_string())?)];
                if !grace {
                    fresh.push(Arc::new(make().map_err(|e| e.to_string())?));
                }
                let mut ring = self.write();
                if grace {
                    // The last one has been in the document, so clients know it.
                    ring.active = ring.published.last().cloned().unwrap_or_else(|| Arc::clone(&fresh[0]));
                    ring.published.extend(fresh);
                    let extra = ring.published.len().saturating_sub(MOST_PUBLISHED);
                    ring.published.drain(..extra);
                } else {
                    ring.active = Arc::clone(&fresh[0]);
                    ring.published = fresh;
                }
            }
        }
        Ok(json!({ "active": self.active().kid }))
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Ring> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Ring> {
        self.ring.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    fn of(keys: &Keys) -> Self {
        let published = keys.published.to_vec();
        Self { active: Arc::clone(&keys.published[0]), published, set: KeySet::Normal }
    }
}
