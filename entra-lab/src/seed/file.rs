//! The shape of a seed file, as serde reads it. What refers to something else keeps its place in the
//! text, so that a mistake can be shown; checking is left to the parent module.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Deserialize;
use toml::Spanned;
use url::Url;
use uuid::Uuid;

use crate::directory::{AppRole, Home, Message, OptionalClaim, Scope, Secret};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    #[serde(default)]
    pub tenant: Vec<RawTenant>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawTenant {
    pub id: Spanned<Uuid>,
    pub name: String,
    pub domain: String,
    #[serde(default)]
    pub user: Vec<RawUser>,
    #[serde(default)]
    pub group: Vec<RawGroup>,
    #[serde(default)]
    pub app: Vec<RawApp>,
    #[serde(default)]
    pub consent: Vec<RawConsent>,
    #[serde(default)]
    pub role_assignment: Vec<RawRoleAssignment>,
    #[serde(default)]
    pub policy: Vec<RawPolicy>,
    #[serde(default)]
    pub vault_secret: Vec<RawVaultSecret>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawVaultSecret {
    pub name: String,
    pub value: Secret,
    pub content_type: Option<String>,
    #[serde(default)]
    pub readers: Vec<Spanned<Uuid>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawPolicy {
    pub id: Option<Uuid>,
    pub name: Spanned<String>,
    /// `require_mfa`, `auth_context`, `sign_in_frequency`, `require_compliant_device` or `block`.
    pub kind: Spanned<String>,
    pub context: Option<String>,
    pub seconds: Option<i64>,
    #[serde(default)]
    pub users: Vec<Spanned<String>>,
    #[serde(default)]
    pub clients: Vec<Spanned<Uuid>>,
    #[serde(default)]
    pub resources: Vec<Spanned<Uuid>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawUser {
    pub id: Spanned<Uuid>,
    pub upn: Spanned<String>,
    pub password: Option<Secret>,
    pub otp: Option<Secret>,
    pub display_name: String,
    pub given_name: Option<String>,
    pub surname: Option<String>,
    pub job_title: Option<String>,
    pub office_location: Option<String>,
    pub mail: Option<String>,
    pub mobile_phone: Option<String>,
    pub preferred_language: Option<String>,
    pub photo: Option<String>,
    #[serde(default)]
    pub messages: Vec<Message>,
    #[serde(default)]
    pub disabled: bool,
    #[serde(default)]
    pub locked: bool,
    #[serde(default)]
    pub password_expired: bool,
    pub home: Option<Home>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawGroup {
    pub id: Spanned<Uuid>,
    pub name: String,
    pub description: Option<String>,
    #[serde(default)]
    pub members: Vec<Spanned<String>>,
    /// Ids of groups that are members.
    #[serde(default)]
    pub groups: Vec<Spanned<Uuid>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawApp {
    pub id: Spanned<Uuid>,
    pub object_id: Option<Uuid>,
    pub name: String,
    #[serde(default)]
    pub secrets: Vec<RawSecret>,
    #[serde(default)]
    pub certificates: Vec<Spanned<RawCertificate>>,
    #[serde(default)]
    pub federated_credentials: Vec<RawFederated>,
    #[serde(default)]
    pub public_client: bool,
    #[serde(default)]
    pub multi_tenant: bool,
    #[serde(default)]
    pub family: bool,
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    #[serde(default)]
    pub spa_redirect_uris: Vec<String>,
    #[serde(default)]
    pub implicit_id_tokens: bool,
    #[serde(default)]
    pub implicit_access_tokens: bool,
    pub front_channel_logout_url: Option<Url>,
    #[serde(default)]
    pub identifier_uris: Vec<String>,
    pub access_token_version: Option<Spanned<u8>>,
    #[serde(default)]
    pub scopes: Vec<Scope>,
    #[serde(default)]
    pub roles: Vec<AppRole>,
    #[serde(default)]
    pub needs: Vec<RawNeed>,
    #[serde(default)]
    pub managed_identity: bool,
    #[serde(default)]
    pub disabled: bool,
    #[serde(default)]
    pub assignment_required: bool,
    /// `knownClientApplications` of the manifest.
    #[serde(default)]
    pub known_clients: Vec<Uuid>,
    /// `preAuthorizedApplications` of the manifest.
    #[serde(default)]
    pub pre_authorized: Vec<RawPreAuthorized>,
    #[serde(default)]
    pub group_claims: bool,
    #[serde(default)]
    pub optional_claims: BTreeSet<OptionalClaim>,
    /// The same as `optional_claims` where it is not there.
    pub optional_id_claims: Option<BTreeSet<OptionalClaim>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawPreAuthorized {
    pub client: Uuid,
    pub scopes: Vec<Spanned<String>>,
}

/// `"the secret"`, or a table with the time of its end.
#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum RawSecret {
    Plain(Secret),
    Dated { value: Secret, expires: Timestamp },
}

/// PEM or base64 DER, or a table that says more about it.
#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum RawCertificate {
    Plain(String),
    Table { pem: String, revoked: bool },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawFederated {
    pub issuer: Spanned<String>,
    pub subject: String,
    pub audience: Option<String>,
    /// The issuer's keys as JSON text; otherwise `jwks_url`.
    pub jwks: Option<Spanned<String>>,
    pub jwks_url: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawNeed {
    pub resource: Spanned<Uuid>,
    #[serde(default)]
    pub delegated: Vec<Spanned<String>>,
    #[serde(default)]
    pub application: Vec<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawConsent {
    pub client: Spanned<Uuid>,
    pub resource: Spanned<Uuid>,
    pub scopes: Vec<Spanned<String>>,
    pub users: Option<Vec<Spanned<String>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawRoleAssignment {
    pub to: Spanned<String>,
    pub resource: Spanned<Uuid>,
    pub roles: Vec<Spanned<String>>,
}
