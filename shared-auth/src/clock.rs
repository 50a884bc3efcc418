//! Time as an argument.
//!
//! Expiry decides who gets in, so every test must be able to choose the hour. Everything in this crate asks a
//! [`Clock`] that was passed in; `clippy.toml` refuses the direct reads, and the one exception stands below.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};

/// Tells the time.
///
/// ```
/// use jiff::Timestamp;
/// use shared_auth::Clock;
///
/// #[derive(Debug)]
/// struct Noon;
///
/// impl Clock for Noon {
///     fn now(&self) -> Timestamp {
///         Timestamp::from_second(1_800_014_400).unwrap_or(Timestamp::UNIX_EPOCH)
///     }
/// }
/// ```
pub trait Clock: Debug + Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;

    /// The present moment, or one that is some milliseconds past: enough to tell whether a token has minutes left, and
    /// where the machine can tell it for less, all that a hit in a cache waits for.
    fn lately(&self) -> Timestamp {
        self.now()
    }
}

/// A clock that several parts of a program share.
///
/// ```
/// use jiff::Timestamp;
/// use shared_auth::{ConfidentialClient, EntraConfig, ManualClock, SharedClock};
///
/// # fn example(config: EntraConfig) -> Result<(), shared_auth::ConfigError> {
/// let clock: SharedClock = std::sync::Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH));
/// let client = ConfidentialClient::builder(config).clock(clock.clone()).build()?;
/// # Ok(())
/// # }
/// ```
pub type SharedClock = Arc<dyn Clock>;

/// The machine's clock. The default everywhere.
///
/// ```
/// use shared_auth::{Clock, SystemClock};
///
/// assert!(SystemClock.now() > jiff::Timestamp::UNIX_EPOCH);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "the one place where real time enters")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    /// As the kernel's tick last wrote it down: some nanoseconds instead of a look at the hardware.
    #[cfg(target_os = "linux")]
    fn lately(&self) -> Timestamp {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
        let nanoseconds = i32::try_from(time.tv_nsec).unwrap_or_default();
        Timestamp::new(time.tv_sec, nanoseconds).unwrap_or_else(|_| self.now())
    }
}

/// A clock that is moved by hand, for tests.
///
/// ```
/// use jiff::{SignedDuration, Timestamp};
/// use shared_auth::{Clock, ManualClock};
///
/// let clock = ManualClock::at(Timestamp::UNIX_EPOCH);
/// clock.advance(SignedDuration::from_mins(61));
/// assert_eq!(clock.now().as_second(), 3_660);
/// ```
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock that stands still at `start`, to the second.
    pub fn at(start: Timestamp) -> Self {
        Self(Arc::new(AtomicI64::new(start.as_second())))
    }

    /// Moves the clock; a negative duration moves it back.
    pub fn advance(&self, by: SignedDuration) {
        self.0.fetch_add(by.as_secs(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::SeqCst)).unwrap_or(Timestamp::MAX)
    }
}
