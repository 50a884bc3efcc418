#![doc = include_str!("../README.md")]
#![warn(missing_docs)]

// The folders, in the order in which they may use each other: the later ones are used by the earlier ones.
#[cfg(feature = "actix")]
pub mod actix;
pub mod background;
#[cfg(any(feature = "azure-core", feature = "middleware"))]
mod bridge;
mod client;
#[cfg(feature = "desktop")]
pub mod desktop;
mod downstream;
pub mod flows;
mod lint;
pub mod service;
mod settings;

mod authority;
mod cache;
mod config;
mod credential;
mod http;
mod jwt;
mod protocol;
mod telemetry;

mod clock;
mod diagnosis;
mod env;
mod error;
mod result;
mod secret;

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod properties;

pub use authority::{Authority, AuthorityKind, Cloud, InstanceDiscovery, InstanceMetadata};
#[cfg(feature = "azure-core")]
pub use bridge::azure_core as azure;
#[cfg(feature = "middleware")]
pub use bridge::middleware;
#[cfg(feature = "desktop")]
pub use cache::file::{FileCache, FileCacheBuilder, FileCacheError, FileCacheState, KeyPlace};
#[cfg(feature = "redis")]
pub use cache::redis::{RedisCache, RedisCacheBuilder, RedisState};
pub use cache::unified::{MsalCache, MsalCacheError, MsalExport, MsalImport};
pub use cache::{CachedToken, KeyRing};
pub use client::{Account, Client, ConfidentialClient, ConfidentialClientBuilder};
pub use clock::{Clock, ManualClock, SharedClock, SystemClock};
pub use config::{
    ApiConfig, AppRegistration, EntraConfig, GRAPH, PUBLIC_CLOUD, clock_skew_seconds,
    jwks_min_refresh_seconds, optional_origin, optional_url, url, url_or,
};
pub use credential::{
    AssertionCallback, AssertionContext, ClientCertificate, ClientCredential, CredentialList,
    FederatedTokenFile, KeyVaultAccess, ManagedIdentity, ManagedIdentityBuilder, ManagedIdentityId,
};
#[cfg(feature = "desktop")]
pub use desktop::PublicClient;
pub use diagnosis::Diagnosis;
pub use downstream::{ApiRequest, DownstreamApi, DownstreamError, Renewal};
pub use env::{ConfigError, Env, Problem};
pub use error::{
    BrokerAway, Error, InteractionRequired, NotOnThisPlatform, Refusal, RequestLoop, SignInError, Throttled,
    TransportError,
};
pub use flows::authorization_code::{AuthCodeFlow, AuthorizationResponse, ResponseMode};
pub use flows::long_running::LongRunningKey;
pub use flows::signed_in::SignIn;
pub use jwt::{
    AccessTokenValidator, AppClaims, Caller, Check, IdTokenClaims, TenantOnboarding, TokenRejection,
    UserClaims, VerifiedTokensUsage, verify_jws,
};
pub use lint::{Deployment, Finding, Lint, lint, lint_at};
pub use protocol::challenge::Challenge;
pub use protocol::scope::{AskedScopes, Scopes};
pub use result::{AuthenticationResult, CacheLevel, CacheRefreshReason, Durations, TokenSource};
pub use secret::{
    AccessToken, App, AuthorizationCode, ClientAssertion, ClientSecret, RefreshToken, TokenKind, User,
    UserAssertion,
};
pub use settings::{DownstreamSettings, Settings};
#[cfg(feature = "otel")]
pub use telemetry::otel;
pub use telemetry::{FailedAcquisitions, Latency, Metrics};
