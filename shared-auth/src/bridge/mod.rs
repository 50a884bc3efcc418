//! Bridges: our tokens for clients that others wrote.
//!
//! | file | what it is | feature |
//! |---|---|---|
//! | `azure_core.rs` | a credential for the clients of the Azure SDK | `azure-core` |
//! | `middleware.rs` | a middleware for whatever is built on reqwest | `middleware` |
//!
//! Both ask one of three verbs, and keep its kind of token in their type: what was made for an application never acts for
//! a user.

#[cfg(feature = "azure-core")]
pub mod azure_core;
#[cfg(feature = "middleware")]
pub mod middleware;

use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use crate::client::{Account, AuthenticationResult, ConfidentialClient};
use crate::error::Error;
use crate::protocol::scope::Scopes;
use crate::secret::{App, TokenKind, User, UserAssertion};

type Acquire<K> = dyn Fn(Scopes, Option<String>) -> BoxFuture<'static, Result<AuthenticationResult<K>, Error>>
    + Send
    + Sync;

/// One of the verbs, ready to be asked for scopes and perhaps for claims. Clones share it.
struct Tokens<K: TokenKind>(Arc<Acquire<K>>);

impl<K: TokenKind> Clone for Tokens<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: TokenKind> fmt::Debug for Tokens<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens(…)")
    }
}

/// The verbs' builders differ in type only.
macro_rules! asking {
    ($scopes:ident, $claims:ident, $request:expr) => {
        Self(Arc::new(move |$scopes, $claims| {
            let request = $request;
            match $claims {
                Some(claims) => request.claims(claims).into_future().boxed(),
                None => request.into_future().boxed(),
            }
        }))
    };
}

impl Tokens<App> {
    fn for_client(client: &ConfidentialClient) -> Self {
        let client = client.clone();
        asking!(scopes, claims, client.acquire_token_for_client(scopes))
    }
}

impl Tokens<User> {
    fn on_behalf_of(client: &ConfidentialClient, assertion: &UserAssertion) -> Self {
        let (client, assertion) = (client.clone(), assertion.clone());
        asking!(scopes, claims, client.acquire_token_on_behalf_of(&assertion, scopes))
    }

    fn silent(client: &ConfidentialClient, account: &Account) -> Self {
        let (client, account) = (client.clone(), account.clone());
        asking!(scopes, claims, client.acquire_token_silent(&account, scopes))
    }
}
