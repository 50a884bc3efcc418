//! What the lab has handed out and must recognise later: authorization codes and refresh tokens.
//!
//! Both are opaque handles into these tables. Access tokens are not kept: their signature is enough.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use uuid::Uuid;

use crate::policy::decide::Strength;
use crate::random;

/// An authorization code lives ten minutes.
pub const CODE_SECONDS: i64 = 600;
/// A refresh token lives 90 days from its issue; each use gives a fresh one.
pub const REFRESH_SECONDS: i64 = 90 * 24 * 3600;
/// Those of a single-page application end a day after the sign-in.
pub const SPA_REFRESH_SECONDS: i64 = 24 * 3600;
/// Beyond this many entries the oldest ones go, so a loop cannot fill the memory.
const MOST: usize = 20_000;

/// The facts of a sign-in that tokens repeat.
#[derive(Debug, Clone)]
pub struct SignIn {
    pub tenant: Uuid,
    pub user: Uuid,
    pub client: Uuid,
    /// The scopes as the client wrote them.
    pub scope: String,
    /// When the password was typed.
    pub auth_time: i64,
    /// Id of the browser session.
    pub sid: Uuid,
    /// What the user has proved.
    pub strength: Strength,
    /// When its refresh tokens end for good, however often they are renewed: those of a single-page application.
    pub ends: Option<i64>,
}

/// What stands behind an authorization code.
#[derive(Debug, Clone)]
pub struct Code {
    pub sign_in: SignIn,
    pub redirect_uri: String,
    pub nonce: Option<String>,
    pub challenge: Option<Challenge>,
    /// The request had `max_age`, so the ID token says when the sign-in happened.
    pub wants_auth_time: bool,
    /// The redirect URI is one of a single-page application.
    pub spa: bool,
}

/// A PKCE challenge (RFC 7636).
#[derive(Debug, Clone)]
pub struct Challenge {
    pub value: String,
    pub hashed: bool,
}

/// What became of a code or refresh token that a client presents.
#[derive(Debug)]
pub enum Presented<T> {
    Good(T),
    /// Not the shape of anything that the lab hands out.
    Malformed,
    /// The right shape, but unknown here, for example from before a restart.
    Unknown,
    Expired(T),
    AlreadyRedeemed,
}

struct Entry<T> {
    value: T,
    expires: i64,
    redeemed: bool,
    order: u64,
}

/// Codes and refresh tokens.
#[derive(Default)]
pub struct Issued {
    codes: Mutex<Table<Code>>,
    refresh_tokens: Mutex<Table<SignIn>>,
}

/// Entra's codes and refresh tokens for organisations start like this.
const CODE_PREFIX: &str = "1.A";
const REFRESH_PREFIX: &str = "1.R";

impl Issued {
    /// A code for this sign-in.
    pub fn code(&self, code: Code, now: i64) -> String {
        let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        codes.insert(CODE_PREFIX, code, now, now + CODE_SECONDS)
    }

    /// Looks a code up without using it: a failed redemption must not burn it.
    pub fn look_at_code(&self, handle: &str, now: i64) -> Presented<Code> {
        self.codes.lock().unwrap_or_else(PoisonError::into_inner).look(CODE_PREFIX, handle, now)
    }

    /// Uses a code. True for exactly one caller.
    pub fn redeem_code(&self, handle: &str) -> bool {
        let mut codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        codes.entries.get_mut(handle).is_some_and(|e| !std::mem::replace(&mut e.redeemed, true))
    }

    pub fn refresh_token(&self, sign_in: SignIn, now: i64) -> String {
        let mut tokens = self.refresh_tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let ends = sign_in.ends.unwrap_or(now + REFRESH_SECONDS);
        tokens.insert(REFRESH_PREFIX, sign_in, now, ends)
    }

    pub fn look_at_refresh_token(&self, handle: &str, now: i64) -> Presented<SignIn> {
        self.refresh_tokens.lock().unwrap_or_else(PoisonError::into_inner).look(REFRESH_PREFIX, handle, now)
    }

    /// Whether a code was issued to a single-page application; none if it is not known.
    pub fn code_is_spas(&self, handle: &str) -> Option<bool> {
        let codes = self.codes.lock().unwrap_or_else(PoisonError::into_inner);
        codes.entries.get(handle).map(|e| e.value.spa)
    }

    /// The same for a refresh token.
    pub fn refresh_token_is_spas(&self, handle: &str) -> Option<bool> {
        let tokens = self.refresh_tokens.lock().unwrap_or_else(PoisonError::into_inner);
        tokens.entries.get(handle).map(|e| e.value.ends.is_some())
    }

    pub fn clear(&self) {
        *self.codes.lock().unwrap_or_else(PoisonError::into_inner) = Table::default();
        *self.refresh_tokens.lock().unwrap_or_else(PoisonError::into_inner) = Table::default();
    }
}

struct Table<T> {
    entries: HashMap<String, Entry<T>>,
    next: u64,
}

/// The handles are credentials, so none is printed.
impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issued").finish_non_exhaustive()
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { entries: HashMap::new(), next: 0 }
    }
}

impl<T: Clone> Table<T> {
    fn insert(&mut self, prefix: &str, value: T, now: i64, expires: i64) -> String {
        if self.entries.len() >= MOST {
            self.make_room(now);
        }
        let handle = format!("{prefix}{}", random::handle(12));
        let order = self.next;
        self.next += 1;
        self.entries.insert(handle.clone(), Entry { value, expires, redeemed: false, order });
        handle
    }

    /// Expired entries go first (they would answer "expired" otherwise), then the oldest half.
    fn make_room(&mut self, now: i64) {
        self.entries.retain(|_, e| e.expires > now);
        if self.entries.len() >= MOST {
            let keep_from = self.next.saturating_sub(MOST as u64 / 2);
            self.entries.retain(|_, e| e.order >= keep_from);
        }
    }

    fn look(&self, prefix: &str, handle: &str, now: i64) -> Presented<T> {
        let letters = |t: &str| t.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !handle.strip_prefix(prefix).is_some_and(|rest| rest.len() == 256 && letters(rest)) {
            return Presented::Malformed;
        }
        match self.entries.get(handle) {
            None => Presented::Unknown,
            Some(e) if e.redeemed => Presented::AlreadyRedeemed,
            Some(e) if e.expires <= now => Presented::Expired(e.value.clone()),
            Some(e) => Presented::Good(e.value.clone()),
        }
    }
}
