//! One sealed file: read with distrust, replaced in one step, set aside where it cannot be used.
//!
//! `a line that tells what it is | what seal.rs makes of the contents`, bound to the file's name. A writer fills a file
//! beside it, brings it to the disk and renames it over the old one, so that a reader sees the old contents or the new
//! ones and a power cut leaves one of the two. What is a link, belongs to somebody else, is damaged or was sealed with
//! another key is never followed, trusted or deleted: it is renamed, once per reason.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use zeroize::Zeroizing;

use super::owner::Owner;
use crate::cache::seal::{KeyRing, Opened};
use crate::telemetry::{CACHE_FILES_SET_ASIDE, Counter};

const FIRST_LINE: &[u8] = b"shared-auth token cache, version 1\n";
/// Nobody has that many accounts; what is larger was not written by us.
const LARGEST: u64 = 64 * 1024 * 1024;

/// Why a file cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unusable {
    Link,
    NoFile,
    ForeignUser,
    ForeignKey,
    Damaged,
}

impl Unusable {
    fn reason(self) -> &'static str {
        match self {
            Unusable::Link => "it is a link, and links are not followed here",
            Unusable::NoFile => "it is no ordinary file",
            Unusable::ForeignUser => "it belongs to another user",
            Unusable::ForeignKey => "it was sealed with a key that this program does not have",
            Unusable::Damaged => "it is damaged, or somebody changed it",
        }
    }

    fn ending(self) -> &'static str {
        match self {
            Unusable::Link => "link",
            Unusable::NoFile => "no-file",
            Unusable::ForeignUser => "foreign-user",
            Unusable::ForeignKey => "foreign-key",
            Unusable::Damaged => "damaged",
        }
    }

    const ALL: [Self; 5] = [Self::Link, Self::NoFile, Self::ForeignUser, Self::ForeignKey, Self::Damaged];
}

/// What happened to files since the start.
#[derive(Debug)]
pub(super) struct Events {
    pub set_aside: Counter,
    pub narrowed: Counter,
}

impl Default for Events {
    fn default() -> Self {
        Self { set_aside: Counter::named(CACHE_FILES_SET_ASIDE), narrowed: Counter::default() }
    }
}

/// Contents, absence, or why it cannot be used.
pub(super) type Looked = Result<Option<Opened>, Unusable>;

/// Tells one state of a file from another without opening it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub identity: (u64, u64),
    pub changed: (i64, i64),
    pub size: u64,
}

#[derive(Debug)]
pub(super) struct SealedFile {
    path: PathBuf,
    name: String,
    keys: KeyRing,
    owner: Owner,
    events: Arc<Events>,
}

impl SealedFile {
    pub fn new(folder: &Path, name: &str, keys: KeyRing, owner: Owner, events: Arc<Events>) -> Self {
        Self { path: folder.join(name), name: name.to_owned(), keys, owner, events }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says. The outer error is the disk's.
    pub fn look(&self) -> io::Result<Looked> {
        let file = match self.owner.open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Ok(None)),
            Err(error) => return self.unusable(error).map(Err),
        };
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Ok(Err(Unusable::NoFile));
        }
        if !self.owner.owns(&meta) {
            return Ok(Err(Unusable::ForeignUser));
        }
        if meta.len() > LARGEST {
            return Ok(Err(Unusable::Damaged));
        }
        // Sealed, so nothing was given away; but it is nobody else's business how large it is.
        if self.owner.narrow(&file, &meta)? {
            self.events.narrowed.add();
            tracing::warn!("{} could be read by others; only its owner may now", self.path.display());
        }
        let mut bytes = Vec::with_capacity(usize::try_from(meta.len()).unwrap_or_default());
        file.take(LARGEST).read_to_end(&mut bytes)?;
        let Some(sealed) = bytes.strip_prefix(FIRST_LINE) else { return Ok(Err(Unusable::Damaged)) };
        Ok(match self.keys.open_file(&self.place(), sealed) {
            Some(plain) => Ok(Some(plain)),
            None if self.keys.has_key_of(sealed) => Err(Unusable::Damaged),
            None => Err(Unusable::ForeignKey),
        })
    }

    /// Puts new contents in place of the old ones. To be called by whoever holds the lock. `lasting`: a power cut must
    /// not undo it.
    pub fn replace(&self, plain: &[u8], lasting: bool) -> io::Result<()> {
        let sealed = self
            .keys
            .seal(&self.place(), plain)
            .map_err(|_| io::Error::other("the system has no random numbers to seal it with"))?;
        // Left there by a writer that died: nobody else writes while we hold the lock.
        let beside = self.beside("new");
        remove_if_there(&beside)?;
        let mut file = self.owner.create(&beside)?;
        file.write_all(FIRST_LINE)?;
        file.write_all(&sealed)?;
        if lasting {
            file.sync_all()?;
        }
        drop(file);
        fs::rename(&beside, &self.path)?;
        if lasting { sync_folder(&self.path) } else { Ok(()) }
    }

    /// Removes the file, where there is one. To be called by whoever holds the lock.
    pub fn delete(&self) -> io::Result<()> {
        remove_if_there(&self.path)
    }

    /// Renames what cannot be used, so that a new file can be made. To be called by whoever holds the lock.
    pub fn set_aside(&self, problem: Unusable) -> io::Result<()> {
        let aside = self.beside(problem.ending());
        let _an_older_one = remove_if_there(&aside);
        fs::rename(&self.path, &aside)?;
        self.events.set_aside.add();
        tracing::warn!(
            "the token cache {} cannot be used: {}. It was renamed to {}; signing in once more fills a new one",
            self.path.display(),
            problem.reason(),
            aside.display()
        );
        Ok(())
    }

    /// Deletes what was set aside: it may hold tokens of somebody who signs out.
    pub fn forget_set_aside(&self) {
        for problem in Unusable::ALL {
            // A folder in the file's place is none of ours, and holds no token.
            let _not_ours = remove_if_there(&self.beside(problem.ending()));
        }
    }

    /// In which state the file is; nothing where there is none.
    pub fn stamp(&self) -> Option<Stamp> {
        fs::symlink_metadata(&self.path).ok().map(|meta| super::owner::stamp(&meta))
    }

    fn beside(&self, ending: &str) -> PathBuf {
        self.path.with_file_name(format!("{}.{ending}", self.name))
    }

    fn place(&self) -> [&[u8]; 2] {
        [b"file", self.name.as_bytes()]
    }

    /// What stands in the way of opening it, where it is the file and not the disk.
    fn unusable(&self, error: io::Error) -> io::Result<Unusable> {
        match fs::symlink_metadata(&self.path) {
            Ok(meta) if meta.is_symlink() => Ok(Unusable::Link),
            Ok(meta) if !meta.is_file() => Ok(Unusable::NoFile),
            Ok(meta) if !self.owner.owns(&meta) => Ok(Unusable::ForeignUser),
            _ => Err(error),
        }
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A rename lasts when its folder does. Where folders cannot be brought to the disk, the system does it.
fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent().map(File::open) {
        Some(Ok(folder)) if cfg!(unix) => folder.sync_all(),
        _ => Ok(()),
    }
}

/// Reads a small file of text that only its owner may know. `None` where there is none.
pub(super) fn read_secret(
    path: &Path,
    owner: Owner,
) -> io::Result<Result<Option<Zeroizing<String>>, Unusable>> {
    let file = match owner.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Ok(None)),
        Err(error) => {
            let link = fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink());
            return if link { Ok(Err(Unusable::Link)) } else { Err(error) };
        }
    };
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Ok(Err(Unusable::NoFile));
    }
    if !owner.owns(&meta) || owner.others_may_read(&meta) {
        return Ok(Err(Unusable::ForeignUser));
    }
    const LONGEST: u64 = 4096;
    let mut text = Zeroizing::new(String::with_capacity(LONGEST as usize));
    file.take(LONGEST).read_to_string(&mut text)?;
    Ok(Ok(Some(text)))
}

/// Writes such a file anew. To be called by whoever holds the lock.
pub(super) fn write_secret(path: &Path, text: &str, owner: Owner) -> io::Result<()> {
    remove_if_there(path)?;
    let mut file = owner.create(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    sync_folder(path)
}

/// Opened for locking: its contents do not matter.
pub(super) fn open_lock(path: &Path, owner: Owner) -> io::Result<File> {
    let open = || owner.options(OpenOptions::new().read(true).write(true).create(true)).open(path);
    match open() {
        // A link would lead the lock elsewhere. It is ours to remove: the folder is.
        Err(_) if fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink()) => {
            fs::remove_file(path)?;
            open()
        }
        opened => opened,
    }
}
