//! The token cache on disk, for programs that a person runs: sealed, the user's alone, safe among processes.
//!
//! | file | what it is |
//! |---|---|
//! | `backend.rs` | the level behind memory: reads, writes and removals on the disk |
//! | `contents.rs` | what the file says, and the rules of writing |
//! | `sealed.rs` | one sealed file: read with distrust, replaced in one step, set aside |
//! | `owner.rs` | the user's own files: mode 600, no links |
//! | `lock.rs` | one writer at a time |
//! | `watch.rs` | other processes' writes, noticed |
//! | `key.rs` | the key, in the key store of the system or in a file |
//!
//! Nothing that goes wrong here fails an acquisition: memory and Entra go on, and a line in the log says what helps.

mod backend;
mod contents;
mod key;
mod lock;
mod owner;
mod sealed;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use etcetera::base_strategy::{BaseStrategy, choose_native_strategy};

use self::backend::FileBackend;
use self::key::KeySource;
use self::lock::Lock;
use self::owner::Owner;
use self::sealed::Events;
use super::key::Id;
use super::seal::KeyRing;
use super::shared::SharedLevel;
use crate::clock::SharedClock;

/// The folder within the program's own.
const FOLDER: &str = "token-cache";

/// A folder in which a program keeps its tokens between runs, and the key that seals them. Clones share both.
///
/// Whoever reads the files finds no token, no name and no address. Several processes may use them at once.
///
/// ```no_run
/// # async fn example() -> Result<(), shared_auth::FileCacheError> {
/// use shared_auth::{FileCache, KeyPlace};
///
/// let cache = FileCache::open("my-program").await?;
/// if let KeyPlace::KeyFile(path) = cache.key_place() {
///     eprintln!("no key store here: the key lies in {}", path.display());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct FileCache {
    folder: PathBuf,
    keys: KeyRing,
    key_place: KeyPlace,
    owner: Owner,
    events: Arc<Events>,
}

/// Where the key lies that opens the cache.
///
/// ```
/// use shared_auth::KeyPlace;
///
/// let warning = match KeyPlace::KeyStore {
///     KeyPlace::KeyFile(path) => Some(format!("whoever copies {} can read the tokens", path.display())),
///     _ => None,
/// };
/// assert_eq!(warning, None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyPlace {
    /// In the key store of the operating system: Secret Service, Keychain, Credential Manager.
    KeyStore,
    /// In a file that only its user can read: there is no key store here, or there was none when the key was made.
    KeyFile(PathBuf),
}

/// Why there is no cache on disk. A program can go on without: its users sign in at each start.
///
/// ```no_run
/// # async fn example() {
/// use shared_auth::FileCache;
///
/// let cache = match FileCache::open("my-program").await {
///     Ok(cache) => Some(cache),
///     Err(error) => {
///         eprintln!("{error}");
///         None
///     }
/// };
/// # let _ = cache;
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileCacheError {
    /// The name is part of paths.
    #[error(
        "\"{0}\" cannot name a program's token cache: it takes letters, digits, `-`, `_` and `.`, at most 64 of them"
    )]
    Name(String),
    /// The user has no home.
    #[error(
        "the token cache has no place: no home folder is known. Set HOME, or choose a folder for the cache"
    )]
    NoHome,
    /// The folder cannot be made, or is not the user's alone.
    #[error("the token cache cannot be kept in {folder}: {reason}")]
    Folder {
        /// Where it was tried.
        folder: PathBuf,
        /// What happened.
        reason: String,
    },
    /// There is a cache, and its key is out of reach.
    #[error(
        "the token cache in {folder} is sealed with a key in the system's key store, which cannot be reached ({reason}). \
         Unlock the key store, or start this within the desktop session; or delete the folder, and sign in again"
    )]
    KeyStoreAway {
        /// Where the cache lies.
        folder: PathBuf,
        /// What the key store said.
        reason: String,
    },
    /// The system's random generator does not answer.
    #[error("the token cache has no key: the system has no random numbers")]
    NoRandomness,
}

/// How it stands with the files.
///
/// ```no_run
/// # fn example(cache: shared_auth::FileCache) {
/// let state = cache.state();
/// if state.set_aside > 0 {
///     eprintln!("{} files could not be used; they lie in {}", state.set_aside, cache.folder().display());
/// }
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileCacheState {
    /// Files that could not be used and were renamed, since the start: damaged, foreign, a link.
    pub set_aside: u64,
    /// Files that others could read, until this program changed that.
    pub narrowed: u64,
    /// Values in the files that could not be opened, since the start.
    pub unreadable: u64,
}

/// Options for a [`FileCache`].
///
/// ```no_run
/// # async fn example() -> Result<(), shared_auth::FileCacheError> {
/// use shared_auth::FileCache;
///
/// let cache = FileCache::builder("my-program").folder("/var/lib/my-program").key_file().open().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing happens before `open`"]
pub struct FileCacheBuilder {
    app: String,
    folder: Option<PathBuf>,
    key_store: bool,
}

impl FileCacheBuilder {
    /// Keeps the files, and the key where there is no key store, in this folder. It is made if need be, and is the
    /// user's alone (mode 700).
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Never asks the system's key store: the key lies in a file.
    pub fn key_file(mut self) -> Self {
        self.key_store = false;
        self
    }

    /// Makes the folders and gets the key. The key store may ask the user to unlock it; a minute is waited for that.
    ///
    /// # Errors
    /// [`FileCacheError`], as a sentence for the user.
    pub async fn open(self) -> Result<FileCache, FileCacheError> {
        let Self { app, folder, key_store } = self;
        let fine = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if app.is_empty() || app.len() > 64 || app.starts_with('.') || !app.chars().all(fine) {
            return Err(FileCacheError::Name(app.chars().take(64).collect()));
        }
        let (folder, key_folder) = match folder {
            Some(folder) => (folder.clone(), folder),
            None => default_folders(&app)?,
        };
        let owner = Owner::this_user();
        for folder in [&folder, &key_folder] {
            owner.folder(folder).map_err(|error| failed(folder, &error))?;
        }
        let lock = Lock::new(&key_folder, "token-cache.lock", owner);
        let _alone = lock.take().await.map_err(|error| failed(&key_folder, &error))?;
        let source = KeySource { app: &app, folder: &key_folder, cache_folder: &folder, owner, key_store };
        let (keys, key_place) = source.key().await?;
        Ok(FileCache { folder, keys, key_place, owner, events: Arc::default() })
    }
}

impl FileCache {
    /// The cache of a program in the user's own folders, the key in the system's key store.
    ///
    /// On Linux the files are in `$XDG_CACHE_HOME/{app}/token-cache` (`~/.cache`), and a key file, where there is no
    /// key store, in `$XDG_DATA_HOME/{app}/token-cache` (`~/.local/share`); elsewhere where the system wants them.
    ///
    /// # Errors
    /// As [`FileCacheBuilder::open`].
    pub async fn open(app: &str) -> Result<Self, FileCacheError> {
        Self::builder(app).open().await
    }

    /// A cache with options.
    pub fn builder(app: &str) -> FileCacheBuilder {
        FileCacheBuilder { app: app.to_owned(), folder: None, key_store: true }
    }

    /// A cache under keys that a test knows.
    #[cfg(test)]
    pub(super) fn with_keys(folder: &Path, keys: &KeyRing) -> Self {
        let (folder, keys, owner) = (folder.to_owned(), keys.clone(), Owner::this_user());
        Self { folder, keys, key_place: KeyPlace::KeyStore, owner, events: Arc::default() }
    }

    /// Where the files are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the key is.
    pub fn key_place(&self) -> &KeyPlace {
        &self.key_place
    }

    /// What happened to the files since the start.
    pub fn state(&self) -> FileCacheState {
        FileCacheState {
            set_aside: self.events.set_aside.get(),
            narrowed: self.events.narrowed.get(),
            unreadable: self.keys.unreadable(),
        }
    }

    /// The level behind the caches of one registration.
    pub(crate) fn level(
        &self,
        environment: &str,
        realm: &str,
        client_id: &str,
        clock: SharedClock,
    ) -> SharedLevel {
        let mut name = Id::of(&["file", environment, realm, client_id]).text();
        name.truncate(22);
        let backend =
            FileBackend::new(&self.folder, &name, &self.keys, self.owner, &self.events, clock.clone());
        SharedLevel::new(Arc::new(backend), self.keys.clone(), clock)
    }
}

/// The cache's folder, and apart from it the key's: who copies one has not got the other.
fn default_folders(app: &str) -> Result<(PathBuf, PathBuf), FileCacheError> {
    let base = choose_native_strategy().map_err(|_| FileCacheError::NoHome)?;
    let of = |place: PathBuf| place.join(app).join(FOLDER);
    Ok((of(base.cache_dir()), of(base.data_dir())))
}

fn failed(folder: &Path, error: &std::io::Error) -> FileCacheError {
    FileCacheError::Folder { folder: folder.to_owned(), reason: error.to_string() }
}

#[cfg(test)]
mod tests;
