//! Families of applications (FOCI): a refresh token that any member may use. Some of Microsoft's own applications are in
//! one; Entra says so with `foci` beside the token.
//!
//! Members that share a cache on disk share who has signed in: the second one is silent from its first run on. An
//! application that is no member tries once, is told `client_mismatch`, and asks its user.

use crate::cache::SharedLevel;
use crate::cache::file::FileCache;
use crate::client::Account;
use crate::clock::SharedClock;
use crate::protocol::token_response::TokenResponse;
use crate::secret::RefreshToken;
use secrecy::ExposeSecret;

/// There is one, and it has this name.
const NAME: &str = "1";
const TOKENS: &str = "refresh tokens";
const ACCOUNTS: &str = "accounts";

/// What a family shares; nothing without a cache on disk.
#[derive(Debug, Default)]
pub(crate) struct Family {
    disk: Option<SharedLevel>,
}

impl Family {
    /// Beside the files of the single applications, a file for all.
    pub fn on(cache: Option<&FileCache>, environment: &str, clock: &SharedClock) -> Self {
        Self { disk: cache.map(|cache| cache.level(environment, "family", NAME, clock.clone())) }
    }

    /// Who has signed in to any member.
    pub async fn accounts(&self) -> Vec<Account> {
        let Some(disk) = &self.disk else { return Vec::new() };
        let records = disk.records(ACCOUNTS).await.unwrap_or_default();
        records.iter().filter_map(|record| serde_json::from_slice(record).ok()).collect()
    }

    /// The token that some member got for this account.
    pub async fn refresh_token(&self, home_account_id: &str) -> Option<RefreshToken> {
        let home = home_account_id.to_ascii_lowercase();
        let records = self.disk.as_ref()?.records(TOKENS).await?;
        // The record says whose it is: names of records are hashes.
        let of_account = |record: &[u8]| {
            let (whose, token) = std::str::from_utf8(record).ok()?.split_once('\n')?;
            (whose == home).then(|| RefreshToken::new(token))
        };
        records.iter().find_map(|record| of_account(record))
    }

    /// Somebody signed in; for members only.
    pub async fn signed_in(&self, account: &Account, tokens: &TokenResponse) {
        if let (Some(disk), Some(_), Ok(json)) = (&self.disk, &tokens.foci, serde_json::to_vec(account)) {
            disk.put_record(ACCOUNTS, &name(account), &json).await;
            self.renewed(&account.home_account_id, tokens).await;
        }
    }

    /// A new refresh token came along; for members only.
    pub async fn renewed(&self, home_account_id: &str, tokens: &TokenResponse) {
        if let (Some(disk), Some(_), Some(token)) = (&self.disk, &tokens.foci, &tokens.refresh_token) {
            let home = home_account_id.to_ascii_lowercase();
            let record = zeroize::Zeroizing::new(format!("{home}\n{}", token.expose_secret()));
            disk.put_record(TOKENS, &home, record.as_bytes()).await;
        }
    }

    /// Entra called a token dead; its successor, which another member may have got, stays.
    pub async fn refused(&self, home_account_id: &str, refused: &RefreshToken) {
        let kept = self.refresh_token(home_account_id).await;
        if let (Some(disk), Some(kept)) = (&self.disk, kept)
            && kept.expose() == refused.expose()
        {
            disk.remove_record(TOKENS, &home_account_id.to_ascii_lowercase());
        }
    }

    /// Somebody signed out: of every member, for any of them could sign them in again.
    pub fn forget(&self, account: &Account) {
        if let Some(disk) = &self.disk {
            disk.remove_record(ACCOUNTS, &name(account));
            disk.remove_record(TOKENS, &account.home_account_id.to_ascii_lowercase());
        }
    }

    /// Waits until what was forgotten is gone from the disk.
    pub async fn settled(&self) {
        if let Some(disk) = &self.disk {
            disk.settled().await;
        }
    }
}

fn name(account: &Account) -> String {
    format!("{} in {}", account.home_account_id.to_ascii_lowercase(), account.tenant_id)
}
