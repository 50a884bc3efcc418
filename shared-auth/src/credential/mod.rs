//! How a confidential client proves who it is at the token endpoint, one kind of proof a file.
//!
//! Every proof is made anew for each request, with the request at hand: a signed assertion names the endpoint that it
//! is for (RFC 7523 §3), and files may have been replaced since the last time. Which of several credentials is used,
//! and when the next one gets its turn, stands in `list.rs`.

mod assertion;
mod certificate;
mod federated;
mod from_env;
mod key_vault;
mod list;
mod managed_identity;
mod secret;

use jiff::Timestamp;
use url::Url;
use uuid::Uuid;

pub use self::assertion::AssertionCallback;
pub use self::certificate::ClientCertificate;
pub use self::federated::FederatedTokenFile;
pub use self::key_vault::KeyVaultAccess;
pub use self::list::CredentialList;
#[cfg(any(test, fuzzing))]
pub(crate) use self::managed_identity::properties;
pub use self::managed_identity::{ManagedIdentity, ManagedIdentityBuilder, ManagedIdentityId};
use crate::clock::SharedClock;
use crate::env::ConfigError;
use crate::error::Error;
use crate::http::Http;
use crate::secret::{ClientAssertion, ClientSecret};

/// The proof that a confidential client sends with each token request (RFC 6749 §2.3).
///
/// ```
/// use shared_auth::ClientCredential;
///
/// // In the cluster the platform's token, on a developer's machine a secret.
/// let credential = ClientCredential::first_of([
///     ClientCredential::federated_token_file("/var/run/secrets/azure/tokens/azure-identity-token"),
///     ClientCredential::secret("from a safe place"),
/// ]);
/// assert!(!format!("{credential:?}").contains("safe place"));
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ClientCredential {
    /// A shared password, sent in the body as every MSAL does.
    Secret(ClientSecret),
    /// A certificate with its private key.
    Certificate(ClientCertificate),
    /// A callback that makes signed assertions.
    Assertion(AssertionCallback),
    /// A token that the platform keeps in a file.
    Federated(FederatedTokenFile),
    /// A token of the machine's own identity.
    ManagedIdentity(ManagedIdentity),
    /// Several, of which the first that works is used.
    FirstOf(CredentialList),
}

/// What a client assertion is made for: who proves itself, to whom, in which request.
///
/// ```
/// use shared_auth::{AssertionContext, ClientAssertion, ClientCredential};
///
/// async fn sign(asked: AssertionContext) -> Result<ClientAssertion, std::io::Error> {
///     // A key that never leaves its hardware would sign these claims (RFC 7523 §3).
///     let claims = format!(r#"{{"iss":"{0}","sub":"{0}","aud":"{1}"}}"#, asked.client_id, asked.token_endpoint);
///     Ok(ClientAssertion::new(claims))
/// }
///
/// let credential = ClientCredential::client_assertion(sign);
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AssertionContext {
    /// The token endpoint as the authority publishes it, which is the audience of the assertion. Behind a back
    /// channel the request goes to another address, and the audience stays.
    pub token_endpoint: Url,
    /// The application (client) id: issuer and subject of the assertion.
    pub client_id: String,
    /// The tenant of the request: a GUID or a domain, as it was configured or chosen.
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
    Assertion {
        assertion: ClientAssertion,
        /// What it was made with, so that one can tell whether another try would show something new.
        made_with: String,
    },
}

impl Proof {
    /// The form fields (RFC 6749 §2.3.1, RFC 7521 §4.2).
    pub fn form(&self) -> Vec<(&'static str, String)> {
        match self {
            Proof::Secret(secret) => vec![("client_secret", secret.expose().to_owned())],
            Proof::Assertion { assertion, .. } => vec![
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
    /// A proof for the request at hand. `again`: Entra refused the last one, so nothing remembered is trusted.
    async fn prove(&self, context: &ProofContext<'_>, again: bool) -> Result<Proof, Error> {
        match self {
            Self::Secret(secret) => Ok(Proof::Secret(secret.clone())),
            Self::Certificate(certificate) => certificate.prove(context, again).await,
            Self::Assertion(callback) => callback.prove(context).await,
            Self::Federated(file) => file.prove(context).await,
            Self::ManagedIdentity(identity) => identity.prove(context, again).await,
            Self::FirstOf(_) => Err(ConfigError::new("credential", "lists do not hold lists").into()),
        }
    }
}
