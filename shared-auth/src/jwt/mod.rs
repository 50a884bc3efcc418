//! Tokens that others present to us, checked from the first byte to the last claim.
//!
//! | file | what it does |
//! |---|---|
//! | `validator.rs` | access tokens: all checks by number, and who is calling |
//! | `verified.rs` | tokens that passed them, remembered |
//! | `id_token.rs` | ID tokens: OpenID Connect Core §3.1.3.7 |
//! | `compact.rs` | what both share: shape, header, signature |
//! | `keys.rs`, `key_set.rs` | the authority's signing keys: when they are fetched, which of them count |
//! | `jws.rs` | a signature and a set of keys, for test vectors |
//! | `onboarding.rs` | tenants that are on no list |
//! | `claims.rs`, `strict_json.rs` | reading without guessing: a wrong type is an error, not an absence |
//! | `caller.rs` | the results: a user, or an application |
//! | `unverified.rs` | a look at an assertion that can only refuse it, before on-behalf-of |
//! | `rejection.rs` | why not: precise for the log, vague for the outside |
//!
//! The signature check is that of `aws-lc-rs`; every decision about header and claims stands here, to be read.

mod caller;
mod claims;
mod compact;
mod id_token;
mod jws;
mod key_set;
mod keys;
mod onboarding;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod rejection;
mod strict_json;
mod unverified;
mod validator;
mod verified;

pub use caller::{AppClaims, Caller, UserClaims};
pub use id_token::IdTokenClaims;
pub(crate) use id_token::IdTokenValidator;
pub use jws::verify_jws;
pub(crate) use keys::SigningKeys;
pub use onboarding::TenantOnboarding;
#[cfg(feature = "actix")]
pub(crate) use rejection::shown;
pub use rejection::{Check, TokenRejection};
pub(crate) use unverified::{issuer_and_subject, refuse_early, tenant_of};
pub use validator::AccessTokenValidator;
pub use verified::VerifiedTokensUsage;
