//! Access tokens, checked from top to bottom: the numbers are those of [`Check`], of the log and of the tests.
//!
//! The rules are those of RFC 9068 §4 and RFC 8725, with what Entra adds: tenant, token version, the issuer of a key,
//! and two kinds of callers. How each thing is read stands elsewhere; what is demanded, and in which order, stands here.

use std::sync::{Arc, PoisonError, RwLock};

use jiff::{SignedDuration, Timestamp};
use tracing::Instrument;
use tracing::field::Empty;

use super::caller::{AppClaims, Caller, UserClaims};
use super::claims::Claims;
use super::compact::{self, Hashes, Header, SignedToken};
use super::key_set::KeySet;
use super::keys::{FoundKey, SigningKeys};
use super::onboarding::{self, TenantOnboarding};
use super::rejection::{Check, TokenRejection, shown};
use super::verified::{VerifiedTokens, VerifiedTokensUsage};
use crate::authority::{Authority, Cloud, Dialect, Expected};
use crate::clock::SharedClock;
use crate::config::ApiConfig;
use crate::error::Error;
use crate::protocol::scope::Scopes;
use crate::secret::UserAssertion;
use crate::telemetry::Counters;

/// Validates the access tokens that reach an API. Clones share what they remember.
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
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    keys: Arc<SigningKeys>,
    clock: SharedClock,
    counters: Arc<Counters>,
    audiences: Vec<String>,
    skew: SignedDuration,
    /// Whose v1.0 tokens are understood: those of known clouds only, where they have an issuer of their own.
    v1: Option<Cloud>,
    onboarding: Option<TenantOnboarding>,
    verified: VerifiedTokens,
    /// Of the last token that had another one than the one before.
    header: RwLock<Option<Arc<Header>>>,
}

impl AccessTokenValidator {
    pub(crate) fn new(
        authority: &Authority,
        keys: Arc<SigningKeys>,
        clock: SharedClock,
        counters: Arc<Counters>,
        config: &ApiConfig,
        onboarding: Option<TenantOnboarding>,
    ) -> Self {
        let inner = Inner {
            keys,
            clock,
            counters,
            audiences: config.audiences.clone(),
            skew: SignedDuration::from_secs(config.clock_skew_seconds.into()),
            v1: authority.cloud(),
            onboarding,
            verified: VerifiedTokens::new(config.verified_tokens_bytes),
            header: RwLock::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Checks a token and says who is calling. A token that was good before, and still is, costs a hash.
    ///
    /// # Errors
    /// [`Error::InvalidToken`] with the first check that failed; answer 401. Any other error means that the keys
    /// cannot be had, so that nothing can be said about the token; answer 503.
    pub async fn validate(&self, token: &str) -> Result<Caller, Error> {
        let span = tracing::debug_span!("validate_token", refused_by = Empty);
        // 1. Size, before it is even hashed.
        let outcome = match span.in_scope(|| self.inner.recall(token)) {
            Ok(Recalled::Caller(caller)) => Ok(caller),
            Ok(Recalled::Unknown(hashes, now)) => {
                self.inner.verify(token, hashes, now).instrument(span.clone()).await
            }
            Err(rejection) => Err(rejection.into()),
        };
        match &outcome {
            Ok(_) => self.inner.counters.validated(None),
            Err(Error::InvalidToken(rejection)) => {
                tracing::trace!(?rejection, "a token was refused");
                span.record("refused_by", rejection.check.name());
                self.inner.counters.validated(Some(rejection.check));
            }
            Err(_) => {} // Nothing was said about the token.
        }
        outcome
    }

    /// Where users of the authority sign in, for challenges of one's own (`authorization_uri`); `None` before the first
    /// token was checked.
    pub fn authorization_endpoint(&self) -> Option<String> {
        self.inner.keys.authorization_endpoint()
    }

    /// How many verified tokens are remembered, for whoever watches the memory.
    pub fn remembered(&self) -> VerifiedTokensUsage {
        self.inner.verified.usage()
    }
}

/// What is known of a token at first glance.
enum Recalled {
    Caller(Caller),
    Unknown(Hashes, Timestamp),
}

impl Inner {
    fn recall(&self, token: &str) -> Result<Recalled, TokenRejection> {
        compact::size(token)?;
        let (hashes, now) = (Hashes::of(token), self.clock.lately());
        let known = self.verified.get(&hashes, now, || self.keys.version(now));
        Ok(known.map_or(Recalled::Unknown(hashes, now), Recalled::Caller))
    }

    async fn verify(&self, token: &str, hashes: Hashes, now: Timestamp) -> Result<Caller, Error> {
        // 2. to 4. Three parts, a header that we understand, RS256; and of 5. that a key is named.
        let known = self.header.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut signed = SignedToken::parse(token, known.as_deref())?;
        // 5. A key that the authority publishes.
        let Some(FoundKey { key, set }) = self.keys.find(&signed.kid, now).await? else {
            return Err(signed.unknown_key().into());
        };
        // 6. Signed by it. From here on the claims are the authority's words.
        let payload = signed.verify(&hashes, &key)?;
        if known.is_none_or(|known| !signed.has(&known))
            && let Some(header) = signed.header(token)
        {
            *self.header.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(header));
        }
        // 7. One JSON object, no claim twice or in other letters.
        let claims = Claims::read(&payload)?;
        // 8. Issued for us.
        self.audience(&claims)?;
        // With several tenants the token's own decides what it must say, and that tenant must be let in.
        let (expected, until) = onboarding::let_in(&set, &claims, self.onboarding.as_ref(), now).await?;
        // 9. Issued by the authority; 10. in that tenant.
        let tenant_id = self.issuer_and_tenant(&set, &claims, &expected)?;
        // 11. The key may sign for this issuer.
        set.signs(&key, &expected)?;
        // 12. Valid now.
        let mut lifetime = claims.valid_at(now, self.skew)?;
        lifetime.until = until.map_or(lifetime.until, |until| until.min(lifetime.until));
        // 13. An access token, for a user or for an application.
        let roles = claims.strings(Check::Kind, "roles")?;
        let kind = kind(&claims, !roles.is_empty())?;
        // 14. Who it is. Names are for showing, ids are for deciding.
        let object_id = match set.source.rule.dialect {
            Dialect::B2c { .. } if !claims.has("oid") => claims.guid(Check::Identity, "sub")?,
            _ => claims.guid(Check::Identity, "oid")?,
        };
        let subject = claims.required(Check::Identity, "sub")?;
        let client_id = client_id(&claims)?;

        let issued_at = claims.time(Check::Lifetime, "iat")?;
        let expires_at = lifetime.expires_at;
        let caller = match kind {
            Kind::User(scopes) => Caller::User(Arc::new(UserClaims {
                object_id: object_id.to_owned(),
                tenant_id,
                subject: subject.to_owned(),
                name: claims.optional(Check::Identity, "name")?.map(str::to_owned),
                username: username(&claims)?.map(str::to_owned),
                client_id: client_id.to_owned(),
                scopes,
                roles,
                authentication_contexts: claims.strings(Check::Kind, "acrs")?,
                client_capabilities: claims.strings(Check::Kind, "xms_cc")?,
                issued_at,
                expires_at,
                assertion: UserAssertion::new(token, expires_at),
            })),
            // A service principal is its own subject. An ID token's subject is another id than `oid`, so one with app
            // roles in it cannot pass for an application.
            Kind::App if subject != object_id => {
                let detail = "expected an application's token, found one without scopes whose \"sub\" is not its \"oid\"";
                let rejection = TokenRejection::new(Check::Kind, detail);
                return Err(rejection.fix("If it is an ID token, send the access token instead.").into());
            }
            Kind::App => Caller::App(Arc::new(AppClaims {
                object_id: object_id.to_owned(),
                tenant_id,
                client_id: client_id.to_owned(),
                roles,
                issued_at,
                expires_at,
            })),
        };
        self.verified.insert(&hashes, caller.clone(), lifetime, set.version);
        Ok(caller)
    }

    /// 8. The audience: one string, one of ours, character by character. Entra never sends a list.
    fn audience(&self, claims: &Claims<'_>) -> Result<(), TokenRejection> {
        let found = claims.required(Check::Audience, "aud")?;
        if self.audiences.iter().any(|ours| ours == found) {
            return Ok(());
        }
        let detail = format!("expected the audience {}, found {}", self.audiences.join(" or "), shown(found));
        let rejection = TokenRejection::new(Check::Audience, detail);
        Err(match found.trim_end_matches('/') {
            "https://graph.microsoft.com" | "00000003-0000-0000-c000-000000000000" => rejection
                .fix("This token is for Microsoft Graph: ask for a token with a scope of this API instead."),
            _ if is_id_token(claims) => rejection.fix(SEND_THE_ACCESS_TOKEN),
            _ => rejection,
        })
    }

    /// 9. and 10. The issuer, and the tenant, as the issuer has it.
    fn issuer_and_tenant(
        &self,
        set: &KeySet,
        claims: &Claims<'_>,
        expected: &Expected<'_>,
    ) -> Result<String, TokenRejection> {
        let tenant_id = match &set.source.rule.dialect {
            Dialect::Entra => {
                self.issuer(claims, expected)?;
                claims.guid(Check::Tenant, "tid")?
            }
            Dialect::B2c { policy } => {
                claims.issued_by(&expected.issuer)?;
                claims.policy(policy)?;
                // The issuer has the tenant; the claim is optional.
                claims.optional(Check::Tenant, "tid")?.unwrap_or(&expected.tenant_id)
            }
            Dialect::Plain => {
                let detail =
                    "expected an authority of Entra's, found AD FS or a generic OpenID Connect provider";
                let rejection = TokenRejection::new(Check::Issuer, detail);
                return Err(
                    rejection.fix("Their access tokens are not understood here; protect this API by Entra.")
                );
            }
        };
        if tenant_id == expected.tenant_id {
            return Ok(tenant_id.to_owned());
        }
        let detail = format!("expected the tenant {}, found {}", expected.tenant_id, shown(tenant_id));
        Err(TokenRejection::new(Check::Tenant, detail))
    }

    /// 9. The issuer and the version of the token's format, which go together.
    fn issuer(&self, claims: &Claims<'_>, expected: &Expected<'_>) -> Result<(), TokenRejection> {
        let issuer = claims.required(Check::Issuer, "iss")?;
        let version = claims.required(Check::Issuer, "ver")?;
        let v1_issuer = || self.v1.and_then(|cloud| cloud.v1_issuer(&expected.tenant_id));
        match version {
            "2.0" if issuer == expected.issuer => return Ok(()),
            "1.0" if v1_issuer().is_some_and(|v1| issuer == v1) => return Ok(()),
            _ => {}
        }
        let found = format!("found {} in a token of version {}", shown(issuer), shown(version));
        Err(match (version, v1_issuer()) {
            ("1.0", Some(v1)) => {
                TokenRejection::new(Check::Issuer, format!("expected the issuer {v1}, {found}"))
            }
            ("1.0", None) => TokenRejection::new(
                Check::Issuer,
                format!("expected the issuer {} in version \"2.0\", {found}", expected.issuer),
            )
            .fix("Set requestedAccessTokenVersion to 2 in the registration of this API."),
            _ => TokenRejection::new(
                Check::Issuer,
                format!("expected the issuer {}, {found}", expected.issuer),
            ),
        })
    }
}

const SEND_THE_ACCESS_TOKEN: &str =
    "This is an ID token, which tells the client who signed in: send the access token.";

/// For whom a token speaks.
enum Kind {
    User(Scopes),
    App,
}

/// 13. The kind of token. Whatever is ambiguous is refused: a guess here would give an application a user's rights.
fn kind(claims: &Claims<'_>, has_roles: bool) -> Result<Kind, TokenRejection> {
    let refuse = |detail: &str| TokenRejection::new(Check::Kind, detail);
    let scopes = claims.optional(Check::Kind, "scp")?;
    let declared = claims.optional(Check::Kind, "idtyp")?;
    if is_id_token(claims) {
        return Err(refuse("expected an access token, found an ID token").fix(SEND_THE_ACCESS_TOKEN));
    }
    match (declared, scopes) {
        (Some("app"), Some(_)) => {
            Err(refuse("expected no scopes, which only users have, where \"idtyp\" says app; found some"))
        }
        (None | Some("user"), Some(scopes)) => match Scopes::from(scopes) {
            scopes if scopes.is_empty() => Err(refuse("expected a scope, found the claim \"scp\" empty")),
            scopes => Ok(Kind::User(scopes)),
        },
        (None | Some("app"), None) if has_roles => Ok(Kind::App),
        (Some("user"), None) => Err(refuse("expected scopes where \"idtyp\" says user, found none")),
        (None | Some("app"), None) => Err(refuse("expected scopes or roles, found neither").fix(
            "Nobody allowed this application to call this API: grant it an app role, and let an administrator consent.",
        )),
        (Some(other), _) => Err(refuse(&format!("expected app or user as \"idtyp\", found {}", shown(other)))),
    }
}

/// ID tokens carry the nonce of the sign-in, and no application that uses them.
fn is_id_token(claims: &Claims<'_>) -> bool {
    claims.has("nonce") || !(claims.has("azp") || claims.has("appid") || claims.has("scp"))
}

/// The calling application: `azp` in v2.0 tokens, `appid` in v1.0 tokens.
fn client_id<'c>(claims: &'c Claims<'_>) -> Result<&'c str, TokenRejection> {
    match claims.has("azp") {
        true => claims.required(Check::Identity, "azp"),
        false => claims.required(Check::Identity, "appid"),
    }
}

/// The name to show for the user, whatever the format calls it.
fn username<'c>(claims: &'c Claims<'_>) -> Result<Option<&'c str>, TokenRejection> {
    for name in ["preferred_username", "upn", "unique_name"] {
        if let Some(name) = claims.optional(Check::Identity, name)? {
            return Ok(Some(name));
        }
    }
    Ok(None)
}
