//! Checks a token that this lab has signed: signature, issuer, lifetime, audience.
//!
//! Used by Graph for its bearer tokens, by on-behalf-of for the assertion and by sign-ins for a hint. Lifetimes are held
//! against the lab's clock, without any leeway, so a lesson about expiry is exact.

use std::collections::BTreeSet;

use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use crate::policy::decide::Strength;
use crate::state::LabState;
use crate::tokens::claims::{BACKDATED_SECONDS, pairwise};
use crate::tokens::signed::as_signed;

/// Longest token that is looked at.
const MOST_BYTES: usize = 16 * 1024;

/// Why a token is refused, in the order of the checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    #[error("it is not a signed token")]
    Malformed,
    #[error("its key id is not one of the published keys")]
    UnknownKey,
    #[error("its signature is wrong")]
    Signature,
    #[error("its issuer is not one of the lab's tenants")]
    Issuer,
    #[error("it is an ID token, which is for the client only")]
    IdToken,
    #[error("it has expired")]
    Expired,
    #[error("it is not valid yet")]
    NotYetValid,
    #[error("it was made for another audience")]
    Audience,
}

/// What an access token says, whichever format it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessClaims {
    pub tenant: Uuid,
    /// Object id of the user, or of the service principal in an app-only token.
    pub object_id: Uuid,
    /// Client id of the application that asked for the token.
    pub client_id: Uuid,
    pub audience: String,
    /// Delegated permissions; empty in app-only tokens.
    pub scopes: BTreeSet<String>,
    /// App roles.
    pub roles: BTreeSet<String>,
    pub app_only: bool,
    /// Session of the browser in which the user signed in.
    pub sid: Option<Uuid>,
    /// End of validity, seconds since 1970.
    pub expires: i64,
    /// Id of the token itself (`uti`).
    pub token_id: String,
    /// When it was issued, without the backdating.
    pub issued: i64,
    /// What the user has proved.
    pub strength: Strength,
    /// The client that asked for it handles claims challenges.
    pub capable: bool,
}

impl AccessClaims {
    /// Whether the token carries one of these delegated permissions.
    pub fn has_any_scope(&self, accepted: &[&str]) -> bool {
        accepted.iter().any(|s| self.scopes.contains(*s))
    }

    /// Whether the token carries one of these app roles.
    pub fn has_any_role(&self, accepted: &[&str]) -> bool {
        accepted.iter().any(|r| self.roles.contains(*r))
    }
}

#[derive(Deserialize)]
struct Raw {
    iss: String,
    aud: String,
    exp: i64,
    nbf: i64,
    tid: Uuid,
    oid: Option<Uuid>,
    azp: Option<Uuid>,
    appid: Option<Uuid>,
    sub: String,
    scp: Option<String>,
    #[serde(default)]
    roles: BTreeSet<String>,
    sid: Option<Uuid>,
    uti: String,
    iat: i64,
    rh: Option<String>,
    #[serde(default)]
    acrs: BTreeSet<String>,
    #[serde(default)]
    xms_cc: Vec<String>,
}

/// What an ID token says about its user.
#[derive(Deserialize)]
struct Hint {
    iss: String,
    tid: Uuid,
    aud: Uuid,
    sub: String,
    azp: Option<Uuid>,
    appid: Option<Uuid>,
}

/// The account of an ID token that the lab has signed, however old it is: tenant and user.
pub fn id_token_hint(state: &LabState, token: &str) -> Option<(Uuid, Uuid)> {
    let hint: Hint = signed(state, token).ok()?;
    if state.tenant_of_issuer(&hint.iss) != Some(hint.tid) || hint.azp.or(hint.appid).is_some() {
        return None;
    }
    let directory = state.directory();
    let mut people = directory.tenant_by_id(hint.tid)?.users.iter();
    let user = people.find(|user| pairwise(hint.tid, user.id, hint.aud) == hint.sub)?;
    Some((hint.tid, user.id))
}

/// The claims of a token whose signature is one of the lab's; nothing else is looked at.
fn signed<T: DeserializeOwned>(state: &LabState, token: &str) -> Result<T, TokenFault> {
    if token.len() > MOST_BYTES {
        return Err(TokenFault::Malformed);
    }
    let header = decode_header(token).map_err(|_| TokenFault::Malformed)?;
    // A `crit` header asks for something that the lab does not do.
    if header.alg != Algorithm::RS256 || header.crit.is_some() {
        return Err(TokenFault::Malformed);
    }
    let kid = header.kid.ok_or(TokenFault::Malformed)?;
    let key = state.keys.find(&kid).ok_or(TokenFault::UnknownKey)?;

    // Only the signature is left to the JWT library: it knows neither the lab's clock nor its issuers.
    let mut signature_only = Validation::new(Algorithm::RS256);
    signature_only.set_required_spec_claims::<&str>(&[]);
    signature_only.validate_exp = false;
    signature_only.validate_aud = false;
    let read = decode(&*as_signed(token), &key.verifying, &signature_only).map_err(|e| match e.kind() {
        jsonwebtoken::errors::ErrorKind::InvalidSignature => TokenFault::Signature,
        _ => TokenFault::Malformed,
    })?;
    Ok(read.claims)
}

/// Checks a token for an API that is known under these audiences.
pub fn access_token(state: &LabState, token: &str, audiences: &[&str]) -> Result<AccessClaims, TokenFault> {
    let raw: Raw = signed(state, token)?;

    if state.tenant_of_issuer(&raw.iss) != Some(raw.tid) {
        return Err(TokenFault::Issuer);
    }
    // Access tokens name the client that asked; ID tokens never do.
    let client_id = raw.azp.or(raw.appid).ok_or(TokenFault::IdToken)?;
    let object_id = raw.oid.ok_or(TokenFault::Malformed)?;
    let now = state.clock.seconds();
    if now >= raw.exp {
        return Err(TokenFault::Expired);
    }
    if now < raw.nbf {
        return Err(TokenFault::NotYetValid);
    }
    // What the lab wrote down for itself: the sign-in's epoch and whether a second factor was shown.
    let mut of_sign_in = raw.rh.as_deref().unwrap_or_default().split('.').skip(2);
    let epoch = of_sign_in.next().and_then(|epoch| epoch.parse().ok()).unwrap_or_default();
    let mfa = of_sign_in.next() == Some("1");
    let bare = |t: &str| t.trim_end_matches('/').to_ascii_lowercase();
    if !audiences.iter().any(|a| bare(a) == bare(&raw.aud)) {
        return Err(TokenFault::Audience);
    }
    Ok(AccessClaims {
        tenant: raw.tid,
        object_id,
        client_id,
        audience: raw.aud,
        scopes: raw.scp.as_deref().unwrap_or_default().split_ascii_whitespace().map(String::from).collect(),
        roles: raw.roles,
        // No user has scopes and no other subject than the service itself.
        app_only: raw.scp.is_none() && raw.sub == object_id.to_string(),
        sid: raw.sid,
        expires: raw.exp,
        token_id: raw.uti,
        issued: raw.iat + BACKDATED_SECONDS,
        strength: Strength { mfa, contexts: raw.acrs, epoch },
        capable: raw.xms_cc.iter().any(|c| c == "cp1"),
    })
}
