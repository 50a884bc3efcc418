//! The typed session: who is signed in.
//!
//! Keys are strings in one place only. The browser holds an opaque, signed id; everything named here stays on the
//! server. Sign-ins that are under way are no part of it: they have cookies of their own (`sign_in/open.rs`).

use std::future::{Ready, ready};
use std::str::FromStr;

use actix_session::{Session, SessionExt};
use actix_web::cookie::Key;
use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::failure::{PageError, Reason};
use super::session_store::{Sessions, State};
use super::sign_in::SignInRoutes;
use crate::client::{Account, AuthenticationResult, ConfidentialClient};
use crate::error::Error;
use crate::jwt::IdTokenClaims;
use crate::protocol::scope::Scopes;
use crate::secret::User;

/// Pages that may wait at once to show whether a step-up has helped.
const CHALLENGED_PAGES: usize = 8;

/// The key that signs the session cookie: 64 bytes, given as base64 (`SESSION_KEY`).
///
/// ```
/// use shared_auth::actix::CookieKey;
///
/// let key: CookieKey = format!("{}==", "A".repeat(86)).parse()?; // in a program: from SESSION_KEY
/// assert!("too short".parse::<CookieKey>().is_err());
/// assert_eq!(format!("{key:?}"), "CookieKey(…)");
/// # Ok::<(), &'static str>(())
/// ```
#[derive(Clone)]
pub struct CookieKey(pub(super) Key);

impl FromStr for CookieKey {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match STANDARD.decode(text.trim()) {
            Ok(bytes) if bytes.len() == 64 => Ok(Self(Key::from(&bytes))),
            _ => Err("it must be 64 random bytes in base64: openssl rand -base64 64 | tr -d '\\n'"),
        }
    }
}

impl std::fmt::Debug for CookieKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CookieKey(…)")
    }
}

/// The user of this session, as a handler's argument.
///
/// A handler with this argument runs for signed-in users only; everybody else is sent to sign in and comes back to the
/// same page. `Option<SignedInUser>` is for pages that greet both.
///
/// ```
/// use shared_auth::actix::SignedInUser;
///
/// async fn home(user: Option<SignedInUser>) -> String {
///     match user {
///         Some(user) => format!("Hello, {}", user.name()),
///         None => "Hello, whoever you are".to_owned(),
///     }
/// }
/// ```
#[derive(Debug, Clone)]
pub struct SignedInUser {
    user: StoredUser,
    client: ConfidentialClient,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct StoredUser {
    pub account: Account,
    pub claims: IdTokenClaims,
    pub csrf_token: String,
}

impl SignedInUser {
    /// The display name, or the user name where there is none.
    pub fn name(&self) -> &str {
        self.user.claims.name.as_deref().unwrap_or(&self.user.account.username)
    }

    /// The user name. For display: it can change.
    pub fn username(&self) -> &str {
        &self.user.account.username
    }

    /// The key to this user's tokens in the cache.
    pub fn account(&self) -> &Account {
        &self.user.account
    }

    /// The checked claims of the ID token.
    pub fn claims(&self) -> &IdTokenClaims {
        &self.user.claims
    }

    /// Goes into a hidden field `csrf_token` of the sign-out form.
    pub fn csrf_token(&self) -> &str {
        &self.user.csrf_token
    }

    /// A token for an API, silently: from the cache, or by the refresh token.
    ///
    /// # Errors
    /// [`Error::InteractionRequired`] where the user has to sign in again; as a handler's [`PageError`] that becomes a
    /// redirect to the sign-in and back.
    pub async fn acquire_token(&self, scopes: &Scopes) -> Result<AuthenticationResult<User>, Error> {
        let claims = &self.user.claims;
        let silent = self.client.acquire_token_silent(&self.user.account, scopes);
        silent.signed_in_as(&claims.issuer, &claims.subject).await
    }
}

impl FromRequest for SignedInUser {
    type Error = PageError;
    type Future = Ready<Result<Self, PageError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let nobody = || match Sessions::is_away(&request.get_session()) {
            true => Reason::SessionsAway,
            false => Reason::NobodySignedIn,
        };
        ready(signed_in(request).ok_or_else(|| PageError(nobody())))
    }
}

pub(super) fn signed_in(request: &HttpRequest) -> Option<SignedInUser> {
    let routes = request.app_data::<web::Data<SignInRoutes>>()?;
    let user = TypedSession(request.get_session()).user()?;
    Some(SignedInUser { user, client: routes.client().clone() })
}

/// The session with names instead of string keys.
pub(super) struct TypedSession(pub Session);

impl TypedSession {
    pub const USER: &'static str = "user";
    /// Entra's name for the session, by which a front-channel sign-out finds this one.
    pub const SID: &'static str = "sid";
    const CHALLENGED: &'static str = "challenged";

    pub fn user(&self) -> Option<StoredUser> {
        self.0.get(Self::USER).ok().flatten()
    }

    /// The user of a session as it is stored.
    pub fn user_in(state: &State) -> Option<StoredUser> {
        serde_json::from_str(state.get(Self::USER)?).ok()
    }

    /// Makes this the session of `user`, under a new id: an id from before the sign-in must be worth nothing after it.
    /// `challenged`: the page for which the sign-in had to be a better one.
    pub fn sign_in(&self, user: &StoredUser, challenged: Option<String>) -> Result<(), Error> {
        let mut pages: Vec<String> = self.0.get(Self::CHALLENGED).ok().flatten().unwrap_or_default();
        pages.extend(challenged);
        let surplus = pages.len().saturating_sub(CHALLENGED_PAGES);
        self.0.clear();
        self.0.renew();
        self.put(Self::USER, user)?;
        if let Some(sid) = &user.claims.sid {
            self.put(Self::SID, sid)?;
        }
        if pages.is_empty() { Ok(()) } else { self.put(Self::CHALLENGED, &pages.split_off(surplus)) }
    }

    pub fn sign_out(&self) {
        self.0.purge();
    }

    /// True where the user has just signed in once more for that page. The next time it may be tried again.
    pub fn was_challenged(&self, path: &str) -> bool {
        let Some(mut pages) = self.0.get::<Vec<String>>(Self::CHALLENGED).ok().flatten() else {
            return false;
        };
        let before = pages.len();
        pages.retain(|page| page != path);
        let was = pages.len() < before;
        if was && self.put(Self::CHALLENGED, &pages).is_err() {
            self.0.remove(Self::CHALLENGED);
        }
        was
    }

    /// The page went through: the next challenge for it is a new one.
    pub fn answered(&self, path: &str) {
        let _it_is_forgotten = self.was_challenged(path);
    }

    fn put(&self, key: &str, value: &impl Serialize) -> Result<(), Error> {
        self.0.insert(key, value).map_err(|_| {
            crate::env::ConfigError::new("session", "this value cannot be kept in a session").into()
        })
    }
}

/// Compares the token of a form with the session's, in constant time.
pub(super) fn is_csrf_token(user: &StoredUser, presented: &str) -> bool {
    user.csrf_token.as_bytes().ct_eq(presented.as_bytes()).into()
}
