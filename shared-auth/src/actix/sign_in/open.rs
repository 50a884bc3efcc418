//! A sign-in under way: what it remembers on the server, and the cookie that ties it to the browser that began it.
//!
//! Every sign-in has a cookie of its own, beside that of the session: tabs do not get in each other's way, an answer
//! that comes late or twice changes nobody's session, and a browser without the cookie cannot finish what another one
//! began. The record is found by the cookie's name and value together and is taken out in one step, so it serves once.

use actix_web::HttpRequest;
use actix_web::cookie::{Cookie, SameSite, time};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::forms::KeptForm;
use crate::actix::session::StoredUser;
use crate::actix::session_store::OnceKey;
use crate::error::Error;
use crate::flows::authorization_code::{AuthCodeFlow, ResponseMode, random_text};
use crate::protocol::scope::Scopes;

/// Sign-ins that one browser may have open at once, in as many tabs. The oldest gives way.
const MOST: usize = 8;
const LIFETIME: time::Duration = time::Duration::minutes(15);

/// What a sign-in remembers until its answer comes.
#[derive(Serialize, Deserialize)]
pub(super) struct OpenSignIn {
    pub flow: AuthCodeFlow,
    pub return_to: String,
    /// The answer comes as a form; one in the address is none then, and the reverse.
    pub form_post: bool,
    /// The form that came, until the browser asks for it with the session's cookie.
    pub posted: Option<String>,
    pub step_up: Option<StepUp>,
}

/// Why somebody who is signed in has to sign in again, and what they were about to do.
#[derive(Serialize, Deserialize)]
pub(super) struct StepUp {
    /// Who was asked. Somebody else does not get their form.
    pub home_account_id: String,
    /// What was challenged. If it is once more after the sign-in, asking again would go round in circles.
    pub path: String,
    pub claims: Option<String>,
    pub scopes: Scopes,
    pub form: Option<KeptForm>,
}

/// The name under which something waits for the session of `user`, and for nobody else's.
pub(super) fn key_of(kind: &str, id: &str, user: &StoredUser) -> OnceKey {
    key(&[kind, id, &user.csrf_token])
}

fn key(parts: &[&str]) -> OnceKey {
    let mut key = [0; 32];
    key.copy_from_slice(digest(&SHA256, parts.join("\n").as_bytes()).as_ref());
    key
}

/// The cookie of one sign-in.
#[derive(Clone)]
pub(super) struct FlowCookie {
    name: String,
    /// When it began, in seconds, and 256 random bits.
    value: String,
}

impl FlowCookie {
    pub fn new(https: bool, state: &str, now: Timestamp) -> Result<Self, Error> {
        let value = format!("{}.{}", now.as_second(), random_text()?);
        Ok(Self { name: name(https, state), value })
    }

    /// The one that this browser has for `state`.
    pub fn of(request: &HttpRequest, https: bool, state: &str) -> Option<Self> {
        let name = name(https, state);
        let value = request.cookie(&name)?.value().to_owned();
        Some(Self { name, value })
    }

    /// Those that have to go before this browser may begin one more: the oldest.
    pub fn surplus(request: &HttpRequest, https: bool) -> Vec<Self> {
        let Ok(cookies) = request.cookies() else { return Vec::new() };
        let ours = cookies.iter().filter(|cookie| cookie.name().starts_with(prefix(https)));
        let mut ours: Vec<Self> = ours
            .map(|cookie| Self { name: cookie.name().to_owned(), value: cookie.value().to_owned() })
            .collect();
        ours.sort_by_key(|cookie| std::cmp::Reverse(cookie.began()));
        ours.split_off(ours.len().min(MOST - 1))
    }

    pub fn key(&self) -> OnceKey {
        key(&["sign-in", &self.name, &self.value])
    }

    /// A form that another site posts brings only cookies with `SameSite=None` along, and those have to be `Secure`.
    pub fn set(&self, https: bool, mode: ResponseMode) -> Cookie<'static> {
        let same_site = if mode == ResponseMode::FormPost { SameSite::None } else { SameSite::Lax };
        Cookie::build(self.name.clone(), self.value.clone())
            .path("/")
            .http_only(true)
            .secure(https)
            .same_site(same_site)
            .max_age(LIFETIME)
            .finish()
    }

    pub fn removal(&self, https: bool) -> Cookie<'static> {
        let mut gone = self.set(https, ResponseMode::Query);
        gone.make_removal();
        gone
    }

    fn began(&self) -> i64 {
        self.value.split('.').next().and_then(|seconds| seconds.parse().ok()).unwrap_or_default()
    }
}

/// The prefix makes browsers refuse the cookie from anyone but this very host; it needs https.
fn prefix(https: bool) -> &'static str {
    if https { "__Host-sign-in-" } else { "sign-in-" }
}

/// `state` itself would stand in every request of the next minutes; a part of its hash tells sign-ins apart as well.
fn name(https: bool, state: &str) -> String {
    let hash = URL_SAFE_NO_PAD.encode(digest(&SHA256, state.as_bytes()));
    format!("{}{}", prefix(https), &hash[..16])
}
