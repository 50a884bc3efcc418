//! How a confidential client proves who it is at the token endpoint, one kind of proof a file.
//!
//! Every proof is made anew for each request, with the request at hand: a signed assertion names the endpoint that it
//! is for (RFC 7523 §3), and files may have been replaced since the last time. Which of several credentials is used,
//! and when the next one gets its turn, stands in `list.rs`.

mod secret;

use jiff::Timestamp;
use url::Url;
use uuid::Uuid;

use crate::clock::SharedClock;
use crate::error::Error;
use crate::http::Http;
use crate::secret::{ClientAssertion, ClientSecret};

/// The proof that a confidential client sends with each token request (RFC 6749 §2.3).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ClientCredential {
    /// A shared password, sent in the body as every MSAL does.
    Secret(ClientSecret),
}

/// What a client assertion is made for: who proves itself, to whom, in which request.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AssertionContext {
    /// The token endpoint as the authority publishes it, which is the audience of the assertion. Behind a back
    /// channel the request goes to another address, and the audience stays.
    pub token_endpoint: Url,
    /// The application (client) id: issuer and subject of the assertion.
    pub client_id: String,
    /// The tenant, as configured: a GUID or a domain.
    pub tenant_id: String,
    /// The id under which the token request is logged on both sides.
    pub correlation_id: Uuid,
    /// A claims challenge that the request answers, as JSON text.
    pub claims: Option<String>,
}

/// What the proofs need beside the context that callers see.
#[derive(Debug)]
pub(crate) struct ProofContext<'a> {
    pub asked: AssertionContext,
    pub clock: &'a SharedClock,
    pub http: &'a Http,
}

impl ProofContext<'_> {
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// A proof, ready to be sent.
#[derive(Debug, Clone)]
pub(crate) enum Proof {
    Secret(ClientSecret),
    Assertion(ClientAssertion),
}

impl Proof {
    /// The form fields (RFC 6749 §2.3.1, RFC 7521 §4.2).
    pub fn form(&self) -> Vec<(&'static str, String)> {
        match self {
            Proof::Secret(secret) => vec![("client_secret", secret.expose().to_owned())],
            Proof::Assertion(assertion) => vec![
                (
                    "client_assertion_type",
                    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer".to_owned(),
                ),
                ("client_assertion", assertion.expose().to_owned()),
            ],
        }
    }
}

impl ClientCredential {
    /// Sends a request with a proof of this credential.
    pub(crate) async fn authenticate<T, F, S>(&self, context: &ProofContext<'_>, send: F) -> Result<T, Error>
    where
        F: Fn(Proof) -> S,
        S: Future<Output = Result<T, Error>>,
    {
        send(self.prove(context).await?).await
    }

    async fn prove(&self, _context: &ProofContext<'_>) -> Result<Proof, Error> {
        match self {
            Self::Secret(secret) => Ok(Proof::Secret(secret.clone())),
        }
    }
}
