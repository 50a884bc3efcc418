//! The token cache as every MSAL writes it: one JSON document, read and written here, used for import and export.
//!
//! | file | what it does |
//! |---|---|
//! | `entity.rs` | one entry: the members that have a meaning, and everything else as it came |
//! | `document.rs` | the whole: five sections of entries; read leniently entry by entry, written strictly |
//! | `reader.rs` | the JSON of it, read fast |
//! | `import.rs`, `export.rs` | between a document and the caches of a client |
//! | `ledger.rs` | what a document holds and the caches do not: people, ID tokens, other applications' entries |
//!
//! Readers of the libraries differ in how they find an entry (by key, by fields, by both) and in what they refuse. What
//! is written here suits all of them: MSAL Python's keys, every date as text, `token_type` always.

mod document;
mod entity;
mod export;
mod import;
mod ledger;
#[cfg(any(test, fuzzing))]
pub(super) mod properties;
mod reader;

use std::fmt;

use zeroize::Zeroizing;

use crate::client::Account;
pub(crate) use ledger::Ledger;

/// A token cache in MSAL's format. It holds refresh tokens: keep it as you keep passwords.
///
/// ```no_run
/// # fn example(client: shared_auth::ConfidentialClient) -> std::io::Result<()> {
/// let cache = client.export_msal_cache(&Default::default());
/// std::fs::write("token_cache.json", cache.expose_secret())?;
/// # Ok(())
/// # }
/// ```
pub struct MsalCache(Zeroizing<String>);

impl MsalCache {
    /// The JSON text, for a place that nobody else can read.
    pub fn expose_secret(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for MsalCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MsalCache(…)")
    }
}

/// How an export is written, where the readers differ.
///
/// ```
/// # fn example(client: shared_auth::ConfidentialClient) {
/// use shared_auth::MsalExport;
///
/// // For msal-node, at an authority whose port is not 443.
/// let cache = client.export_msal_cache(&MsalExport::new().environment("localhost:8443"));
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct MsalExport {
    environment: Option<String>,
    on_behalf_of: bool,
}

impl MsalExport {
    /// What suits every library, as far as one document can.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name of the authority's host in the document; by default the configured host without its port, as MSAL
    /// Python and MSAL.NET have it. msal-node and MSAL Go want the port where it is not 443 (`localhost:8443`). For the
    /// hosts of Microsoft's clouds nothing is needed: every library tries all names of them.
    #[must_use]
    pub fn environment(mut self, environment: impl Into<String>) -> Self {
        self.environment = Some(environment.into());
        self
    }

    /// With the tokens that were got on behalf of callers. Not by default: MSAL Python and the silent request of
    /// msal-node do not tell them from tokens that the user signed in for.
    #[must_use]
    pub fn with_on_behalf_of(mut self) -> Self {
        self.on_behalf_of = true;
        self
    }
}

/// What an import brought.
///
/// ```
/// use shared_auth::MsalImport;
///
/// fn summary(import: &MsalImport) -> String {
///     format!("{} users, {} refresh tokens", import.accounts.len(), import.refresh_tokens)
/// }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MsalImport {
    /// The users for whom there is a token or a refresh token of this application.
    pub accounts: Vec<Account>,
    /// Access tokens that can be used now, of users and of the application itself.
    pub access_tokens: usize,
    /// Refresh tokens.
    pub refresh_tokens: usize,
    /// Access tokens that are of no use any more, or claim impossible times. They are gone.
    pub ended: usize,
    /// Entries that are another application's, another authority's, or of a kind that is not used here. They are never
    /// looked at again, but the next export has them.
    pub set_aside: usize,
}

/// Why a document was not imported. Nothing was changed. No message quotes the document.
///
/// ```
/// # fn example(client: shared_auth::ConfidentialClient) {
/// use shared_auth::MsalCacheError;
///
/// match client.import_msal_cache(b"\x01\x00\x00\x00") {
///     Err(error @ MsalCacheError::Protected) => println!("{error}"), // … encrypted by DPAPI, a keychain …
///     other => println!("{other:?}"),
/// }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MsalCacheError {
    /// It does not begin like JSON.
    #[error(
        "the token cache was not imported: it does not begin with \"{{\", so it is encrypted (by DPAPI, a keychain or \
         ASP.NET data protection) or something else; export it unprotected from the program that wrote it"
    )]
    Protected,
    /// It breaks off, or is no JSON.
    #[error(
        "the token cache was not imported: it is not JSON from line {line}, column {column} on; was it cut off? Nothing \
         was changed"
    )]
    NotJson {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// A section is something else than an object.
    #[error(
        "the token cache was not imported: its member \"{0}\" is not an object of entries. Nothing was changed"
    )]
    NotACache(&'static str),
    /// More than can be set aside.
    #[error(
        "the token cache was not imported: entries of other applications and authorities, which are kept for the next \
         export, would take more than {limit} bytes; import the part that belongs to this application"
    )]
    TooMuchSetAside {
        /// The limit, in bytes.
        limit: usize,
    },
}

impl MsalCacheError {
    /// Where `text` is no JSON. serde_json's own message would quote a piece of it.
    fn not_json(text: &str) -> Self {
        match serde_json::from_str::<serde_json::Value>(text) {
            Err(error) => Self::NotJson { line: error.line(), column: error.column() },
            Ok(_) => Self::NotJson { line: 1, column: 1 },
        }
    }
}
