//! Who has signed in here: the list that a program looks at before it asks anybody.
//!
//! An account holds no token; the tokens lie in the caches, under the account's id. Where there is a cache on disk the
//! list lies there too, sealed, so that the next run knows whom to ask for.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::cache::SharedLevel;
use crate::client::Account;

const LIST: &str = "accounts";

/// The accounts of one client. Clones share the list.
#[derive(Debug, Clone)]
pub(super) struct Accounts {
    /// All of them where there is no disk; otherwise those that it did not take.
    known: Arc<Mutex<Vec<Account>>>,
    disk: Option<SharedLevel>,
}

impl Accounts {
    pub fn new(disk: Option<SharedLevel>) -> Self {
        Self { known: Arc::default(), disk }
    }

    /// The latest first.
    pub async fn all(&self) -> Vec<Account> {
        let kept = match &self.disk {
            Some(disk) => disk.records(LIST).await.unwrap_or_default(),
            None => Vec::new(),
        };
        let mut all = self.known().clone();
        for account in kept.iter().filter_map(|record| serde_json::from_slice(record).ok()) {
            if !all.iter().any(|known| is_the_same(known, &account)) {
                all.push(account);
            }
        }
        all
    }

    /// Somebody signed in.
    pub async fn add(&self, account: &Account) {
        let on_disk = match (&self.disk, serde_json::to_vec(account)) {
            (Some(disk), Ok(record)) => disk.put_record(LIST, &name(account), &record).await,
            _ => false,
        };
        let mut known = self.known();
        known.retain(|old| !is_the_same(old, account));
        if !on_disk {
            known.insert(0, account.clone());
        }
    }

    /// Somebody signed out.
    pub fn remove(&self, account: &Account) {
        self.known().retain(|old| !is_the_same(old, account));
        if let Some(disk) = &self.disk {
            disk.remove_record(LIST, &name(account));
        }
    }

    fn known(&self) -> MutexGuard<'_, Vec<Account>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One user in one tenant; the user name may have changed.
fn is_the_same(one: &Account, other: &Account) -> bool {
    name(one) == name(other)
}

fn name(account: &Account) -> String {
    format!("{} in {}", account.home_account_id.to_ascii_lowercase(), account.tenant_id)
}
