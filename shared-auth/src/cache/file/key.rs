//! The key that seals the cache: in the operating system's key store where there is one, otherwise in a file.
//!
//! Key stores are Secret Service on D-Bus (GNOME, KDE), the Keychain and the Windows Credential Manager, all behind
//! `keyring`. Its calls block, and one that asks the person at the screen may block for long; so each runs on a thread
//! of its own, with a time limit.

use std::path::Path;
use std::time::Duration;

use keyring::v1::{Entry, Error as KeyringError};
use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::owner::Owner;
use super::sealed::{read_secret, write_secret};
use super::{FileCacheError, KeyPlace};
use crate::cache::seal::KeyRing;

/// Long enough to type the password of a locked key store.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
const ENTRY: &str = "token cache key";
const KEY_FILE: &str = "key";

/// Where the key is looked for.
#[derive(Debug)]
pub(super) struct KeySource<'a> {
    pub app: &'a str,
    /// Where a key file lies, if there is one.
    pub folder: &'a Path,
    /// Where the cache lies: to be opened by the key that it was sealed with.
    pub cache_folder: &'a Path,
    pub owner: Owner,
    pub key_store: bool,
}

impl KeySource<'_> {
    /// The key, made where there is none yet. To be called by whoever holds the lock.
    pub async fn key(&self) -> Result<(KeyRing, KeyPlace), FileCacheError> {
        if let Some(found) = self.kept_in_a_file()? {
            return Ok(found);
        }
        if !self.key_store {
            return self.new_file();
        }
        match from_store(self.app.to_owned()).await {
            Ok(keys) => Ok((keys, KeyPlace::KeyStore)),
            // It was sealed with a key that is out of reach, not lost: a new key would throw the cache away.
            Err(reason) if self.is_there_a_cache() => {
                Err(FileCacheError::KeyStoreAway { folder: self.cache_folder.to_owned(), reason })
            }
            Err(reason) => {
                let (keys, place) = self.new_file()?;
                tracing::warn!(
                    "there is no key store to keep the key of the token cache in ({reason}); it lies in {}, readable by \
                     this user only. Whoever copies both files can read the tokens",
                    self.folder.join(KEY_FILE).display()
                );
                Ok((keys, place))
            }
        }
    }

    fn kept_in_a_file(&self) -> Result<Option<(KeyRing, KeyPlace)>, FileCacheError> {
        let path = self.folder.join(KEY_FILE);
        match read_secret(&path, self.owner) {
            Ok(Ok(None)) => Ok(None),
            Ok(Ok(Some(text))) if let Ok(keys) = text.parse() => Ok(Some((keys, KeyPlace::KeyFile(path)))),
            Ok(unusable) => {
                // Somebody else may know the key, or it is none: what it sealed is not worth keeping.
                tracing::warn!(
                    "the key file {} cannot be trusted ({}); it was deleted, and a new key is made. Sign in once more",
                    path.display(),
                    if unusable.is_ok() { "it holds no key" } else { "others can read or replace it" }
                );
                std::fs::remove_file(&path).map_err(|error| self.failed(&error))?;
                Ok(None)
            }
            Err(error) => Err(self.failed(&error)),
        }
    }

    fn new_file(&self) -> Result<(KeyRing, KeyPlace), FileCacheError> {
        let (keys, text) = KeyRing::generate().map_err(|_| FileCacheError::NoRandomness)?;
        let path = self.folder.join(KEY_FILE);
        write_secret(&path, &text, self.owner).map_err(|error| self.failed(&error))?;
        Ok((keys, KeyPlace::KeyFile(path)))
    }

    fn is_there_a_cache(&self) -> bool {
        let files = std::fs::read_dir(self.cache_folder).into_iter().flatten().flatten();
        files.into_iter().any(|file| file.path().extension().is_some_and(|ending| ending == "cache"))
    }

    fn failed(&self, error: &std::io::Error) -> FileCacheError {
        FileCacheError::Folder { folder: self.folder.to_owned(), reason: error.to_string() }
    }
}

/// The key that the key store keeps for the program, or a new one that it keeps from now on.
async fn from_store(app: String) -> Result<KeyRing, String> {
    let (tell, told) = oneshot::channel();
    // Not one of the runtime's threads: those are waited for at the end of the program.
    let begun = std::thread::Builder::new().name("key store".to_owned()).spawn(move || {
        let _nobody_waits_any_more = tell.send(ask_store(&app));
    });
    begun.map_err(|error| error.to_string())?;
    match tokio::time::timeout(LONGEST_WAIT, told).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err("asking it was broken off".to_owned()),
        Err(_) => Err("it did not answer within a minute; it may be locked".to_owned()),
    }
}

fn ask_store(app: &str) -> Result<KeyRing, String> {
    if let Err(error) = Entry::store_status() {
        return Err(sentence(error));
    }
    let entry = Entry::new(app, ENTRY).map_err(|error| sentence(&error))?;
    match entry.get_password().map(Zeroizing::new) {
        Ok(text) => {
            if let Ok(keys) = text.parse() {
                return Ok(keys);
            }
            tracing::warn!("the key store's entry for {app} holds no key; it is replaced. Sign in once more");
        }
        Err(KeyringError::NoEntry) => {}
        Err(error) => return Err(sentence(&error)),
    }
    let (keys, text) = KeyRing::generate().map_err(|_| "the system has no random numbers".to_owned())?;
    entry.set_password(&text).map_err(|error| sentence(&error))?;
    // A store that forgets would make every start lose the cache.
    match entry.get_password().map(Zeroizing::new) {
        Ok(kept) if *kept == *text => Ok(keys),
        _ => Err("it does not keep what it is given".to_owned()),
    }
}

/// Without what the store may have repeated of the secret.
fn sentence(error: &KeyringError) -> String {
    match error {
        KeyringError::NoDefaultStore => "none answers".to_owned(),
        KeyringError::NoStorageAccess(_) => "it is locked, or refuses access".to_owned(),
        KeyringError::PlatformFailure(error) => error.to_string(),
        KeyringError::Ambiguous(_) => "it holds several keys for this program".to_owned(),
        _ => "it cannot be used".to_owned(),
    }
}
