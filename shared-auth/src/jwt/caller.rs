//! Who is calling: a user through an application, or an application on its own. Decided once, by the validator.

use std::sync::Arc;

use jiff::Timestamp;

use crate::protocol::scope::Scopes;
use crate::secret::UserAssertion;

/// The bearer of a token that passed every check. A clone is cheap: it shares the claims.
///
/// ```
/// use shared_auth::Caller;
///
/// fn key_of_what_is_stored(caller: &Caller) -> String {
///     match caller {
///         Caller::User(user) => format!("{}.{}", user.object_id, user.tenant_id),
///         Caller::App(app) => format!("app:{}.{}", app.object_id, app.tenant_id),
///     }
/// }
/// ```
#[derive(Debug, Clone)]
pub enum Caller {
    /// A user, through an application that the user signed in to (a delegated token: `scp`).
    User(Arc<UserClaims>),
    /// An application by itself, no user involved (an app-only token: `roles` without `scp`).
    App(Arc<AppClaims>),
}

impl Caller {
    /// `azp` (or `appid`): the application that calls, for a user or for itself.
    pub fn client_id(&self) -> &str {
        match self {
            Caller::User(user) => &user.client_id,
            Caller::App(app) => &app.client_id,
        }
    }

    /// `tid`.
    pub fn tenant_id(&self) -> &str {
        match self {
            Caller::User(user) => &user.tenant_id,
            Caller::App(app) => &app.tenant_id,
        }
    }
}

/// A signed-in user, and what the application in between may do for them.
///
/// ```
/// use shared_auth::UserClaims;
///
/// fn greeting(user: &UserClaims) -> String {
///     format!("Hello {}", user.name.as_deref().unwrap_or("you"))
/// }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct UserClaims {
    /// `oid`: the user's id in the tenant. With [`Self::tenant_id`] the key for everything stored about a user;
    /// names and addresses change hands.
    pub object_id: String,
    /// `tid`.
    pub tenant_id: String,
    /// `sub`: the user's id towards this API.
    pub subject: String,
    /// `name`, for greeting only.
    pub name: Option<String>,
    /// `preferred_username` (or `upn`), for showing only.
    pub username: Option<String>,
    /// `azp` (or `appid`): the application that calls.
    pub client_id: String,
    /// `scp`: what the user allowed the application to do here.
    pub scopes: Scopes,
    /// `roles`: the user's own app roles. They never stand for an application's permission.
    pub roles: Vec<String>,
    /// `acrs`: the authentication contexts of Conditional Access that the sign-in satisfied (`c1`).
    pub authentication_contexts: Vec<String>,
    /// `xms_cc`: what the calling application can handle; see [`Self::handles_claims_challenges`].
    pub client_capabilities: Vec<String>,
    /// `iat`, where it is there.
    pub issued_at: Option<Timestamp>,
    /// `exp`.
    pub expires_at: Timestamp,
    pub(super) assertion: UserAssertion,
}

impl UserClaims {
    /// The token itself, to be presented for on-behalf-of. It cannot be printed.
    pub fn assertion(&self) -> &UserAssertion {
        &self.assertion
    }

    /// True where the token carries exactly this scope. Upper and lower case count: the name is one of ours.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|own| own == scope)
    }

    /// True where the sign-in satisfied this authentication context.
    pub fn satisfies(&self, authentication_context: &str) -> bool {
        self.authentication_contexts.iter().any(|own| own == authentication_context)
    }

    /// True where the calling application has declared (`cp1`) that it can act on a claims challenge. The registration
    /// of this API must ask for the optional claim `xms_cc`, or nobody can.
    pub fn handles_claims_challenges(&self) -> bool {
        // Met in the field in either case.
        self.client_capabilities.iter().any(|capability| capability.eq_ignore_ascii_case("cp1"))
    }

    pub(super) fn text_bytes(&self) -> usize {
        let shown = [&self.name, &self.username].into_iter().flatten().map(String::len).sum::<usize>();
        let ids = self.object_id.len() + self.tenant_id.len() + self.subject.len() + self.client_id.len();
        let lists = bytes_of(&self.roles)
            + bytes_of(&self.authentication_contexts)
            + bytes_of(&self.client_capabilities);
        let scopes = self.scopes.iter().map(|scope| scope.len() + size_of::<String>()).sum::<usize>();
        self.assertion.expose().len() + shown + ids + lists + scopes
    }
}

/// An application that calls for itself.
///
/// ```
/// use shared_auth::AppClaims;
///
/// fn may_read(app: &AppClaims) -> bool {
///     app.has_role("Directory.Read")
/// }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AppClaims {
    /// `oid`: the application's service principal in the tenant.
    pub object_id: String,
    /// `tid`.
    pub tenant_id: String,
    /// `azp` (or `appid`): the application.
    pub client_id: String,
    /// `roles`: the application permissions that an administrator granted.
    pub roles: Vec<String>,
    /// `iat`, where it is there.
    pub issued_at: Option<Timestamp>,
    /// `exp`.
    pub expires_at: Timestamp,
}

impl AppClaims {
    /// True where the token carries exactly this app role.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|own| own == role)
    }

    pub(super) fn text_bytes(&self) -> usize {
        self.object_id.len() + self.tenant_id.len() + self.client_id.len() + bytes_of(&self.roles)
    }
}

fn bytes_of(list: &[String]) -> usize {
    list.iter().map(|item| item.len() + size_of::<String>()).sum()
}
