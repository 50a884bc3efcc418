//! What serves once, in memory: sign-ins under way, challenges and forms that wait for one.
//!
//! Apart from the sessions, so that whoever begins sign-ins without end takes no room from those who are signed in.

use std::time::Duration;

use moka::sync::Cache;

use super::OnceKey;

/// As long as a sign-in may take.
pub(super) const LIFETIME: Duration = Duration::from_secs(15 * 60);
/// All of it together: about 15,000 sign-ins.
const MEMORY_LIMIT_BYTES: u64 = 32 * 1024 * 1024;

#[derive(Debug, Clone)]
pub(super) struct Once {
    kept: Cache<OnceKey, Vec<u8>>,
}

impl Once {
    pub fn new() -> Self {
        let weigh = |_: &OnceKey, value: &Vec<u8>| u32::try_from(value.len() + 128).unwrap_or(u32::MAX);
        let kept =
            Cache::builder().max_capacity(MEMORY_LIMIT_BYTES).weigher(weigh).time_to_live(LIFETIME).build();
        Self { kept }
    }

    pub fn keep(&self, key: &OnceKey, value: Vec<u8>) {
        self.kept.insert(*key, value);
    }

    /// Looking and taking are one step.
    pub fn take(&self, key: &OnceKey) -> Option<Vec<u8>> {
        self.kept.remove(key)
    }
}
