//! Access tokens, checked from top to bottom. Numbers as in [`Check`]; 1 to 7 stand in `compact.rs`.
//!
//! The rules are those of RFC 9068 §4 and RFC 8725, with what Entra adds: tenant, token version, the issuer of a key,
//! and two kinds of callers. Later versions may remember verified tokens; nothing outside would notice.

use std::sync::Arc;

use jiff::SignedDuration;
use tracing::Instrument;
use tracing::field::Empty;

use super::caller::{AppClaims, Caller, UserClaims};
use super::claims::Claims;
use super::compact::SignedToken;
use super::keys::{FoundKey, SigningKeys};
use super::rejection::{Check, TokenRejection, shown};
use crate::authority::{Authority, Cloud, Dialect, Expected};
use crate::clock::SharedClock;
use crate::config::ApiConfig;
use crate::error::Error;
use crate::protocol::scope::Scopes;
use crate::secret::UserAssertion;
use crate::telemetry::Counters;

/// Validates the access tokens that reach an API.
///
/// ```no_run
/// # async fn example(client: shared_auth::ConfidentialClient, bearer: &str) -> Result<(), shared_auth::Error> {
/// use shared_auth::{ApiConfig, Caller};
///
/// let validator = client.access_token_validator(&ApiConfig::new(client.client_id()));
/// match validator.validate(bearer).await? {
///     Caller::User(user) if user.has_scope("access_as_user") => println!("the user {}", user.object_id),
///     Caller::App(app) if app.has_role("Directory.Read") => println!("the application {}", app.client_id),
///     _ => println!("403"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct AccessTokenValidator {
    keys: Arc<SigningKeys>,
    clock: SharedClock,
    counters: Arc<Counters>,
    audiences: Vec<String>,
    skew: SignedDuration,
    /// Whose v1.0 tokens are understood: those of known clouds only, where they have an issuer of their own.
    v1: Option<Cloud>,
}

impl AccessTokenValidator {
    pub(crate) fn new(
        authority: Arc<Authority>,
        keys: Arc<SigningKeys>,
        clock: SharedClock,
        counters: Arc<Counters>,
        config: &ApiConfig,
    ) -> Self {
        Self {
            keys,
            clock,
            counters,
            audiences: config.audiences.clone(),
            skew: SignedDuration::from_secs(config.clock_skew_seconds.into()),
            v1: authority.cloud(),
        }
    }

    /// Checks a token and says who is calling.
    ///
    /// # Errors
    /// [`Error::InvalidToken`] with the first check that failed; answer 401. Any other error means that the keys
    /// cannot be had, so that nothing can be said about the token; answer 503.
    pub async fn validate(&self, token: &str) -> Result<Caller, Error> {
        let span = tracing::debug_span!("validate_token", refused_by = Empty);
        let outcome = self.examine(token).instrument(span.clone()).await;
        match &outcome {
            Ok(_) => self.counters.validated(None),
            Err(Error::InvalidToken(rejection)) => {
                tracing::trace!(?rejection, "a token was refused");
                span.record("refused_by", rejection.check.name());
                self.counters.validated(Some(rejection.check));
            }
            Err(_) => {} // Nothing was said about the token.
        }
        outcome
    }

    async fn examine(&self, token: &str) -> Result<Caller, Error> {
        let signed = SignedToken::parse(token)?; // 1 to 4
        let Some(FoundKey { key, set }) = self.keys.find(&signed.kid).await? else {
            return Err(signed.unknown_key().into()); // 5
        };
        let claims = signed.verify(&key)?; // 6 and 7; from here on the claims are the authority's words.

        self.check_audience(&claims)?;
        let expected = set.expects(&claims)?; // With several tenants the token's own decides; it must be let in.
        let tenant_id = match &set.rule.dialect {
            Dialect::Entra => {
                self.check_issuer(&claims, &expected)?;
                // 10. The tenant, as the issuer has it.
                claims.guid(Check::Tenant, "tid")?
            }
            Dialect::B2c { policy } => {
                claims.issued_by(&expected.issuer)?;
                claims.policy(policy)?;
                // The issuer has the tenant; the claim is optional.
                claims.optional(Check::Tenant, "tid")?.unwrap_or_else(|| expected.tenant_id.to_string())
            }
            Dialect::Plain => {
                let detail =
                    "access tokens of AD FS and of generic OpenID Connect providers are not understood";
                return Err(TokenRejection::new(Check::Issuer, detail).into());
            }
        };
        if tenant_id != expected.tenant_id {
            let detail = format!("expected the tenant {}, found {}", expected.tenant_id, shown(&tenant_id));
            return Err(TokenRejection::new(Check::Tenant, detail).into());
        }
        key.signs_for(&expected).map_err(|detail| TokenRejection::new(Check::KeyIssuer, detail))?; // 11
        let expires_at = claims.valid_at(self.clock.now(), self.skew)?; // 12
        let kind = kind(&claims)?; // 13

        // 14. Who it is. Names are for showing, ids are for deciding.
        let object_id = match set.rule.dialect {
            Dialect::B2c { .. } if !claims.has("oid") => claims.guid(Check::Identity, "sub")?,
            _ => claims.guid(Check::Identity, "oid")?,
        };
        let subject = claims.required(Check::Identity, "sub")?;
        let client_id = client_id(&claims)?;
        let roles = claims.strings(Check::Kind, "roles")?;
        Ok(match kind {
            Kind::User(scopes) => Caller::User(UserClaims {
                object_id,
                tenant_id,
                subject,
                name: claims.optional(Check::Identity, "name")?,
                username: username(&claims)?,
                client_id,
                scopes,
                roles,
                expires_at,
                assertion: UserAssertion::new(token, expires_at),
            }),
            Kind::App => {
                // A service principal is its own subject. An ID token's subject is another id than `oid`, so one with
                // app roles in it cannot pass for an application.
                if subject != object_id {
                    return Err(TokenRejection::new(
                        Check::Kind,
                        "it has no scopes, but is no application's token either: \"sub\" is not \"oid\"; is it an ID token?",
                    )
                    .into());
                }
                Caller::App(AppClaims { object_id, tenant_id, client_id, roles, expires_at })
            }
        })
    }

    /// 8. The audience: one string, one of ours, character by character. Entra never sends a list.
    fn check_audience(&self, claims: &Claims) -> Result<(), TokenRejection> {
        let found = claims.required(Check::Audience, "aud")?;
        if self.audiences.contains(&found) {
            return Ok(());
        }
        let hint = match found.trim_end_matches('/') {
            "https://graph.microsoft.com" | "00000003-0000-0000-c000-000000000000" => {
                "this token is for Microsoft Graph; ask for a token with a scope of this API"
            }
            _ if is_id_token(claims) => "this is an ID token; send the access token",
            _ => "ask for a token with a scope of this API, or add the audience to API_AUDIENCE",
        };
        let detail =
            format!("expected the audience {}, found {}; {hint}", self.audiences.join(" or "), shown(&found));
        Err(TokenRejection::new(Check::Audience, detail))
    }

    /// 9. The issuer and the version of the token's format, which go together.
    fn check_issuer(&self, claims: &Claims, expected: &Expected<'_>) -> Result<(), TokenRejection> {
        let issuer = claims.required(Check::Issuer, "iss")?;
        let version = claims.required(Check::Issuer, "ver")?;
        let v1_issuer = || self.v1.and_then(|cloud| cloud.v1_issuer(&expected.tenant_id));
        match version.as_str() {
            "2.0" if issuer == expected.issuer => Ok(()),
            "1.0" if v1_issuer().is_some_and(|v1| issuer == v1) => Ok(()),
            "1.0" if v1_issuer().is_none() => Err(TokenRejection::new(
                Check::Issuer,
                format!(
                    "expected a v2.0 token of {}, found a v1.0 token of {}; set requestedAccessTokenVersion to 2 in \
                     the registration of this API",
                    expected.issuer,
                    shown(&issuer)
                ),
            )),
            _ => Err(TokenRejection::new(
                Check::Issuer,
                format!(
                    "expected the issuer {}, found {} in version {}",
                    expected.issuer,
                    shown(&issuer),
                    shown(&version)
                ),
            )),
        }
    }
}

/// For whom a token speaks.
enum Kind {
    User(Scopes),
    App,
}

/// 13. The kind of token. Whatever is ambiguous is refused: a guess here would give an application a user's rights.
fn kind(claims: &Claims) -> Result<Kind, TokenRejection> {
    let refuse = |detail: &str| Err(TokenRejection::new(Check::Kind, detail));
    let scopes = claims.optional(Check::Kind, "scp")?;
    let roles = claims.strings(Check::Kind, "roles")?;
    let declared = claims.optional(Check::Kind, "idtyp")?;
    if is_id_token(claims) {
        return refuse("this is an ID token; send the access token");
    }
    match (declared.as_deref(), scopes.as_deref()) {
        (Some("app"), Some(_)) => refuse("\"idtyp\" says app, but there are scopes, which only users have"),
        (None | Some("user"), Some(scopes)) if Scopes::from(scopes).is_empty() => {
            refuse("the claim \"scp\" is empty")
        }
        (None | Some("user"), Some(scopes)) => Ok(Kind::User(scopes.into())),
        (None | Some("app"), None) if !roles.is_empty() => Ok(Kind::App),
        (Some("user"), None) => refuse("\"idtyp\" says user, but there are no scopes"),
        (None | Some("app"), None) => refuse(
            "there are neither scopes nor roles, so nobody allowed this application to call this API; grant it one",
        ),
        (Some(other), _) => Err(TokenRejection::new(
            Check::Kind,
            format!("\"idtyp\" is {}, neither app nor user", shown(other)),
        )),
    }
}

/// ID tokens carry the nonce of the sign-in, and no application that uses them.
fn is_id_token(claims: &Claims) -> bool {
    claims.has("nonce") || !(claims.has("azp") || claims.has("appid") || claims.has("scp"))
}

/// The calling application: `azp` in v2.0 tokens, `appid` in v1.0 tokens.
fn client_id(claims: &Claims) -> Result<String, TokenRejection> {
    match claims.optional(Check::Identity, "azp")? {
        Some(_) => claims.required(Check::Identity, "azp"),
        None => claims.required(Check::Identity, "appid"),
    }
}

/// The name to show for the user, whatever the format calls it.
fn username(claims: &Claims) -> Result<Option<String>, TokenRejection> {
    for name in ["preferred_username", "upn", "unique_name"] {
        if let Some(name) = claims.optional(Check::Identity, name)? {
            return Ok(Some(name));
        }
    }
    Ok(None)
}
