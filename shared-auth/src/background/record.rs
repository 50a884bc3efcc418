//! What is filed for one piece of work: whose it is, what is to be done, the key to the user's tokens, the outcome.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::Progress;
use crate::env::ConfigError;
use crate::error::Error;
use crate::flows::long_running::LongRunningKey;
use crate::jwt::UserClaims;

/// The user in the tenant that the work was accepted from.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Owner {
    tenant: String,
    user: String,
}

impl Owner {
    pub fn of(caller: &UserClaims) -> Self {
        Self { tenant: caller.tenant_id.clone(), user: caller.object_id.clone() }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record<T, R> {
    pub owner: Owner,
    pub key: LongRunningKey,
    pub input: T,
    /// How often a worker has begun.
    pub attempts: u32,
    pub progress: Progress<R>,
}

impl<T, R> Record<T, R> {
    pub fn accepted(owner: Owner, key: LongRunningKey, input: T) -> Self {
        Self { owner, key, input, attempts: 0, progress: Progress::Accepted }
    }
}

impl<T: Serialize, R: Serialize> Record<T, R> {
    pub fn to_bytes(&self) -> Result<Zeroizing<Vec<u8>>, Error> {
        serde_json::to_vec(self).map(Zeroizing::new).map_err(|error| {
            let problem =
                format!("cannot be written as JSON ({error}); its maps need text as keys, for example");
            ConfigError::new("background work", problem).into()
        })
    }
}

impl<T: DeserializeOwned, R: DeserializeOwned> Record<T, R> {
    /// `None` for a record of another version of the program.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}
