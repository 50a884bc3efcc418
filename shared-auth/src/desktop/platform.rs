//! Ways to sign in that other platforms have. They are here by name, so that who looks for them finds what to use instead.

use super::PublicClient;
use crate::error::{Error, NotOnThisPlatform};
use crate::flows::signed_in::SignIn;
use crate::protocol::scope::Scopes;

impl PublicClient {
    /// Integrated Windows authentication: a domain-joined Windows machine signs its user in by Kerberos. Microsoft
    /// advises against it in favour of the broker; this library does not have it.
    ///
    /// # Errors
    /// Always [`Error::NotOnThisPlatform`], with what to use instead.
    ///
    /// ```no_run
    /// # async fn example(client: shared_auth::PublicClient) -> Result<(), shared_auth::Error> {
    /// use shared_auth::Error;
    ///
    /// match client.acquire_token_by_integrated_windows_auth("User.Read").await {
    ///     Err(Error::NotOnThisPlatform(why)) => println!("{why}"), // … names acquire_token_interactive
    ///     other => drop(other?),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn acquire_token_by_integrated_windows_auth(
        &self,
        _scopes: impl Into<Scopes>,
    ) -> Result<SignIn, Error> {
        Err(NotOnThisPlatform {
            feature: "Integrated Windows authentication",
            alternative: "call acquire_token_interactive, which signs in without a password where the browser has a \
                          session, or initiate_device_flow",
        }
        .into())
    }

    /// WAM, the broker of Windows: the account of the operating system signs in.
    ///
    /// # Errors
    /// Always [`Error::NotOnThisPlatform`], with what to use instead.
    pub async fn acquire_token_with_wam(&self, _scopes: impl Into<Scopes>) -> Result<SignIn, Error> {
        Err(NotOnThisPlatform {
            feature: "WAM, the broker of Windows",
            alternative: "call acquire_token_interactive; on Linux the Microsoft identity broker does the same job \
                          where it is installed",
        }
        .into())
    }
}
