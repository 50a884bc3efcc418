//! Ctrl-C, and the two other ways in which a terminal or a service manager asks a program to end.
//!
//! Children live in process groups of their own (see `process`), so the signal reaches them once, through us.

use anyhow::{Context, Result};

/// Completes once somebody asks us to end.
pub struct Asked {
    #[cfg(unix)]
    streams: [tokio::signal::unix::Signal; 3],
}

impl Asked {
    /// From here on a signal no longer ends this process by itself.
    #[cfg(unix)]
    pub fn listen() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let open = |kind| signal(kind).context("cannot listen for signals");
        let streams =
            [open(SignalKind::interrupt())?, open(SignalKind::terminate())?, open(SignalKind::hangup())?];
        Ok(Self { streams })
    }

    #[cfg(unix)]
    pub async fn stopped(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.streams;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }

    #[cfg(not(unix))]
    pub fn listen() -> Result<Self> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    pub async fn stopped(&mut self) {
        let _ = tokio::signal::ctrl_c().await.context("cannot listen for Ctrl-C");
    }
}
