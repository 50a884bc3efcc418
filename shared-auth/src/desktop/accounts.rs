//! Who has signed in here: the list that a program looks at before it asks anybody.
//!
//! An account holds no token; the tokens lie in the caches, under the account's id.

use std::sync::{Arc, Mutex, PoisonError};

use crate::client::Account;

/// The accounts of one client. Clones share the list.
#[derive(Debug, Clone, Default)]
pub(super) struct Accounts {
    known: Arc<Mutex<Vec<Account>>>,
}

impl Accounts {
    /// The latest first.
    pub async fn all(&self) -> Vec<Account> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Somebody signed in.
    pub async fn add(&self, account: &Account) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|old| !is_the_same(old, account));
        known.insert(0, account.clone());
    }

    /// Somebody signed out.
    pub async fn remove(&self, account: &Account) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).retain(|old| !is_the_same(old, account));
    }
}

/// One user in one tenant; the name may have changed.
fn is_the_same(one: &Account, other: &Account) -> bool {
    one.home_account_id.eq_ignore_ascii_case(&other.home_account_id) && one.tenant_id == other.tenant_id
}
