//! One writer at a time, in this process and among all of them: the system's advisory lock on a file of its own.
//!
//! The system gives the lock back when its holder dies. A holder that hangs is waited for a while and then left alone:
//! the cache on disk is then a level that is not there.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::{Instant, sleep};

use super::owner::Owner;
use super::sealed::open_lock;

/// Writing takes milliseconds; whoever holds the lock for longer has stopped.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LAST_PAUSE: Duration = Duration::from_millis(16);

#[derive(Debug, Clone)]
pub(super) struct Lock {
    path: PathBuf,
    owner: Owner,
    /// Those within this process stand in a line, in which nobody is overtaken.
    line: Arc<Mutex<()>>,
}

/// The lock, until it is dropped.
#[derive(Debug)]
pub(super) struct Held {
    _file: File,
    _line: OwnedMutexGuard<()>,
}

impl Lock {
    pub fn new(folder: &Path, name: &str, owner: Owner) -> Self {
        Self { path: folder.join(name), owner, line: Arc::default() }
    }

    pub async fn take(&self) -> io::Result<Held> {
        let give_up = Instant::now() + LONGEST_WAIT;
        let line = Arc::clone(&self.line).lock_owned();
        let line = tokio::time::timeout(LONGEST_WAIT, line).await.map_err(|_| late())?;
        let file = open_lock(&self.path, self.owner)?;
        let mut pause = FIRST_PAUSE;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Held { _file: file, _line: line }),
                Err(TryLockError::WouldBlock) if Instant::now() < give_up => sleep(pause).await,
                Err(TryLockError::WouldBlock) => return Err(late()),
                Err(TryLockError::Error(error)) => return Err(error),
            }
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }
}

fn late() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "another program has held its lock for too long")
}
