//! Browser sessions at the sign-in page, and the sign-ins that are under way in them.
//!
//! The cookie carries a random handle and nothing else. A sign-in under way ("transaction") belongs
//! to one browser and has a token of its own in every form, so no other site can push a form in.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use subtle::ConstantTimeEq;
use uuid::Uuid;

use crate::random;

/// A session ends after a day, a sign-in that nobody finishes after half an hour.
const SESSION_SECONDS: i64 = 24 * 3600;
const TRANSACTION_SECONDS: i64 = 1800;
const MOST: usize = 5_000;

/// Someone who has typed a password in this browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedIn {
    pub tenant: Uuid,
    pub user: Uuid,
    pub auth_time: i64,
    /// The second factor was shown too.
    pub mfa: bool,
    /// How often the user's sessions had been revoked before.
    pub epoch: u64,
    /// The session of this account, which tokens repeat. It outlives a password that is typed again.
    pub sid: Uuid,
}

/// One browser.
#[derive(Debug, Clone)]
pub struct Browser {
    /// Stays the same when the cookie's handle changes.
    pub id: Uuid,
    pub signed_in: Vec<SignedIn>,
    /// Which account got a code for which application.
    pub visits: Vec<(Uuid, Uuid)>,
}

/// The sessions and sign-ins of one lab. `T` is what a sign-in remembers.
pub struct Sessions<T> {
    inner: Mutex<Inner<T>>,
}

struct Inner<T> {
    browsers: HashMap<String, (Browser, i64)>,
    transactions: HashMap<String, Transaction<T>>,
}

struct Transaction<T> {
    browser: Uuid,
    form_token: String,
    expires: i64,
    value: T,
}

/// Cookies and form tokens are credentials, so none is printed.
impl<T> std::fmt::Debug for Sessions<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sessions").finish_non_exhaustive()
    }
}

impl<T> Default for Sessions<T> {
    fn default() -> Self {
        Self { inner: Mutex::new(Inner { browsers: HashMap::new(), transactions: HashMap::new() }) }
    }
}

impl<T: Clone> Sessions<T> {
    /// The browser behind a cookie, if the lab knows it.
    pub fn browser(&self, cookie: &str, now: i64) -> Option<Browser> {
        let inner = self.lock();
        inner.browsers.get(cookie).filter(|(_, expires)| *expires > now).map(|(b, _)| b.clone())
    }

    /// A new browser without anybody signed in; returns its cookie value.
    pub fn new_browser(&self, now: i64) -> (String, Browser) {
        let browser = Browser { id: Uuid::new_v4(), signed_in: Vec::new(), visits: Vec::new() };
        let cookie = random::handle(3);
        let mut inner = self.lock();
        if inner.browsers.len() >= MOST {
            inner.browsers.retain(|_, (b, expires)| *expires > now && !b.signed_in.is_empty());
        }
        if inner.browsers.len() >= MOST {
            inner.browsers.clear();
        }
        inner.browsers.insert(cookie.clone(), (browser.clone(), now + SESSION_SECONDS));
        (cookie, browser)
    }

    /// Notes that someone signed in. The cookie's handle changes, so one that was planted is useless.
    pub fn sign_in(&self, cookie: &str, mut who: SignedIn, now: i64) -> Option<(String, Browser)> {
        let mut inner = self.lock();
        let (mut browser, _) = inner.browsers.remove(cookie)?;
        if let Some(before) = browser.signed_in.iter().find(|s| s.user == who.user) {
            who.sid = before.sid;
        }
        browser.signed_in.retain(|s| s.user != who.user);
        browser.signed_in.push(who);
        let fresh = random::handle(3);
        inner.browsers.insert(fresh.clone(), (browser.clone(), now + SESSION_SECONDS));
        Some((fresh, browser))
    }

    /// Notes that the user has shown the second factor in this browser.
    pub fn strengthen(&self, cookie: &str, user: Uuid) -> Option<Browser> {
        let mut inner = self.lock();
        let (browser, _) = inner.browsers.get_mut(cookie)?;
        browser.signed_in.iter_mut().find(|s| s.user == user)?.mfa = true;
        Some(browser.clone())
    }

    /// Notes that an account was used at an application.
    pub fn visited(&self, cookie: &str, user: Uuid, client: Uuid) {
        if let Some((browser, _)) = self.lock().browsers.get_mut(cookie)
            && !browser.visits.contains(&(user, client))
        {
            browser.visits.push((user, client));
        }
    }

    /// Takes one account out of the browser.
    pub fn sign_out_one(&self, cookie: &str, user: Uuid) {
        if let Some((browser, _)) = self.lock().browsers.get_mut(cookie) {
            browser.signed_in.retain(|s| s.user != user);
            browser.visits.retain(|(who, _)| *who != user);
        }
    }

    /// Forgets the browser and its unfinished sign-ins.
    pub fn sign_out(&self, cookie: &str) {
        let mut inner = self.lock();
        if let Some((browser, _)) = inner.browsers.remove(cookie) {
            inner.transactions.retain(|_, t| t.browser != browser.id);
        }
    }

    /// Starts a sign-in in this browser; returns its id and the token for its forms.
    pub fn begin(&self, browser: &Browser, value: T, now: i64) -> (String, String) {
        let (id, form_token) = (random::handle(2), random::handle(2));
        let mut inner = self.lock();
        if inner.transactions.len() >= MOST {
            inner.transactions.retain(|_, t| t.expires > now);
        }
        if inner.transactions.len() >= MOST {
            inner.transactions.clear();
        }
        let transaction = Transaction {
            browser: browser.id,
            form_token: form_token.clone(),
            expires: now + TRANSACTION_SECONDS,
            value,
        };
        inner.transactions.insert(id.clone(), transaction);
        (id, form_token)
    }

    /// The sign-in that a form belongs to, if browser and form token are the right ones.
    pub fn find(&self, id: &str, form_token: &str, browser: &Browser, now: i64) -> Option<T> {
        let inner = self.lock();
        let found = inner.transactions.get(id)?;
        let same_form: bool = found.form_token.as_bytes().ct_eq(form_token.as_bytes()).into();
        (same_form && found.browser == browser.id && found.expires > now).then(|| found.value.clone())
    }

    /// Changes what a sign-in under way remembers.
    pub fn update(&self, id: &str, value: T) {
        if let Some(found) = self.lock().transactions.get_mut(id) {
            found.value = value;
        }
    }

    /// The sign-in is over. False if another request was faster.
    pub fn finish(&self, id: &str) -> bool {
        self.lock().transactions.remove(id).is_some()
    }

    pub fn clear(&self) {
        let mut inner = self.lock();
        inner.browsers.clear();
        inner.transactions.clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
