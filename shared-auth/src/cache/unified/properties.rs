//! What holds of a token cache in MSAL's format: it is refused in one line, or serves after an export as it did before.

use std::sync::Arc;

use jiff::Timestamp;
use serde::de::IgnoredAny;

use super::document::Document;
use super::{MsalExport, MsalImport};
use crate::client::{Account, ConfidentialClient};
use crate::clock::ManualClock;
use crate::config::{EntraConfig, PUBLIC_CLOUD};
use crate::credential::ClientCredential;
use crate::properties::is_one_line;

const TENANT: &str = "10000000-0000-4000-8000-000000000001";
const CLIENT: &str = "c0ffee00-0000-4000-8000-000000003000";

/// A document, imported, exported, and imported again by somebody else.
pub fn msal_cache(data: &[u8]) {
    if let Err(error) = Document::parse(data) {
        is_one_line(&error.to_string());
        return;
    }
    let (Some(one), Some(other)) = (client(), client()) else { return };
    let Ok(imported) = one.import_msal_cache(data).map_err(|error| is_one_line(&error.to_string())) else {
        return;
    };
    let again = through(&one, &other);
    assert!(again.access_tokens <= 2 * imported.access_tokens, "{imported:?} {again:?}");
    assert!(again.accounts.iter().all(|account| imported.accounts.contains(account)));
    // What was written once serves for ever. (Entries that are nobody's may give way to ours of the same key.)
    let Some(third) = client() else { return };
    let once_more = through(&other, &third);
    assert_eq!(ours(&once_more), ours(&again));
}

fn ours(import: &MsalImport) -> (&[Account], usize, usize) {
    (&import.accounts, import.access_tokens, import.refresh_tokens)
}

fn through(from: &ConfidentialClient, to: &ConfidentialClient) -> MsalImport {
    let exported = from.export_msal_cache(&MsalExport::new().with_on_behalf_of());
    let text = exported.expose_secret();
    assert!(serde_json::from_str::<IgnoredAny>(text).is_ok(), "an export is JSON");
    let imported = to.import_msal_cache(text);
    assert!(imported.is_ok(), "{imported:?}");
    imported.unwrap_or_default()
}

fn client() -> Option<ConfidentialClient> {
    let host = url::Url::parse(PUBLIC_CLOUD).ok()?;
    let config = EntraConfig::new(host, TENANT, CLIENT, ClientCredential::secret("secret"));
    let clock = ManualClock::at(Timestamp::from_second(1_800_000_000).ok()?);
    ConfidentialClient::builder(config).clock(Arc::new(clock)).memory_limit_bytes(1024 * 1024).build().ok()
}
