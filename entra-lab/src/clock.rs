//! The lab's clock: real time plus an offset that tests and lessons can move.
//!
//! Everything that expires in the lab looks at this clock, so an hour passes in one request to
//! `/lab/clock`. The only place of the crate that reads the machine's time.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};

/// The clock may be moved by at most this much either way.
const LIMIT_SECONDS: i64 = 10 * 365 * 24 * 3600;

/// Real time plus an offset.
#[derive(Debug, Default)]
pub struct Clock {
    offset_seconds: AtomicI64,
}

impl Clock {
    /// The time in the lab, in seconds since 1970.
    pub fn seconds(&self) -> i64 {
        self.now().as_second()
    }

    /// The time in the lab.
    pub fn now(&self) -> Timestamp {
        let offset = SignedDuration::from_secs(self.offset_seconds.load(Ordering::Relaxed));
        let real = real_time();
        real.checked_add(offset).unwrap_or(real)
    }

    /// Moves the clock forwards or, with a negative number, backwards. Returns the whole offset.
    pub fn advance(&self, seconds: i64) -> i64 {
        let moved = self.offset().saturating_add(seconds).clamp(-LIMIT_SECONDS, LIMIT_SECONDS);
        self.offset_seconds.store(moved, Ordering::Relaxed);
        moved
    }

    pub fn offset(&self) -> i64 {
        self.offset_seconds.load(Ordering::Relaxed)
    }

    /// Back to real time.
    pub fn reset(&self) {
        self.offset_seconds.store(0, Ordering::Relaxed);
    }
}

/// The machine's time; certificates need it before there is a clock.
#[allow(clippy::disallowed_methods, reason = "this is the clock that the rule asks for")]
pub fn real_time() -> Timestamp {
    Timestamp::now()
}
