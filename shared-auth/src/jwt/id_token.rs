//! ID tokens, by the numbers of OpenID Connect Core §3.1.3.7.
//!
//! They come straight from the token endpoint over TLS, which would allow to skip the signature (step 6). It is checked
//! all the same: one more way in for a forged token would be one too many.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use subtle::ConstantTimeEq;

use super::claims::Claims;
use super::compact::{self, Hashes, SignedToken};
use super::keys::{FoundKey, SigningKeys};
use super::onboarding::{self, TenantOnboarding};
use super::rejection::{Check, TokenRejection, shown};
use crate::authority::{Authority, Dialect};
use crate::clock::SharedClock;
use crate::error::{Error, SignInError};

/// What a verified ID token says about the user and the sign-in.
///
/// ```
/// use shared_auth::IdTokenClaims;
///
/// fn is_administrator(claims: &IdTokenClaims) -> bool {
///     claims.roles.iter().any(|role| role == "Administrator")
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct IdTokenClaims {
    /// `oid`: the user's id in the tenant; with [`Self::tenant_id`] the key for everything stored about a user. Where an
    /// authority other than Entra sends none, it is `sub`.
    pub object_id: String,
    /// `tid`. Empty at AD FS and OpenID Connect providers, which have no tenants.
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

/// How many tenants' keys are remembered, beside those of the configured authority.
const CHOSEN_TENANTS: u64 = 1_000;

/// Validates the ID tokens of one application's sign-ins.
#[derive(Debug, Clone)]
pub(crate) struct IdTokenValidator {
    authority: Arc<Authority>,
    keys: Arc<SigningKeys>,
    /// The keys of tenants, and of user flows, that were chosen for single sign-ins.
    chosen: moka::sync::Cache<String, Arc<SigningKeys>>,
    clock: SharedClock,
    client_id: String,
    skew: SignedDuration,
    onboarding: Option<TenantOnboarding>,
}

impl IdTokenValidator {
    /// `keys` are those of `authority`.
    pub(crate) fn new(
        authority: Arc<Authority>,
        keys: Arc<SigningKeys>,
        clock: SharedClock,
        client_id: &str,
        skew: SignedDuration,
        onboarding: Option<TenantOnboarding>,
    ) -> Self {
        let chosen = moka::sync::Cache::new(CHOSEN_TENANTS);
        Self { authority, keys, chosen, clock, client_id: client_id.to_owned(), skew, onboarding }
    }

    /// Checks the token that answers the sign-in with this nonce; `None` where no browser carried the question, so that
    /// none was sent (device code, password). `access_token` is the one that came with it.
    ///
    /// # Errors
    /// [`SignInError::IdToken`] with the step that failed, or that of the authority where there are no keys.
    pub(crate) async fn validate(
        &self,
        id_token: &str,
        access_token: &str,
        nonce: Option<&str>,
        authority: &Arc<Authority>,
    ) -> Result<IdTokenClaims, Error> {
        // A sign-in at a tenant, or by a user flow, that was chosen for it is checked with the issuer and keys of that.
        let keys = match Arc::ptr_eq(authority, &self.authority) {
            true => Arc::clone(&self.keys),
            false => self.chosen.get_with_by_ref(authority.realm(), || Arc::new(self.keys.at(authority))),
        };
        self.check(&keys, id_token, access_token, nonce).await.map_err(|error| match error {
            Error::InvalidToken(rejection) => Error::SignIn(SignInError::IdToken(rejection.detail)),
            other => other,
        })
    }

    async fn check(
        &self,
        keys: &Arc<SigningKeys>,
        id_token: &str,
        access_token: &str,
        nonce: Option<&str>,
    ) -> Result<IdTokenClaims, Error> {
        // Steps 6 to 8, and step 1: encrypted tokens were not asked for. RS256 by a key of the authority, nothing else.
        let now = self.clock.now();
        compact::size(id_token)?;
        let mut signed = SignedToken::parse(id_token, None)?;
        let Some(FoundKey { key, set }) = keys.find(&signed.kid, now).await? else {
            return Err(signed.unknown_key().into());
        };
        let payload = signed.verify(&Hashes::of(id_token), &key)?;
        let claims = Claims::read(&payload)?;
        let (expected, _) = onboarding::let_in(&set, &claims, self.onboarding.as_ref(), now).await?;
        set.signs(&key, &expected)?;

        // Step 2: the issuer is the discovered one, in an authority of several tenants with the token's own in it.
        let issuer = claims.issued_by(&expected.issuer)?.to_owned();
        let tenant_id = match &set.source.rule.dialect {
            Dialect::Entra => {
                let version = claims.required(Check::Issuer, "ver")?;
                expect(Check::Issuer, "the version", "2.0", version)?;
                claims.guid(Check::Tenant, "tid")?.to_owned()
            }
            Dialect::B2c { policy } => {
                claims.policy(policy)?;
                claims.optional(Check::Tenant, "tid")?.unwrap_or(&expected.tenant_id).to_owned()
            }
            Dialect::Plain => String::new(), // No tenants; a `tid` would be somebody's private claim.
        };
        expect(Check::Tenant, "the tenant", &expected.tenant_id, &tenant_id)?;

        // Step 3: the audience is this application alone. Steps 4 and 5: so is the authorized party, if one is named.
        let audience = claims.required(Check::Audience, "aud")?.to_owned();
        expect(Check::Audience, "the audience", &self.client_id, &audience)?;
        if let Some(party) = claims.optional(Check::Audience, "azp")? {
            expect(Check::Audience, "the authorized party", &self.client_id, party)?;
        }

        // Steps 9 and 10: not expired, and not issued in the future.
        let expires_at = claims.valid_at(now, self.skew)?.expires_at;
        let issued_at = claims
            .time(Check::Lifetime, "iat")?
            .ok_or_else(|| TokenRejection::new(Check::Lifetime, "expected the claim \"iat\", found none"))?;
        if issued_at.duration_since(now) > self.skew {
            let detail =
                format!("expected a token that was issued before now, {now}; it was issued at {issued_at}");
            return Err(TokenRejection::new(Check::Lifetime, detail).into());
        }

        // Step 11: it answers our own question, and was not taken from another sign-in.
        if let Some(nonce) = nonce {
            let answered = claims.required(Check::Kind, "nonce")?;
            if nonce.is_empty() || !bool::from(answered.as_bytes().ct_eq(nonce.as_bytes())) {
                return Err(TokenRejection::new(
                    Check::Kind,
                    "expected the nonce of this sign-in, found another one",
                )
                .into());
            }
        }

        // §3.1.3.8: where the token says which access token came with it, it is that one.
        if let Some(at_hash) = claims.optional(Check::Kind, "at_hash")?
            && !bool::from(at_hash.as_bytes().ct_eq(left_half_of_hash(access_token).as_bytes()))
        {
            let detail = "expected the at_hash of the access token that came along, found another one";
            return Err(TokenRejection::new(Check::Kind, detail).into());
        }

        // Steps 12 and 13 (`acr`, `auth_time`) have nothing to check: we ask for neither.
        let shown =
            |name| Ok::<_, TokenRejection>(claims.optional(Check::Identity, name)?.map(str::to_owned));
        Ok(IdTokenClaims {
            // Only Entra gives an id that is the same for all applications; elsewhere `sub` is the user's id.
            object_id: match set.source.rule.dialect {
                Dialect::Entra => claims.guid(Check::Identity, "oid")?,
                _ => match claims.optional(Check::Identity, "oid")? {
                    Some(id) => id,
                    None => claims.required(Check::Identity, "sub")?,
                },
            }
            .to_owned(),
            tenant_id,
            subject: claims.required(Check::Identity, "sub")?.to_owned(),
            name: shown("name")?,
            preferred_username: shown("preferred_username")?,
            email: shown("email")?,
            issuer,
            audience,
            issued_at,
            expires_at,
            sid: shown("sid")?,
            login_hint: shown("login_hint")?,
            roles: claims.strings(Check::Kind, "roles")?,
            all: claims.into_map(),
        })
    }
}

/// With SHA-256, the hash of RS256.
fn left_half_of_hash(access_token: &str) -> String {
    let hash = digest(&SHA256, access_token.as_bytes());
    URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16])
}

/// The same string, character by character.
fn expect(check: Check, what: &str, expected: &str, found: &str) -> Result<(), TokenRejection> {
    if expected == found {
        return Ok(());
    }
    Err(TokenRejection::new(check, format!("expected {what} {expected}, found {}", shown(found))))
}
