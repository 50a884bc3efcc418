//! The typed session: who is signed in, and which sign-ins of this browser are under way.
//!
//! Keys are strings in one place only. The browser holds an opaque, signed id; everything named here stays on the
//! server.

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
use super::session_store::Sessions;
use super::sign_in::SignInRoutes;
use crate::client::{Account, AuthenticationResult, ConfidentialClient};
use crate::error::{Error, SignInError};
use crate::flows::authorization_code::{AuthCodeFlow, AuthorizationResponse};
use crate::jwt::IdTokenClaims;
use crate::protocol::scope::Scopes;
use crate::secret::User;

/// Sign-ins that one browser may have open at once, in as many tabs. The oldest gives way.
const OPEN_SIGN_INS: usize = 8;

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
        self.client.acquire_token_silent(&self.user.account, scopes).await
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

/// A sign-in that this browser has begun.
#[derive(Serialize, Deserialize)]
struct OpenSignIn {
    flow: AuthCodeFlow,
    return_to: String,
}

/// What the next sign-in must ask for beyond the usual.
#[derive(Serialize, Deserialize)]
pub(super) struct OpenChallenge {
    pub claims: Option<String>,
    pub scopes: Scopes,
}

/// The session with names instead of string keys.
pub(super) struct TypedSession(pub Session);

impl TypedSession {
    pub const USER: &'static str = "user";
    pub const OPEN: &'static str = "sign-ins";
    const CHALLENGE: &'static str = "challenge";
    const CHALLENGED: &'static str = "challenged";

    pub fn user(&self) -> Option<StoredUser> {
        self.0.get(Self::USER).ok().flatten()
    }

    /// Makes this the session of `user`, under a new id: an id from before the sign-in must be worth nothing after it.
    pub fn sign_in(&self, account: Account, claims: IdTokenClaims, csrf_token: String) -> Result<(), Error> {
        let challenged: Option<String> = self.0.get(Self::CHALLENGED).ok().flatten();
        let open: Vec<OpenSignIn> = self.0.get(Self::OPEN).ok().flatten().unwrap_or_default();
        self.0.clear();
        self.0.renew();
        self.put(Self::USER, &StoredUser { account, claims, csrf_token })?;
        if !open.is_empty() {
            self.put(Self::OPEN, &open)?; // Another tab may be signing in as well.
        }
        challenged.map_or(Ok(()), |path| self.put(Self::CHALLENGED, &path))
    }

    pub fn sign_out(&self) {
        self.0.purge();
    }

    pub fn open(&self, flow: AuthCodeFlow, return_to: String) -> Result<(), Error> {
        let mut open: Vec<OpenSignIn> = self.0.get(Self::OPEN).ok().flatten().unwrap_or_default();
        open.push(OpenSignIn { flow, return_to });
        let surplus = open.len().saturating_sub(OPEN_SIGN_INS);
        self.put(Self::OPEN, &open.split_off(surplus))
    }

    /// Takes the sign-in that `response` answers. The session is written at the end of the request: a second answer
    /// finds nothing after that, but two at the same time may both try to redeem the code. Entra lets only one of them.
    pub fn take(&self, response: &AuthorizationResponse) -> Result<(AuthCodeFlow, String), Error> {
        let mut open: Vec<OpenSignIn> = self.0.get(Self::OPEN).ok().flatten().unwrap_or_default();
        let at = open
            .iter()
            .position(|open| open.flow.is_answered_by(response))
            .ok_or(SignInError::UnknownFlow)?;
        let OpenSignIn { flow, return_to } = open.remove(at);
        self.put(Self::OPEN, &open)?;
        Ok((flow, return_to))
    }

    /// Remembers what the next sign-in must satisfy, and for which page. False where that page was challenged already
    /// and asking again would go round in circles.
    pub fn challenge(&self, path: &str, challenge: &OpenChallenge) -> bool {
        let before: Option<String> = self.0.get(Self::CHALLENGED).ok().flatten();
        if before.as_deref() == Some(path) {
            self.0.remove(Self::CHALLENGED);
            return false;
        }
        self.put(Self::CHALLENGED, &path).is_ok() && self.put(Self::CHALLENGE, challenge).is_ok()
    }

    pub fn take_challenge(&self) -> Option<OpenChallenge> {
        let challenge = self.0.get(Self::CHALLENGE).ok().flatten();
        if challenge.is_some() {
            self.0.remove(Self::CHALLENGE);
        }
        challenge
    }

    /// The page went through: the next challenge for it is a new one.
    pub fn answered(&self, path: &str) {
        if self.0.get::<String>(Self::CHALLENGED).ok().flatten().as_deref() == Some(path) {
            self.0.remove(Self::CHALLENGED);
        }
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
