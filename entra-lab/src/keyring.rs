//! The signing keys of one lab: which sign, which are published, and what `POST /lab/keys` does to them.
//!
//! Every lab of a process starts with the same two keys, because making RSA keys is slow; a rotation
//! makes new ones for this lab only, and a reset goes back to the first two.

use std::sync::{Arc, PoisonError, RwLock};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::errors::SERVER_ERROR;
use crate::keys::{KeyError, Keys, SigningKey, make};
use crate::refusal::Refusal;

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

/// The keys of one lab. Empty until somebody needs them: the lab answers before they are made.
#[derive(Debug, Default)]
pub struct Keyring {
    ring: RwLock<Option<Ring>>,
}

#[derive(Debug, Clone)]
struct Ring {
    published: Vec<Arc<SigningKey>>,
    active: Arc<SigningKey>,
    set: KeySet,
}

impl Keyring {
    /// The key that signs.
    pub fn active(&self) -> Result<Arc<SigningKey>, Refusal> {
        self.look(|ring| Arc::clone(&ring.active)).map_err(|error| {
            tracing::error!(%error, "there is no signing key");
            SERVER_ERROR.into()
        })
    }

    /// The published key with this id.
    pub fn find(&self, kid: &str) -> Option<Arc<SigningKey>> {
        self.look(|ring| ring.published.iter().find(|k| k.kid == kid).cloned()).ok()?
    }

    pub fn published(&self) -> Vec<Arc<SigningKey>> {
        self.look(|ring| ring.published.clone()).unwrap_or_default()
    }

    /// What the key documents show.
    pub fn set(&self) -> KeySet {
        self.look(|ring| ring.set).unwrap_or_default()
    }

    pub fn reset(&self) {
        *self.write() = None;
    }

    /// Applies a change; the answer names the key that signs from now on.
    pub fn apply(&self, change: KeyChange) -> Result<Value, String> {
        let mut ring = self.look(Ring::clone).map_err(|e| e.to_string())?;
        match change {
            KeyChange::Publish { set } => ring.set = set,
            KeyChange::Rotate { grace } => {
                let fresh = || make().map(Arc::new).map_err(|e| e.to_string());
                if grace {
                    // The last one has been in the document, so clients know it.
                    if let Some(waiting) = ring.published.last() {
                        ring.active = Arc::clone(waiting);
                    }
                    ring.published.push(fresh()?);
                    let extra = ring.published.len().saturating_sub(MOST_PUBLISHED);
                    ring.published.drain(..extra);
                } else {
                    ring.active = fresh()?;
                    ring.published = vec![Arc::clone(&ring.active), fresh()?];
                }
            }
        }
        let active = ring.active.kid.clone();
        *self.write() = Some(ring);
        Ok(json!({ "active": active }))
    }

    fn look<T>(&self, at: impl FnOnce(&Ring) -> T) -> Result<T, KeyError> {
        if let Some(ring) = &*self.ring.read().unwrap_or_else(PoisonError::into_inner) {
            return Ok(at(ring));
        }
        // Waits for the keys if they are being made.
        let first = Keys::shared()?;
        Ok(at(self.write().get_or_insert_with(|| Ring::of(&first))))
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Option<Ring>> {
        self.ring.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ring {
    fn of(keys: &Keys) -> Self {
        let published = keys.published.to_vec();
        Self { active: Arc::clone(&keys.published[0]), published, set: KeySet::Normal }
    }
}
