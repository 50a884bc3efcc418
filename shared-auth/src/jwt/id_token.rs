//! ID tokens, by the numbers of OpenID Connect Core §3.1.3.7.
//!
//! They come straight from the token endpoint over TLS, which would allow to skip the signature (step 6). It is checked
//! all the same: one more way in for a forged token would be one too many.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use subtle::ConstantTimeEq;

use super::compact::SignedToken;
use super::keys::{FoundKey, SigningKeys};
use super::rejection::{Check, TokenRejection, shown};
use crate::authority::Authority;
use crate::clock::SharedClock;
use crate::error::{Error, SignInError};

/// What a verified ID token says about the user and the sign-in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct IdTokenClaims {
    /// `oid`: the user's id in the tenant; with [`Self::tenant_id`] the key for everything stored about a user.
    pub object_id: String,
    /// `tid`.
    pub tenant_id: String,
    /// `sub`: the user's id towards this application.
    pub subject: String,
    /// `name`, for greeting only.
    pub name: Option<String>,
    /// `preferred_username`, for showing only: it changes.
    pub preferred_username: Option<String>,
    /// `email`, for showing only: nobody proved that it is the user's.
    pub email: Option<String>,
    /// `iss`.
    pub issuer: String,
    /// `aud`: this application.
    pub audience: String,
    /// `iat`.
    pub issued_at: Timestamp,
    /// `exp`.
    pub expires_at: Timestamp,
    /// `sid`: the session at Entra, named again by a front-channel sign-out.
    pub sid: Option<String>,
    /// `login_hint`: lets the sign-out skip the question "which account?".
    pub login_hint: Option<String>,
    /// `roles`: the user's app roles.
    pub roles: Vec<String>,
    /// Every claim, for a page that explains them.
    pub all: Map<String, Value>,
}

/// Validates the ID tokens of one application's sign-ins.
#[derive(Debug, Clone)]
pub(crate) struct IdTokenValidator {
    keys: Arc<SigningKeys>,
    clock: SharedClock,
    client_id: String,
    skew: SignedDuration,
}

impl IdTokenValidator {
    /// The keys know their authority; it is an argument so that the two validators are made alike.
    pub(crate) fn new(
        _authority: Arc<Authority>,
        keys: Arc<SigningKeys>,
        clock: SharedClock,
        client_id: &str,
        skew: SignedDuration,
    ) -> Self {
        Self { keys, clock, client_id: client_id.to_owned(), skew }
    }

    /// Checks the token that answers the sign-in with this nonce.
    ///
    /// # Errors
    /// [`SignInError::IdToken`] with the step that failed, or that of the authority where there are no keys.
    pub(crate) async fn validate(&self, id_token: &str, nonce: &str) -> Result<IdTokenClaims, Error> {
        self.check(id_token, nonce).await.map_err(|error| match error {
            Error::InvalidToken(rejection) => Error::SignIn(SignInError::IdToken(rejection.detail)),
            other => other,
        })
    }

    async fn check(&self, id_token: &str, nonce: &str) -> Result<IdTokenClaims, Error> {
        // Steps 6 to 8, and step 1: encrypted tokens were not asked for. RS256 by a key of the authority, nothing else.
        let signed = SignedToken::parse(id_token)?;
        let Some(FoundKey { key, set }) = self.keys.find(&signed.kid).await? else {
            return Err(signed.unknown_key().into());
        };
        let claims = signed.verify(&key)?;
        key.signs_for(&set).map_err(|detail| TokenRejection::new(Check::KeyIssuer, detail))?;

        // Step 2: the issuer is the discovered one; with Entra that includes version and tenant.
        let issuer = claims.required(Check::Issuer, "iss")?;
        let version = claims.required(Check::Issuer, "ver")?;
        expect(Check::Issuer, "the issuer", &set.issuer, &issuer)?;
        expect(Check::Issuer, "the version", "2.0", &version)?;
        let tenant_id = claims.guid(Check::Tenant, "tid")?;
        expect(Check::Tenant, "the tenant", &set.tenant_id, &tenant_id)?;

        // Step 3: the audience is this application alone. Steps 4 and 5: so is the authorized party, if one is named.
        let audience = claims.required(Check::Audience, "aud")?;
        expect(Check::Audience, "the audience", &self.client_id, &audience)?;
        if let Some(party) = claims.optional(Check::Audience, "azp")? {
            expect(Check::Audience, "the authorized party", &self.client_id, &party)?;
        }

        // Steps 9 and 10: not expired, and not issued in the future.
        let now = self.clock.now();
        let expires_at = claims.valid_at(now, self.skew)?;
        let issued_at = claims
            .time(Check::Lifetime, "iat")?
            .ok_or_else(|| TokenRejection::new(Check::Lifetime, "the claim \"iat\" is missing"))?;
        if issued_at.duration_since(now) > self.skew {
            let detail = format!("it was issued at {issued_at}, now it is {now}; do the clocks agree?");
            return Err(TokenRejection::new(Check::Lifetime, detail).into());
        }

        // Step 11: it answers our own question, and was not taken from another sign-in.
        let answered = claims.required(Check::Kind, "nonce")?;
        if nonce.is_empty() || !bool::from(answered.as_bytes().ct_eq(nonce.as_bytes())) {
            return Err(TokenRejection::new(Check::Kind, "the nonce is not that of this sign-in").into());
        }

        // Steps 12 and 13 (`acr`, `auth_time`) have nothing to check: we ask for neither.
        Ok(IdTokenClaims {
            object_id: claims.guid(Check::Identity, "oid")?,
            tenant_id,
            subject: claims.required(Check::Identity, "sub")?,
            name: claims.optional(Check::Identity, "name")?,
            preferred_username: claims.optional(Check::Identity, "preferred_username")?,
            email: claims.optional(Check::Identity, "email")?,
            issuer,
            audience,
            issued_at,
            expires_at,
            sid: claims.optional(Check::Identity, "sid")?,
            login_hint: claims.optional(Check::Identity, "login_hint")?,
            roles: claims.strings(Check::Kind, "roles")?,
            all: claims.into_map(),
        })
    }
}

/// The same string, character by character.
fn expect(check: Check, what: &str, expected: &str, found: &str) -> Result<(), TokenRejection> {
    if expected == found {
        return Ok(());
    }
    Err(TokenRejection::new(check, format!("expected {what} {expected}, found {}", shown(found))))
}
