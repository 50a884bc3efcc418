//! Times to wait that Entra named, kept for each key: who was told to wait does not ask again before.
//!
//! The key is the one of the request: authority, tenant, client, account or assertion, scopes and claims, but not why it
//! is made (forced, ahead of time). One user's time to wait never stops another.

use jiff::Timestamp;
use quick_cache::sync::Cache;

use crate::error::{Error, Throttled};

/// More keys than this at once are a storm; the least used are forgotten.
const KEYS: usize = 10_000;

/// The times to wait.
#[derive(Debug)]
pub(super) struct Throttle {
    until: Cache<String, Throttled>,
}

impl Default for Throttle {
    fn default() -> Self {
        Self { until: Cache::new(KEYS) }
    }
}

impl Throttle {
    /// The remembered refusal, while its time has not passed.
    pub fn check(&self, key: &str, now: Timestamp) -> Result<(), Error> {
        match self.until.get(key) {
            Some(throttled) if now < throttled.until => Err(throttled.into()),
            Some(_) => {
                self.until.remove(key);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Keeps an answer that names a time; other errors are nobody's to repeat.
    pub fn remember(&self, key: String, error: &Error) {
        if let Error::Throttled(throttled) = error {
            self.until.insert(key, (**throttled).clone());
        }
    }
}
