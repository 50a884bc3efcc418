//! Values that cannot be printed.
//!
//! Every secret of the protocol has a type of its own here: no `Display`, a `Debug` that shows the name only, memory
//! wiped on drop. What leaves the process leaves through `expose`, which only this crate can call for most of them.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use zeroize::optimization_barrier;

/// Text that is wiped when it is dropped: all of it at once, for a token has kilobytes, and byte by byte they take longer
/// than everything else that is done with them. It is not copied: whoever shares it holds the same one.
struct Wiped(Box<str>);

impl Wiped {
    fn new(text: impl Into<String>) -> Self {
        Self(text.into().into())
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        wipe(&mut std::mem::take(&mut self.0).into_string().into_bytes());
    }
}

/// Bytes that are wiped as text is.
pub(crate) struct WipedBytes(pub Vec<u8>);

impl Drop for WipedBytes {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

impl Deref for WipedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    optimization_barrier(&*bytes); // Somebody may still look: it is not left out.
}

macro_rules! secret {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(Arc<Wiped>);

        impl $name {
            /// Wraps the value; from here on it is not printed.
            #[allow(dead_code, reason = "not every secret is made by every build")]
            pub fn new(value: impl Into<String>) -> Self {
                Self(Arc::new(Wiped::new(value)))
            }

            #[allow(dead_code, reason = "not every secret is sent by every build")]
            pub(crate) fn expose(&self) -> &str {
                &self.0.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    };
}

secret!(
    /// The password of an application (`client_secret`, RFC 6749 §2.3.1).
    ///
    /// ```
    /// use shared_auth::{ClientCredential, ClientSecret};
    ///
    /// let credential = ClientCredential::Secret(ClientSecret::new("from a safe place"));
    /// assert_eq!(format!("{credential:?}"), "Secret(ClientSecret(…))");
    /// ```
    ClientSecret
);
secret!(
    /// A signed statement by which an application proves who it is (RFC 7523 §2.2), in place of a secret.
    ///
    /// ```
    /// use shared_auth::ClientAssertion;
    ///
    /// assert_eq!(format!("{:?}", ClientAssertion::new("eyJ…")), "ClientAssertion(…)");
    /// ```
    ClientAssertion
);
secret!(
    /// A refresh token (RFC 6749 §1.5). It never leaves this crate but for the token endpoint.
    ///
    /// ```
    /// use shared_auth::RefreshToken;
    ///
    /// assert_eq!(format!("{:?}", RefreshToken::new("0.AX…")), "RefreshToken(…)");
    /// ```
    RefreshToken
);
secret!(
    /// The code that `/authorize` hands out (RFC 6749 §4.1.2): single use, about ten minutes.
    ///
    /// ```
    /// use shared_auth::AuthorizationCode;
    ///
    /// assert_eq!(format!("{:?}", AuthorizationCode::new("0.AX…")), "AuthorizationCode(…)");
    /// ```
    AuthorizationCode
);
secret!(
    /// The random string behind a PKCE challenge (RFC 7636 §4.1).
    PkceVerifier
);
secret!(
    /// The code with which a device asks for its tokens (RFC 8628 §3.2). The short user code is another one.
    DeviceCode
);
secret!(
    /// A user's own password. No application should see one.
    Password
);
/// SHA-256 of the whole text of a token: it names the token and tells nothing of it.
///
/// It must never be made of less than the whole text, for the signature is part of what makes two tokens different.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TokenDigest(pub(crate) [u8; 32]);

impl TokenDigest {
    /// Of the text as it was received.
    pub fn of(token: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self(bytes)
    }

    /// As every MSAL writes it: base64url, mostly without padding.
    pub fn parse(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?.try_into().ok().map(Self)
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenDigest(…)")
    }
}

/// The access token that an API received and checked, as it is presented for on-behalf-of (RFC 7523 §2.1).
///
/// It knows when it ends, so that no token which was got with it is served from a cache after that. Clones share the
/// text.
///
/// ```
/// use jiff::Timestamp;
/// use shared_auth::UserAssertion;
///
/// // Guards make it (`UserCaller::assertion`); by hand only where a token was checked elsewhere.
/// let assertion = UserAssertion::new("eyJ…", Timestamp::from_second(1_800_000_000)?);
/// assert_eq!(format!("{assertion:?}"), "UserAssertion(…)");
/// # Ok::<(), jiff::Error>(())
/// ```
#[derive(Clone)]
pub struct UserAssertion(Arc<Presented>);

struct Presented {
    value: Wiped,
    /// Made when it is wanted: not every API calls another one. From then on it is there for every request with this token.
    digest: OnceLock<TokenDigest>,
    expires_at: Timestamp,
}

impl UserAssertion {
    /// Wraps a token that has been checked, with its `exp`.
    pub fn new(value: impl Into<String>, expires_at: Timestamp) -> Self {
        Self(Arc::new(Presented { value: Wiped::new(value), digest: OnceLock::new(), expires_at }))
    }

    /// When the token ends.
    pub fn expires_at(&self) -> Timestamp {
        self.0.expires_at
    }

    /// What it is filed under.
    pub(crate) fn digest(&self) -> &TokenDigest {
        self.0.digest.get_or_init(|| TokenDigest::of(self.expose()))
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0.value.0
    }
}

impl fmt::Debug for UserAssertion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserAssertion(…)")
    }
}

/// Marks tokens that an application got for itself.
///
/// ```compile_fail,E0308
/// use shared_auth::{AccessToken, App, User};
///
/// fn for_a_user(_token: AccessToken<User>) {}
/// for_a_user(AccessToken::<App>::new("…")); // does not compile
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum App {}

/// Marks tokens that were issued for a signed-in user.
///
/// ```
/// use shared_auth::{AccessToken, User};
///
/// fn calls_for_a_user(token: &AccessToken<User>) -> String {
///     format!("{token:?}")
/// }
/// assert_eq!(calls_for_a_user(&AccessToken::new("eyJ…")), "AccessToken<user>(…)");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {}

/// Whom an access token speaks for: [`App`] or [`User`].
///
/// The two never meet: caches, results and callers are typed by it, so that an app-only token cannot be returned
/// where a user's was asked for.
///
/// ```
/// use shared_auth::{AccessToken, App, TokenKind, User};
///
/// /// Takes either, and knows which.
/// fn kind<K: TokenKind>(_token: &AccessToken<K>) -> &'static str {
///     K::NAME
/// }
///
/// assert_eq!((kind(&AccessToken::<App>::new("…")), kind(&AccessToken::<User>::new("…"))), ("app", "user"));
/// ```
pub trait TokenKind: sealed::Kind + fmt::Debug + Send + Sync + 'static {
    /// `app` or `user`, for logs.
    const NAME: &'static str;
}

impl TokenKind for App {
    const NAME: &'static str = "app";
}

impl TokenKind for User {
    const NAME: &'static str = "user";
}

mod sealed {
    use smallvec::Array;

    /// There are two kinds. What the caches know of them is nobody else's business.
    pub trait Kind {
        /// Room within an entry for the name that it is filed under; longer ones have a place elsewhere.
        type Name: Array<Item = u8> + Send + Sync + 'static;
    }

    impl Kind for super::App {
        type Name = [u8; 40]; // The tenant's id.
    }

    impl Kind for super::User {
        type Name = [u8; 80]; // And that of an account, or the hash of an assertion.
    }
}

/// An access token (RFC 6749 §1.4), opaque to everyone but its audience.
///
/// ```
/// use shared_auth::{AccessToken, User};
///
/// let token = AccessToken::<User>::new("eyJ…");
/// assert_eq!(format!("{token:?}"), "AccessToken<user>(…)");
/// ```
///
/// Clones share the text, so that a cache hit copies none of it.
pub struct AccessToken<K: TokenKind> {
    value: Arc<Wiped>,
    kind: PhantomData<fn() -> K>,
}

impl<K: TokenKind> AccessToken<K> {
    /// Wraps a token that came from elsewhere.
    pub fn new(value: impl Into<String>) -> Self {
        Self { value: Arc::new(Wiped::new(value)), kind: PhantomData }
    }

    /// The token as it goes into an `Authorization` header. Keep it out of logs, pages and errors.
    pub fn expose_secret(&self) -> &str {
        &self.value.0
    }
}

impl<K: TokenKind> Clone for AccessToken<K> {
    fn clone(&self) -> Self {
        Self { value: Arc::clone(&self.value), kind: PhantomData }
    }
}

impl<K: TokenKind> fmt::Debug for AccessToken<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccessToken<{}>(…)", K::NAME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checklist 144.
    #[test]
    fn no_secret_is_printed() {
        let shown = format!(
            "{:?} {:?} {:?} {:?} {:?} {:?}",
            ClientSecret::new("s3cret-a"),
            RefreshToken::new("s3cret-b"),
            AuthorizationCode::new("s3cret-c"),
            PkceVerifier::new("s3cret-d"),
            UserAssertion::new("s3cret-e", Timestamp::UNIX_EPOCH),
            AccessToken::<App>::new("s3cret-f"),
        );

        assert!(!shown.contains("s3cret"), "{shown}");
    }
}
