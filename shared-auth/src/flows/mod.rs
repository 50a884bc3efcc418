//! The verbs, one file each. Every one is a builder that ends in `.await`.
//!
//! | flow | method | specification | scenario |
//! |---|---|---|---|
//! | an application for itself | [`acquire_token_for_client`](crate::ConfidentialClient::acquire_token_for_client) | RFC 6749 §4.4 | `docs/scenarios/daemon.md` |
//! | a user signs in | [`initiate_auth_code_flow`](crate::ConfidentialClient::initiate_auth_code_flow), [`acquire_token_by_authorization_code`](crate::ConfidentialClient::acquire_token_by_authorization_code) | RFC 6749 §4.1, RFC 7636, OIDC Core §3.1 | `docs/scenarios/web-app.md` |
//! | again for the same user | [`acquire_token_silent`](crate::ConfidentialClient::acquire_token_silent) | RFC 6749 §6 | `docs/scenarios/web-app.md` |
//! | a worker for a user who is gone | [`initiate_long_running_on_behalf_of`](crate::ConfidentialClient::initiate_long_running_on_behalf_of), [`acquire_token_in_long_running_process`](crate::ConfidentialClient::acquire_token_in_long_running_process) | RFC 7523 §2.1, RFC 6749 §6 | |
//! | an administrator for everybody | [`admin_consent_url`](crate::ConfidentialClient::admin_consent_url) | | |
//! | an API for its caller | [`acquire_token_on_behalf_of`](crate::ConfidentialClient::acquire_token_on_behalf_of) | RFC 7523 §2.1 | `docs/scenarios/web-api-on-behalf-of.md` |

mod admin_consent;
pub mod authorization_code;
pub mod client_credentials;
pub mod long_running;
pub mod on_behalf_of;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod redeem;
mod refresh_token;
pub(crate) mod signed_in;
pub mod silent;

use std::borrow::Cow;
use std::ops::{Deref, DerefMut};

use secrecy::ExposeSecret;

pub(crate) use self::redeem::redeem;
use crate::cache::{CachedToken, PartitionRef, Wanted};
use crate::client::Inner;
use crate::env::ConfigError;
use crate::protocol::client_info::ClientInfo;
use crate::protocol::scope::{AskedScopes, Scopes};
use crate::protocol::token_response::TokenResponse;
use crate::secret::{AccessToken, RefreshToken, TokenKind};

/// What an acquisition was told, to be kept.
pub(crate) type Options = OptionsOf<'static>;

/// What every acquisition can be told.
#[derive(Debug, Clone, Default)]
pub(crate) struct OptionsOf<'a> {
    pub force_refresh: bool,
    /// The tenant that is asked instead of the configured one.
    pub tenant: Option<Cow<'a, str>>,
    pub rare: Rare,
}

/// What hardly any acquisition is told. In a box, if at all: a hit moves its options about several times.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rare(Option<Box<RareOptions>>);

#[derive(Debug, Clone)]
pub(crate) struct RareOptions {
    /// A claims challenge to be satisfied, as JSON text.
    pub claims: Option<String>,
    pub correlation_id: Option<uuid::Uuid>,
    /// Further parameters of the address that is asked.
    pub extra_query: Vec<(String, String)>,
    /// `iss` and `sub` of the sign-in whose tokens are renewed: a renewed ID token has the same (OpenID Connect Core
    /// §12.2).
    pub signed_in_as: Option<(String, String)>,
}

impl RareOptions {
    const NONE: Self =
        Self { claims: None, correlation_id: None, extra_query: Vec::new(), signed_in_as: None };
}

impl Deref for Rare {
    type Target = RareOptions;

    fn deref(&self) -> &RareOptions {
        static NONE: RareOptions = RareOptions::NONE;
        self.0.as_deref().unwrap_or(&NONE)
    }
}

impl DerefMut for Rare {
    fn deref_mut(&mut self) -> &mut RareOptions {
        self.0.get_or_insert_with(|| Box::new(RareOptions::NONE))
    }
}

impl OptionsOf<'_> {
    /// What the store has to look for.
    pub fn wanted<'a>(&'a self, partition: PartitionRef<'a>, scopes: &'a AskedScopes<'_>) -> Wanted<'a> {
        let (scopes, claims) = (scopes.as_str(), self.rare.claims.as_deref());
        Wanted { partition, scopes, claims, force_refresh: self.force_refresh }
    }

    /// For the request.
    pub fn to_owned(&self) -> Options {
        let Self { force_refresh, tenant, rare } = self.clone();
        OptionsOf { force_refresh, tenant: tenant.map(|tenant| Cow::Owned(tenant.into_owned())), rare }
    }
}

/// The builder methods that every acquisition has.
macro_rules! acquisition_options {
    ($builder:ident) => {
        impl<'a> $builder<'a> {
            /// Asks for a token that satisfies a claims challenge (JSON text). The cache is bypassed.
            ///
            /// ```no_run
            /// # async fn example(client: shared_auth::ConfidentialClient) -> Result<(), shared_auth::Error> {
            /// let token = client.acquire_token_for_client("api://orders/.default").claims(r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#).await?;
            /// # Ok(())
            /// # }
            /// ```
            pub fn claims(mut self, claims: impl Into<String>) -> Self {
                self.options.rare.claims = Some(claims.into());
                self
            }

            /// Asks Entra even if the cache holds a token.
            ///
            /// ```no_run
            /// # async fn example(client: shared_auth::ConfidentialClient) -> Result<(), shared_auth::Error> {
            /// let token = client.acquire_token_for_client("api://orders/.default").force_refresh().await?;
            /// # Ok(())
            /// # }
            /// ```
            pub fn force_refresh(mut self) -> Self {
                self.options.force_refresh = true;
                self
            }

            /// Asks this tenant (id or domain) of the same authority instead of the configured one. Its tokens are kept
            /// apart from those of every other tenant.
            ///
            /// ```no_run
            /// # async fn example(client: shared_auth::ConfidentialClient) -> Result<(), shared_auth::Error> {
            /// let token = client.acquire_token_for_client("api://orders/.default").tenant("fabrikam.onmicrosoft.com").await?;
            /// # Ok(())
            /// # }
            /// ```
            pub fn tenant(mut self, tenant: impl Into<std::borrow::Cow<'a, str>>) -> Self {
                self.options.tenant = Some(tenant.into());
                self
            }

            /// The id under which Entra and we log the request; a new one by default.
            ///
            /// ```no_run
            /// # async fn example(client: shared_auth::ConfidentialClient, id: uuid::Uuid) -> Result<(), shared_auth::Error> {
            /// let token = client.acquire_token_for_client("api://orders/.default").correlation_id(id).await?;
            /// # Ok(())
            /// # }
            /// ```
            pub fn correlation_id(mut self, id: uuid::Uuid) -> Self {
                self.options.rare.correlation_id = Some(id);
                self
            }

            /// Adds a parameter to the address of the token endpoint, such as a routing hint that Microsoft's support
            /// asked for (`dc`, `slice`). It is not part of the cache's key. Names of the protocol are refused.
            ///
            /// ```no_run
            /// # async fn example(client: shared_auth::ConfidentialClient) -> Result<(), shared_auth::Error> {
            /// let token = client.acquire_token_for_client("api://orders/.default").extra_query_parameter("dc", "ESTS-PUB-WUS2").await?;
            /// # Ok(())
            /// # }
            /// ```
            pub fn extra_query_parameter(
                mut self,
                name: impl Into<String>,
                value: impl Into<String>,
            ) -> Self {
                self.options.rare.extra_query.push((name.into(), value.into()));
                self
            }
        }
    };
}
pub(crate) use acquisition_options;

/// Adds parameters to an address, where they are none of the protocol's own.
pub(crate) fn add_extra_query(url: &mut url::Url, extra: &[(String, String)]) -> Result<(), ConfigError> {
    const OWN: [&str; 21] = [
        "assertion",
        "claims",
        "client_assertion",
        "client_assertion_type",
        "client_id",
        "client_info",
        "client_secret",
        "code",
        "code_challenge",
        "code_challenge_method",
        "code_verifier",
        "grant_type",
        "nonce",
        "password",
        "redirect_uri",
        "refresh_token",
        "requested_token_use",
        "response_mode",
        "response_type",
        "scope",
        "state",
    ];
    if let Some((name, _)) =
        extra.iter().find(|(name, _)| name.is_empty() || OWN.iter().any(|own| own.eq_ignore_ascii_case(name)))
    {
        let problem = format!("cannot hold \"{}\", which this library sets itself", name.escape_debug());
        return Err(ConfigError::new("extra query parameters", problem));
    }
    if !extra.is_empty() {
        url.query_pairs_mut().extend_pairs(extra);
    }
    Ok(())
}

/// Whose tokens these are, as every MSAL files them.
pub(crate) fn home_account_id(tokens: &TokenResponse) -> Option<String> {
    tokens.client_info.as_deref().and_then(ClientInfo::decode).map(|info| info.home_account_id())
}

/// What goes into the caches of a token response.
pub(crate) fn to_cache<K: TokenKind>(
    client: &Inner,
    tokens: &TokenResponse,
    asked: &Scopes,
) -> (CachedToken<K>, Option<RefreshToken>) {
    let now = client.clock.now();
    let expires_at = now + jiff::SignedDuration::from_secs(tokens.expires_in);
    // RFC 6749 §5.1: without `scope`, what was asked for was granted.
    let granted = tokens.scope.as_deref().map(Scopes::from).filter(|scopes| !scopes.is_empty());
    let mut scopes = granted.unwrap_or_else(|| asked.clone());
    if asked.is_default_only() {
        scopes = scopes.with(asked); // `.default` is never among the granted names, yet it is what is asked for again.
    }
    let access_token = AccessToken::new(tokens.access_token.expose_secret());
    let refresh_token = tokens.refresh_token.as_ref().map(|token| RefreshToken::new(token.expose_secret()));
    let refresh_at = tokens.refresh_in.map(|seconds| now + with_jitter(seconds));
    let mut token =
        CachedToken::new(access_token, scopes, expires_at, now).asked_for(asked).refreshed_at(refresh_at);
    token.exchange = tokens.exchange.clone();
    (token, refresh_token)
}

/// Up to five minutes later than Entra says, so that many processes do not all come at the same second.
fn with_jitter(seconds: i64) -> jiff::SignedDuration {
    let (random, _) = uuid::Uuid::new_v4().as_u64_pair();
    let jitter = i64::try_from(random % 300).unwrap_or_default();
    jiff::SignedDuration::from_secs(seconds + jitter.min(seconds / 10))
}
