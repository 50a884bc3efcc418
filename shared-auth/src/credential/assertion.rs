//! An assertion that the program gets elsewhere: signed by a key in hardware, or issued by another identity provider
//! that the registration trusts (RFC 7523 §2.2). Keeping and renewing it is the callback's business.

use std::fmt;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::{AssertionContext, ClientCredential, Proof, ProofContext};
use crate::error::{Error, TransportError};
use crate::secret::ClientAssertion;

type Callback = dyn Fn(AssertionContext) -> BoxFuture<'static, Result<ClientAssertion, Error>> + Send + Sync;

/// A callback that makes assertions; see [`ClientCredential::client_assertion`].
///
/// ```
/// use shared_auth::{ClientAssertion, ClientCredential};
///
/// let credential = ClientCredential::client_assertion(|_| async { Ok::<_, std::io::Error>(ClientAssertion::new("…")) });
/// assert!(matches!(credential, ClientCredential::Assertion(_)));
/// ```
#[derive(Clone)]
pub struct AssertionCallback(Arc<Callback>);

impl ClientCredential {
    /// Asks `callback` for an assertion before each token request, with the request at hand. What it returns is sent
    /// as it is, so it may keep an assertion for as long as that lives.
    ///
    /// An error that it returns reaches the caller: an [`Error`] of this crate unchanged, any other as
    /// [`Error::Transport`] with its text.
    ///
    /// ```
    /// use shared_auth::{ClientAssertion, ClientCredential};
    ///
    /// let credential = ClientCredential::client_assertion(|asked| async move {
    ///     let signed = format!("signed for {} by {}", asked.token_endpoint, asked.client_id);
    ///     Ok::<_, std::io::Error>(ClientAssertion::new(signed))
    /// });
    /// ```
    pub fn client_assertion<F, A, E>(callback: F) -> Self
    where
        F: Fn(AssertionContext) -> A + Send + Sync + 'static,
        A: Future<Output = Result<ClientAssertion, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        Self::Assertion(AssertionCallback(Arc::new(move |asked| {
            let answer = callback(asked);
            async move { answer.await.map_err(|error| classified(error.into())) }.boxed()
        })))
    }
}

impl AssertionCallback {
    pub(super) async fn prove(&self, context: &ProofContext<'_>) -> Result<Proof, Error> {
        let assertion = (self.0)(context.asked.clone()).await?;
        if assertion.expose().trim().is_empty() {
            return Err(failed("it returned an empty assertion".to_owned(), false));
        }
        // Another try would be another call with the same outcome: nothing to tell the two apart by.
        Ok(Proof::Assertion { assertion, made_with: String::new() })
    }
}

fn classified(error: Box<dyn std::error::Error + Send + Sync>) -> Error {
    match error.downcast::<Error>() {
        Ok(ours) => *ours,
        Err(other) => failed(other.to_string(), true),
    }
}

fn failed(happened: String, retryable: bool) -> Error {
    let (tried, endpoint) =
        ("getting a client assertion".to_owned(), "the program's own callback".to_owned());
    TransportError { tried, endpoint, happened, retryable, correlation_id: None }.into()
}

impl fmt::Debug for AssertionCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AssertionCallback(…)")
    }
}
