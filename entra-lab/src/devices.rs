//! Device codes (RFC 8628): what a device waits for while a person signs in somewhere else.
//!
//! The person types the short user code, the device polls with the long device code. Each device
//! code gives tokens once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::authority::Authority;
use crate::issued::SignIn;
use crate::policy::claims_request::ClaimsRequest;
use crate::random;

pub const EXPIRES_SECONDS: i64 = 900;
pub const INTERVAL_SECONDS: i64 = 5;
/// Who polls faster than this is told to slow down. Less than the interval, because a timer that
/// fires a little early is no offence and some clients give up at `slow_down`.
const TOO_FAST: SignedDuration = SignedDuration::from_secs(3);
const MOST: usize = 5_000;
/// Nothing that is mistaken for something else when it is read aloud.
const LETTERS: &[u8; 28] = b"BCDFGHJKLMNPQRSTVWXZ23456789";

/// What a device asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    pub authority: Authority,
    pub client: Uuid,
    pub scope: String,
    pub claims: ClaimsRequest,
}

/// What a poll finds.
#[derive(Debug)]
pub enum Polled {
    Unknown,
    Expired,
    Pending,
    TooFast,
    Declined,
    Redeemed,
    Approved(Box<SignIn>),
}

#[derive(Debug)]
enum State {
    Pending,
    Declined,
    Approved(Box<SignIn>),
    Redeemed,
}

struct Device {
    user_code: String,
    asked: Asked,
    state: State,
    expires: i64,
    polled: Option<Timestamp>,
}

/// The device codes of one lab.
#[derive(Default)]
pub struct Devices {
    inner: Mutex<HashMap<String, Device>>,
}

/// The codes are credentials, so none is printed.
impl std::fmt::Debug for Devices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Devices").finish_non_exhaustive()
    }
}

impl Devices {
    /// A new pair: device code and user code.
    pub fn begin(&self, asked: Asked, now: i64) -> (String, String) {
        let (device_code, user_code) = (random::handle(6), user_code());
        let mut devices = self.lock();
        if devices.len() >= MOST {
            devices.retain(|_, d| d.expires > now);
        }
        if devices.len() >= MOST {
            devices.clear();
        }
        let expires = now + EXPIRES_SECONDS;
        let device =
            Device { user_code: user_code.clone(), asked, state: State::Pending, expires, polled: None };
        devices.insert(device_code.clone(), device);
        (device_code, user_code)
    }

    /// The device that waits behind a user code, as a person types it.
    pub fn waiting(&self, typed: &str, now: i64) -> Option<(String, Asked)> {
        let wanted: String =
            typed.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect();
        let devices = self.lock();
        let mut waiting =
            devices.iter().filter(|(_, d)| matches!(d.state, State::Pending) && d.expires > now);
        waiting.find(|(_, d)| d.user_code == wanted).map(|(code, d)| (code.clone(), d.asked.clone()))
    }

    /// The person signed in and agreed. False if it is too late.
    pub fn approve(&self, device_code: &str, sign_in: SignIn) -> bool {
        self.settle(device_code, State::Approved(Box::new(sign_in)))
    }

    pub fn decline(&self, device_code: &str) -> bool {
        self.settle(device_code, State::Declined)
    }

    fn settle(&self, device_code: &str, state: State) -> bool {
        match self.lock().get_mut(device_code) {
            Some(device) if matches!(device.state, State::Pending) => {
                device.state = state;
                true
            }
            _ => false,
        }
    }

    /// One poll of a device.
    pub fn poll(&self, device_code: &str, client: Uuid, now: Timestamp) -> Polled {
        let mut devices = self.lock();
        let Some(device) = devices.get_mut(device_code).filter(|d| d.asked.client == client) else {
            return Polled::Unknown;
        };
        let before = device.polled.replace(now);
        match &device.state {
            State::Redeemed => Polled::Redeemed,
            State::Declined => Polled::Declined,
            _ if device.expires <= now.as_second() => Polled::Expired,
            State::Approved(sign_in) => Polled::Approved(sign_in.clone()),
            State::Pending if before.is_some_and(|b| now.duration_since(b).abs() < TOO_FAST) => {
                Polled::TooFast
            }
            State::Pending => Polled::Pending,
        }
    }

    /// Uses a device code. True for exactly one caller.
    pub fn redeem(&self, device_code: &str) -> bool {
        match self.lock().get_mut(device_code) {
            Some(device) if matches!(device.state, State::Approved(_)) => {
                device.state = State::Redeemed;
                true
            }
            _ => false,
        }
    }

    pub fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Device>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nine letters and digits, as Entra's.
fn user_code() -> String {
    let most = i64::try_from(LETTERS.len()).unwrap_or(1) - 1;
    let letter = || {
        let index = usize::try_from(random::between(0, most)).unwrap_or_default();
        char::from(LETTERS.get(index).copied().unwrap_or(b'X'))
    };
    (0..9).map(|_| letter()).collect()
}
