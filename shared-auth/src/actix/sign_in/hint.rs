//! Whom to ask for when a session was lost: a cookie beside the session's, for the next sign-in's `login_hint`.
//!
//! A store that was emptied takes the names of its users along. Without a hint Entra asks whoever has several accounts
//! which one it is; with it, the same person is back on the same page without a question. The cookie is sealed for this
//! purpose and this application, so that a browser's disk shows no address. It proves nothing: whoever sends it gets
//! Entra's page for that name, and nobody is signed in by it. It ends with the browser, as the session's does, and is
//! not believed for longer than a session can live.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::cookie::{Cookie, SameSite};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::actix::session::{CookieKey, StoredUser};
use crate::actix::session_store::ABSOLUTE_LIFETIME;
use crate::cache::KeyRing;
use crate::client::ConfidentialClient;

/// Longer names are not kept, and longer cookies not opened.
const LONGEST: usize = 1024;

/// Makes and reads the cookies of one application.
#[derive(Debug, Clone)]
pub(super) struct Hints {
    key: KeyRing,
    /// Whose they are: cloud, tenant and client.
    place: Arc<[String; 3]>,
    https: bool,
}

/// What a cookie says.
#[derive(Serialize, Deserialize)]
pub(super) struct Hint {
    /// What Entra is told.
    pub login_hint: String,
    /// The session at Entra. Where it was ended from there, nobody is asked for.
    pub sid: Option<String>,
    /// In seconds.
    ends: i64,
}

impl Hints {
    pub fn new(key: &CookieKey, client: &ConfidentialClient, https: bool) -> Self {
        let (authority, client) = (&client.inner.authority, client.client_id());
        let place = [authority.environment(), authority.realm(), client].map(str::to_owned).into();
        Self { key: KeyRing::derived(key.0.master(), b"cookie of a login_hint"), place, https }
    }

    /// The cookie for somebody who has just signed in.
    pub fn cookie(&self, user: &StoredUser, now: Timestamp) -> Option<Cookie<'static>> {
        let ends = (now + ABSOLUTE_LIFETIME).as_second();
        let hint = Hint { login_hint: of(user).to_owned(), sid: user.claims.sid.clone(), ends };
        let plain = serde_json::to_vec(&hint).ok().filter(|plain| plain.len() <= LONGEST)?;
        Some(self.holding(URL_SAFE_NO_PAD.encode(self.key.seal(&self.place(), &plain).ok()?)))
    }

    /// What the browser's cookie says. `None` for one that has ended, is another application's, or was made up.
    pub fn read(&self, request: &HttpRequest, now: Timestamp) -> Option<Hint> {
        let cookie = request.cookie(self.name()).filter(|cookie| cookie.value().len() <= 2 * LONGEST)?;
        let plain = self.key.open_sent(&self.place(), URL_SAFE_NO_PAD.decode(cookie.value()).ok()?)?;
        serde_json::from_slice(&plain).ok().filter(|hint: &Hint| now.as_second() < hint.ends)
    }

    /// Takes the cookie from a browser that has one.
    pub fn removal(&self, request: &HttpRequest) -> Option<Cookie<'static>> {
        request.cookie(self.name())?;
        let mut gone = self.holding(String::new());
        gone.make_removal();
        Some(gone)
    }

    fn holding(&self, value: String) -> Cookie<'static> {
        Cookie::build(self.name(), value)
            .path("/")
            .http_only(true)
            .secure(self.https)
            .same_site(SameSite::Lax)
            .finish()
    }

    /// The prefix makes browsers refuse the cookie from anyone but this very host; it needs https.
    fn name(&self) -> &'static str {
        if self.https { "__Host-hint" } else { "hint" }
    }

    fn place(&self) -> [&[u8]; 3] {
        self.place.each_ref().map(String::as_bytes)
    }
}

/// By what Entra knows a user best: its own word for them, or the user name, which can change.
pub(super) fn of(user: &StoredUser) -> &str {
    user.claims.login_hint.as_deref().unwrap_or(&user.account.username)
}
