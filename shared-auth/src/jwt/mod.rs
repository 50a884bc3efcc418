//! Tokens that others present to us, checked from the first byte to the last claim.
//!
//! | file | what it does |
//! |---|---|
//! | `validator.rs` | access tokens: the numbered checks 8 to 14, and who is calling |
//! | `id_token.rs` | ID tokens: OpenID Connect Core §3.1.3.7 |
//! | `compact.rs` | checks 1 to 7, which both share: shape, header, key, signature, payload |
//! | `keys.rs`, `key_set.rs` | the authority's signing keys: when they are fetched, which of them count |
//! | `claims.rs`, `strict_json.rs` | reading without guessing: a wrong type is an error, not an absence |
//! | `caller.rs` | the results: a user, or an application |
//! | `unverified.rs` | a look at an assertion that can only refuse it, before on-behalf-of |
//! | `rejection.rs` | why not: precise for the log, vague for the outside |
//!
//! The signature check is the `jsonwebtoken` crate's; every decision about header and claims stands here, to be read.

mod caller;
mod claims;
mod compact;
mod id_token;
mod key_set;
mod keys;
#[cfg(any(test, fuzzing))]
pub(crate) mod properties;
mod rejection;
mod strict_json;
mod unverified;
mod validator;

pub use caller::{AppClaims, Caller, UserClaims};
pub use id_token::IdTokenClaims;
pub(crate) use id_token::IdTokenValidator;
pub(crate) use keys::SigningKeys;
pub use rejection::{Check, TokenRejection};
pub(crate) use unverified::{refuse_early, tenant_of};
pub use validator::AccessTokenValidator;
