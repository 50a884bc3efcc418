//! Whose files these are, and that nobody else may read them: uid, mode 600 and 700, links not followed.
//!
//! The one place that knows that Unix and Windows differ in this. On Windows a user's folders are the user's alone by
//! the lists that they inherit, and the check for an owner is left to those.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::path::Path;

use super::sealed::Stamp;

/// The user whose files are trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner(pub u32);

#[cfg(unix)]
mod unix {
    use std::fs::{DirBuilder, Permissions};
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};

    use rustix::fs::OFlags;

    use super::*;

    impl Owner {
        /// The user as whom this process runs.
        pub fn this_user() -> Self {
            Self(rustix::process::geteuid().as_raw())
        }

        pub fn owns(self, meta: &Metadata) -> bool {
            meta.uid() == self.0
        }

        pub fn others_may_read(self, meta: &Metadata) -> bool {
            meta.mode() & 0o077 != 0
        }

        /// Not through a link, and without waiting for whoever fills a pipe.
        pub fn options(self, options: &mut OpenOptions) -> &mut OpenOptions {
            let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC).bits();
            options.mode(0o600).custom_flags(flags.cast_signed())
        }

        /// Takes others' rights to a file away. False where they had none.
        pub fn narrow(self, file: &File, meta: &Metadata) -> io::Result<bool> {
            if !self.others_may_read(meta) {
                return Ok(false);
            }
            file.set_permissions(Permissions::from_mode(0o600)).map(|()| true)
        }

        pub fn create_folder(self, path: &Path) -> io::Result<()> {
            DirBuilder::new().recursive(true).mode(0o700).create(path)
        }

        pub fn narrow_folder(self, path: &Path) -> io::Result<()> {
            std::fs::set_permissions(path, Permissions::from_mode(0o700))
        }
    }

    pub(in super::super) fn stamp(meta: &Metadata) -> Stamp {
        Stamp {
            identity: (meta.dev(), meta.ino()),
            changed: (meta.ctime(), meta.ctime_nsec()),
            size: meta.size(),
        }
    }
}

#[cfg(not(unix))]
mod elsewhere {
    use super::*;

    impl Owner {
        pub fn this_user() -> Self {
            Self(0)
        }

        pub fn owns(self, _: &Metadata) -> bool {
            true
        }

        pub fn others_may_read(self, _: &Metadata) -> bool {
            false
        }

        pub fn options(self, options: &mut OpenOptions) -> &mut OpenOptions {
            options
        }

        pub fn narrow(self, _: &File, _: &Metadata) -> io::Result<bool> {
            Ok(false)
        }

        pub fn create_folder(self, path: &Path) -> io::Result<()> {
            std::fs::create_dir_all(path)
        }

        pub fn narrow_folder(self, _: &Path) -> io::Result<()> {
            Ok(())
        }
    }

    pub(in super::super) fn stamp(meta: &Metadata) -> Stamp {
        let changed = meta.modified().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        let nanoseconds = changed.map_or(0, |at| at.subsec_nanos().into());
        let seconds = changed.and_then(|at| at.as_secs().try_into().ok()).unwrap_or_default();
        Stamp { identity: (0, 0), changed: (seconds, nanoseconds), size: meta.len() }
    }
}

#[cfg(not(unix))]
pub(super) use elsewhere::stamp;
#[cfg(unix)]
pub(super) use unix::stamp;

impl Owner {
    pub fn open(self, path: &Path) -> io::Result<File> {
        self.options(OpenOptions::new().read(true)).open(path)
    }

    /// A new file; an error where there is anything of that name, be it a link that leads nowhere.
    pub fn create(self, path: &Path) -> io::Result<File> {
        self.options(OpenOptions::new().write(true).create_new(true)).open(path)
    }

    /// A folder for this user alone. One that is there already must be the user's, and no link.
    pub fn folder(self, path: &Path) -> io::Result<()> {
        self.create_folder(path)?;
        let meta = std::fs::symlink_metadata(path)?;
        if meta.is_symlink() || !meta.is_dir() {
            return Err(io::Error::other("it is no folder but a link or a file"));
        }
        if !self.owns(&meta) {
            return Err(io::Error::other("it belongs to another user"));
        }
        if self.others_may_read(&meta) {
            self.narrow_folder(path)?;
        }
        Ok(())
    }
}
