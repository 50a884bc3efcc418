//! The cache on disk: sealed, this person's alone, shared by all runs. Its key lies in the system's key store where there
//! is one.

use std::path::PathBuf;

use shared_auth::{FileCache, KeyPlace};

use crate::terminal::Terminal;

/// Opens the cache. Without one the program works all the same, and signs in at each run.
pub async fn open(folder: Option<PathBuf>, terminal: &Terminal) -> Option<FileCache> {
    let cache = FileCache::builder("desktop-app");
    let cache = match folder {
        Some(folder) => cache.folder(folder),
        None => cache,
    };
    match cache.open().await {
        Ok(cache) => {
            if let KeyPlace::KeyFile(file) = cache.key_place() {
                terminal.warn(&format!(
                    "there is no key store here, so the key of the stored tokens lies in {}; who can read that file can \
                     be you",
                    file.display()
                ));
            }
            Some(cache)
        }
        Err(error) => {
            terminal.warn(&format!("{error}. Nothing is stored; the next run signs in again"));
            None
        }
    }
}
