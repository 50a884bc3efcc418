//! User name and password (RFC 6749 §4.3), for programs that cannot be changed yet.
//!
//! RFC 9700 §2.4 forbids the grant: the application sees the password, and no second factor, no consent and no other way
//! to sign in is possible. It is here because MSAL has it, and refuses where it would leak or cannot work.

use std::borrow::Cow;
use std::future::IntoFuture;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use serde::Deserialize;

use super::PublicClient;
use crate::client::Inner;
use crate::error::{Error, NotOnThisPlatform};
use crate::flows::signed_in::{SignIn, signed_in};
use crate::flows::{Options, redeem};
use crate::protocol::scope::Scopes;
use crate::protocol::token_request::Grant;
use crate::secret::Password;

impl PublicClient {
    /// Signs in with the user's own password. Legacy: the application sees the password, and accounts with a second
    /// factor cannot sign in this way.
    ///
    /// The password of an account that signs in at its company's own server (federated) is not sent at all.
    ///
    /// # Errors
    /// [`Error::InteractionRequired`] with the reason where Entra wants more than a password (AADSTS50076, 50079),
    /// consent (65001) or another password (50126, 50055); [`Error::NotOnThisPlatform`] for a federated account;
    /// [`Error::Refused`] at `common` (9001023).
    #[deprecated(note = "RFC 9700 forbids it and a second factor ends it; use acquire_token_interactive or \
                         initiate_device_flow")]
    pub fn acquire_token_by_username_password(
        &self,
        scopes: impl Into<Scopes>,
        username: impl Into<String>,
        password: impl Into<String>,
    ) -> AcquireTokenByUsernamePassword {
        AcquireTokenByUsernamePassword {
            client: self.clone(),
            scopes: scopes.into(),
            username: username.into(),
            password: Password::new(password),
            options: Options::default(),
        }
    }
}

/// A sign-in with a password; `.await` it.
///
/// ```no_run
/// # async fn example(client: shared_auth::PublicClient, password: String) -> Result<(), shared_auth::Error> {
/// #[allow(deprecated, reason = "a test account without a second factor")]
/// let signing_in = client.acquire_token_by_username_password("User.Read", "robot@contoso.test", password);
/// let signed_in = signing_in.tenant("contoso.test").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use = "nothing happens before `.await`"]
pub struct AcquireTokenByUsernamePassword {
    client: PublicClient,
    scopes: Scopes,
    username: String,
    password: Password,
    options: Options,
}

impl AcquireTokenByUsernamePassword {
    /// Signs in to this tenant (id or domain) of the same authority instead of the configured one.
    pub fn tenant(mut self, tenant: impl Into<String>) -> Self {
        self.options.tenant = Some(Cow::Owned(tenant.into()));
        self
    }
}

impl IntoFuture for AcquireTokenByUsernamePassword {
    type Output = Result<SignIn, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.acquire().boxed()
    }
}

/// How an account signs in, as Entra knows it.
#[derive(Deserialize)]
struct Realm {
    account_type: Option<String>,
}

impl AcquireTokenByUsernamePassword {
    async fn acquire(self) -> Result<SignIn, Error> {
        let Self { client, scopes, username, password, options } = self;
        let outcome = exchange(&client.inner, scopes, username, password, options).await;
        client.signed_in(outcome).await
    }
}

async fn exchange(
    client: &Inner,
    scopes: Scopes,
    username: String,
    password: Password,
    options: Options,
) -> Result<SignIn, Error> {
    if let Some(address) = client.authority.user_realm(&username) {
        let answer = client.http.send("asking how the account signs in", client.http.get(address)).await?;
        // Whoever has no such endpoint has no federated accounts either.
        let realm = serde_json::from_slice::<Realm>(&answer.body).ok().and_then(|realm| realm.account_type);
        if realm.is_some_and(|kind| kind.eq_ignore_ascii_case("federated")) {
            return Err(NotOnThisPlatform {
                    feature: "signing in with the password of a federated account",
                    alternative: "call acquire_token_interactive: the password belongs to the company's own server, \
                                  and was not sent",
                }
                .into());
        }
    }
    let scopes = scopes.first_resource();
    let grant = Grant::Password { username, password };
    let tokens = redeem(client, &grant, &scopes, &options).await?;
    signed_in(client, &tokens, &scopes, None, options.tenant.as_deref()).await
}
