//! What the other replicas did, heard within a second: a channel for each registration, a connection of its own.
//!
//! A message is `kind (1) | sender (16) | partition (32)`, the partition by its hash. While the connection is away messages are
//! missed; so after each connection everything in memory is looked up again before it is served.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use deadpool_redis::redis::{Pipeline, Value};
use futures_util::StreamExt;
use tokio::sync::watch;
use tokio::time::{interval, sleep, timeout};

use super::link::{Link, jitter};
use crate::cache::key::Id;
use crate::cache::shared::Listener;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(2);
/// A connection that died without a word is found by asking.
const HEARTBEAT: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Changed = b'c',
    Removed = b'r',
}

pub(super) struct Notices {
    shared: Arc<Shared>,
}

struct Shared {
    link: Arc<Link>,
    channel: String,
    sender: [u8; 16],
    listeners: Mutex<Vec<Weak<dyn Listener>>>,
    listening: AtomicBool,
}

impl Notices {
    pub fn new(link: Arc<Link>, channel: String, sender: [u8; 16]) -> Self {
        let (listeners, listening) = (Mutex::default(), AtomicBool::new(false));
        Self { shared: Arc::new(Shared { link, channel, sender, listeners, listening }) }
    }

    /// Adds a message to commands.
    pub fn add(&self, commands: &mut Pipeline, kind: Kind, partition: Id) {
        let mut message = Vec::with_capacity(1 + 16 + 32);
        message.push(kind as u8);
        message.extend_from_slice(&self.shared.sender);
        message.extend_from_slice(&partition.0);
        commands.cmd("PUBLISH").arg(&self.shared.channel).arg(message);
    }

    pub fn tell(&self, listener: Weak<dyn Listener>) {
        self.shared.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    /// Listens from now on, until the caches are gone.
    pub fn listen(&self) {
        if self.shared.listening.load(Ordering::Relaxed) {
            return;
        }
        if let Some(runtime) = self.shared.link.runtime()
            && !self.shared.listening.swap(true, Ordering::SeqCst)
        {
            runtime.spawn(listen(Arc::downgrade(&self.shared), self.shared.link.returns()));
        }
    }
}

impl Shared {
    fn each(&self, tell: impl Fn(&dyn Listener)) {
        let listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner).clone();
        listeners.iter().filter_map(Weak::upgrade).for_each(|listener| tell(&*listener));
    }

    fn hear(&self, message: &[u8]) {
        let Some((kind, rest)) = message.split_first() else { return };
        let Some((sender, partition)) = rest.split_at_checked(16) else { return };
        let Ok(partition) = <[u8; 32]>::try_from(partition) else { return };
        if sender == self.sender {
            return;
        }
        match *kind {
            kind if kind == Kind::Changed as u8 => self.each(|listener| listener.changed(Id(partition))),
            kind if kind == Kind::Removed as u8 => self.each(|listener| listener.removed(Id(partition))),
            _ => {}
        }
    }
}

/// Where the task is broken off, by the end of its runtime, the next call starts another.
struct Listening(Weak<Shared>);

impl Drop for Listening {
    fn drop(&mut self) {
        if let Some(notices) = self.0.upgrade() {
            notices.listening.store(false, Ordering::SeqCst);
        }
    }
}

/// Ends when the notices are dropped, with the client that they belong to.
async fn listen(notices: Weak<Shared>, mut returns: watch::Receiver<u64>) {
    let _until_the_runtime_ends = Listening(notices.clone());
    let mut pause = FIRST_PAUSE;
    loop {
        if hear_until_broken(&notices, &mut returns).await {
            pause = FIRST_PAUSE;
        }
        if notices.strong_count() == 0 {
            return;
        }
        // A Redis that is back after an outage is connected to at once.
        tokio::select! {
            () = sleep(pause + jitter(pause)) => {}
            _ = returns.changed() => {}
        }
        pause = (pause * 2).min(LAST_PAUSE);
    }
}

/// True where there was a connection.
async fn hear_until_broken(notices: &Weak<Shared>, returns: &mut watch::Receiver<u64>) -> bool {
    let connected = {
        let Some(notices) = notices.upgrade() else { return false };
        let Some(mut subscriber) = notices.link.subscriber().await else { return false };
        match timeout(HEARTBEAT, subscriber.subscribe(&notices.channel)).await {
            Ok(Ok(())) => {}
            _ => return false,
        }
        notices.each(|listener| listener.anything_may_have_changed());
        subscriber
    };
    returns.mark_unchanged();
    let (mut sink, mut messages) = connected.split();
    let mut heartbeat = interval(HEARTBEAT);
    loop {
        tokio::select! {
            message = messages.next() => {
                let (Some(message), Some(notices)) = (message, notices.upgrade()) else { return true };
                notices.hear(message.get_payload_bytes());
            }
            // After an outage nobody knows what this connection has missed.
            _ = returns.changed() => return true,
            _ = heartbeat.tick() => {
                if notices.strong_count() == 0 {
                    return true;
                }
                if !matches!(timeout(HEARTBEAT, sink.ping::<Value>()).await, Ok(Ok(_))) {
                    return true;
                }
            }
        }
    }
}

impl fmt::Debug for Notices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notices").field("channel", &self.shared.channel).finish_non_exhaustive()
    }
}
