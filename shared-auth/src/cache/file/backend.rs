//! The file as a level behind memory: what the rules in `contents.rs` say, done under the lock and brought to the disk.
//!
//! Reading takes no lock: the file is replaced in one step. Everything that touches the disk runs on threads for that,
//! and runs to its end whatever becomes of the caller. A disk that fails is a level that is not there, and a line in
//! the log.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use super::contents::{Contents, Leases};
use super::lock::Lock;
use super::owner::Owner;
use super::sealed::{Events, SealedFile, Unusable};
use super::watch::Watch;
use crate::cache::key::Id;
use crate::cache::seal::KeyRing;
use crate::cache::shared::{Away, Backend, Lease, Listener, Raw, Recognise, Write, Written, milliseconds};
use crate::clock::SharedClock;

/// The entries of one registration in a file. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct FileBackend {
    contents: Arc<SealedFile>,
    leases: Arc<SealedFile>,
    lock: Lock,
    watch: Arc<Watch>,
    failing: Arc<AtomicBool>,
    clock: SharedClock,
}

impl FileBackend {
    /// The files `{name}.cache`, `.leases` and `.lock` in a folder that is the owner's alone.
    pub fn new(
        folder: &Path,
        name: &str,
        keys: &KeyRing,
        owner: Owner,
        events: &Arc<Events>,
        clock: SharedClock,
    ) -> Self {
        let file = |ending: &str| {
            let name = format!("{name}.{ending}");
            Arc::new(SealedFile::new(folder, &name, keys.clone(), owner, Arc::clone(events)))
        };
        Self {
            contents: file("cache"),
            leases: file("leases"),
            lock: Lock::new(folder, &format!("{name}.lock"), owner),
            watch: Arc::default(),
            failing: Arc::default(),
            clock,
        }
    }

    fn now(&self) -> u64 {
        milliseconds(self.clock.now())
    }

    /// Does something while nobody else writes.
    async fn alone<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        Watch::begin(&self.watch, &self.contents);
        let (held, backend) = (self.lock.take().await?, self.clone());
        let done = spawn_blocking(move || {
            let _until_done = held;
            work(&backend)
        });
        done.await.unwrap_or_else(|_| Err(io::Error::other("the work was broken off")))
    }

    /// Changes the contents; `change` tells whether it did.
    async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Contents, u64) -> (bool, T) + Send + 'static,
    ) -> io::Result<T> {
        self.alone(move |backend| backend.changed(change)).await
    }

    /// The same, for whoever holds the lock.
    fn changed<T>(&self, change: impl FnOnce(&mut Contents, u64) -> (bool, T)) -> io::Result<T> {
        self.watch.saw(self.contents.stamp());
        let mut contents: Contents = load(&self.contents)?;
        let (changed, outcome) = change(&mut contents, self.now());
        if changed {
            save(&self.contents, &contents, contents.is_empty(), true)?;
            self.watch.made(self.contents.stamp());
        }
        Ok(outcome)
    }

    /// Somebody signs out: what was set aside may hold their tokens too.
    async fn forget(&self, forget: impl FnOnce(&mut Contents, u64) + Send + 'static) -> Result<(), Away> {
        let done = self.alone(move |backend| {
            backend.changed(|contents, now| (true, forget(contents, now)))?;
            backend.contents.forget_set_aside();
            Ok(())
        });
        self.checked(done.await)
    }

    async fn change_leases<T: Send + 'static>(
        &self,
        change: impl FnOnce(&mut Leases, u64) -> T + Send + 'static,
    ) -> io::Result<T> {
        self.alone(move |backend| {
            let mut leases: Leases = load(&backend.leases)?;
            let outcome = change(&mut leases, backend.now());
            save(&backend.leases, &leases, leases.is_empty(), false)?;
            Ok(outcome)
        })
        .await
    }

    async fn look(&self, partition: Id) -> io::Result<Raw> {
        Watch::begin(&self.watch, &self.contents);
        let backend = self.clone();
        let looked = spawn_blocking(move || {
            backend.watch.saw(backend.contents.stamp());
            let looked: Result<Contents, Unusable> = match backend.contents.look()? {
                Ok(plain) => parse(plain.as_deref()),
                Err(problem) => Err(problem),
            };
            Ok::<_, io::Error>(looked.map(|contents| contents.read(partition, backend.now())))
        });
        match looked.await.unwrap_or_else(|_| Err(io::Error::other("the work was broken off")))? {
            Ok(raw) => Ok(raw),
            // Setting aside is writing; by the time that we may, somebody may have done it.
            Err(_) => self.change(move |contents, now| (false, contents.read(partition, now))).await,
        }
    }

    fn checked<T>(&self, outcome: io::Result<T>) -> Result<T, Away> {
        match outcome {
            Ok(value) => {
                if self.failing.swap(false, Ordering::Relaxed) {
                    tracing::info!("the token cache {} works again", self.contents.path().display());
                }
                Ok(value)
            }
            Err(error) => {
                if !self.failing.swap(true, Ordering::Relaxed) {
                    tracing::warn!(
                        "the token cache {} cannot be used now ({error}); what is signed in stays in memory only",
                        self.contents.path().display()
                    );
                }
                Err(Away)
            }
        }
    }
}

fn parse<T: DeserializeOwned + Default>(plain: Option<&[u8]>) -> Result<T, Unusable> {
    let Some(plain) = plain else { return Ok(T::default()) };
    serde_json::from_slice(plain).map_err(|_| Unusable::Damaged)
}

/// What the file says; where it cannot be used it is set aside, and a new one begins.
fn load<T: DeserializeOwned + Default>(file: &SealedFile) -> io::Result<T> {
    let looked = match file.look()? {
        Ok(plain) => parse(plain.as_deref()),
        Err(problem) => Err(problem),
    };
    match looked {
        Ok(contents) => Ok(contents),
        Err(problem) => file.set_aside(problem).map(|()| T::default()),
    }
}

fn save(file: &SealedFile, contents: &impl Serialize, empty: bool, lasting: bool) -> io::Result<()> {
    if empty {
        return file.delete();
    }
    file.replace(&serde_json::to_vec(contents)?, lasting)
}

impl Backend for FileBackend {
    fn read(&self, partition: Id) -> BoxFuture<'_, Result<Raw, Away>> {
        async move { self.checked(self.look(partition).await) }.boxed()
    }

    fn lease_and_read(&self, partition: Id, lease: Lease) -> BoxFuture<'_, Result<(bool, Raw), Away>> {
        async move {
            let ours = self.checked(self.change_leases(|leases, now| leases.take(lease, now)).await)?;
            // After the lease, in this order: what the last holder wrote is there before the lease is free.
            Ok((ours, self.checked(self.look(partition).await)?))
        }
        .boxed()
    }

    fn release(&self, lease: Lease) -> BoxFuture<'_, Result<(), Away>> {
        async move { self.checked(self.change_leases(move |leases, _| leases.release(&lease)).await.map(|_| ())) }
            .boxed()
    }

    fn write(&self, mut write: Write) -> BoxFuture<'_, Result<Written, Away>> {
        async move {
            let lease = write.release.take();
            let changed = self.change(|contents, now| {
                let written = contents.write(write, now);
                (written != Written::RemovedMeanwhile, written)
            });
            let written = match changed.await {
                Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                    let _said = self.checked(Err::<(), _>(error));
                    Ok(Written::Full)
                }
                outcome => self.checked(outcome),
            };
            if let Some(lease) = lease {
                self.release(lease).await?;
            }
            written
        }
        .boxed()
    }

    fn remove(&self, partitions: Vec<Id>) -> BoxFuture<'_, Result<(), Away>> {
        self.forget(move |contents, now| contents.remove(&partitions, now)).boxed()
    }

    fn remove_user(&self, user: Id) -> BoxFuture<'_, Result<(), Away>> {
        self.forget(move |contents, now| contents.remove_user(user, now)).boxed()
    }

    fn remove_field(
        &self,
        partition: Id,
        field: &'static str,
        is_it: Recognise,
    ) -> BoxFuture<'_, Result<(), Away>> {
        async move {
            let removed =
                self.change(move |contents, _| (contents.remove_field(partition, field, is_it), ())).await;
            self.checked(removed)
        }
        .boxed()
    }

    fn tell(&self, listener: Weak<dyn Listener>) {
        self.watch.tell(listener);
    }

    fn spawn(&self, work: BoxFuture<'static, ()>) {
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(work)),
            Err(_) => {
                tracing::warn!("the token cache was not told of a change: there is no runtime to do it in")
            }
        }
    }
}
