//! Several credentials for one registration: the first that works is used, and the next one gets its turn when Entra
//! stops taking it. Secrets and certificates are replaced this way without a restart and without a gap.
//!
//! What counts are the codes that are about the credential itself; any other refusal would be the same with the next
//! one. A credential whose source has something new since the refused proof is tried with that first.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{ClientCredential, Proof, ProofContext};
use crate::env::ConfigError;
use crate::error::Error;

/// The credential is wrong (7000215), expired (7000222), unknown or badly signed (700027), outside of its time
/// (700024, 7000214), or the key or certificate is not what Entra has (1000502, 7000274, 7000277).
const ABOUT_THE_CREDENTIAL: [u32; 8] =
    [7_000_215, 7_000_222, 700_027, 700_024, 7_000_214, 1_000_502, 7_000_274, 7_000_277];

/// Credentials in the order of preference; made by [`ClientCredential::first_of`]. Clones share which one works.
///
/// ```
/// use shared_auth::ClientCredential;
///
/// let list = ClientCredential::first_of([ClientCredential::secret("new"), ClientCredential::secret("old")]);
/// assert!(matches!(list, ClientCredential::FirstOf(_)));
/// ```
#[derive(Clone)]
pub struct CredentialList {
    members: Arc<[ClientCredential]>,
    /// The one that worked last.
    current: Arc<AtomicUsize>,
}

impl ClientCredential {
    /// An ordered list: the first that loads is used. When Entra refuses it for its own sake (AADSTS7000215, 7000222,
    /// 700027 and their kin), the request is sent once more with the next one, and that one stays in use until it
    /// fails in turn.
    ///
    /// ```
    /// use shared_auth::ClientCredential;
    ///
    /// let old_and_new = ClientCredential::first_of([
    ///     ClientCredential::secret("the new one, perhaps not known everywhere yet"),
    ///     ClientCredential::secret("the old one"),
    /// ]);
    /// ```
    pub fn first_of(credentials: impl IntoIterator<Item = ClientCredential>) -> Self {
        let mut members = Vec::new();
        for credential in credentials {
            match credential {
                Self::FirstOf(list) => members.extend(list.members.iter().cloned()),
                single => members.push(single),
            }
        }
        if members.len() == 1 {
            return members.swap_remove(0);
        }
        Self::FirstOf(CredentialList { members: members.into(), current: Arc::default() })
    }

    /// The credentials of a list in its order; a single one is a list of one.
    pub(crate) fn each(&self) -> &[ClientCredential] {
        match self {
            Self::FirstOf(list) => &list.members,
            single => std::slice::from_ref(single),
        }
    }

    /// Sends a request with a proof of this credential.
    pub(crate) async fn authenticate<T, F, S>(&self, context: &ProofContext<'_>, send: F) -> Result<T, Error>
    where
        F: Fn(Proof) -> S,
        S: Future<Output = Result<T, Error>>,
    {
        let members = self.each();
        let current = if let Self::FirstOf(list) = self { Some(&*list.current) } else { None };
        let start = current.map_or(0, |current| current.load(Ordering::Relaxed));
        let remember = |index: usize| {
            if let Some(current) = current
                && current.swap(index, Ordering::Relaxed) != index
            {
                tracing::info!(credential = index, "another credential of the list is in use from here on");
            }
        };

        let (mut refused, mut unloaded) = (None, Vec::new());
        for index in (start..members.len()).chain(0..start.min(members.len())) {
            let member = &members[index];
            let proof = match member.prove(context, false).await {
                Ok(proof) => proof,
                Err(error) => {
                    tracing::warn!(credential = index, %error, "a credential cannot be used");
                    unloaded.push(error);
                    continue;
                }
            };
            let answer = match send(proof.clone()).await {
                Err(error) if is_about_the_credential(&error) => {
                    // The same one may have been replaced at its source in the meantime.
                    match member.prove(context, true).await {
                        Ok(renewed) if renewed.differs_from(&proof) => send(renewed).await,
                        _ => Err(error),
                    }
                }
                answer => answer,
            };
            match answer {
                Err(error) if is_about_the_credential(&error) => {
                    if refused.is_some() {
                        remember((index + 1) % members.len()); // Two failed: the next request begins elsewhere.
                        return Err(error);
                    }
                    refused = Some(error);
                }
                answer => {
                    // Any other refusal means that the credential itself was taken.
                    if answer.as_ref().err().is_none_or(|error| error.refusal().is_some()) {
                        remember(index);
                    }
                    return answer;
                }
            }
        }
        Err(refused.unwrap_or_else(|| nothing_loads(unloaded)))
    }
}

impl Proof {
    /// True where another try shows Entra something that it has not seen.
    fn differs_from(&self, other: &Proof) -> bool {
        match (self, other) {
            (Proof::Assertion { made_with: ours, .. }, Proof::Assertion { made_with: theirs, .. }) => {
                ours != theirs
            }
            _ => false,
        }
    }
}

fn is_about_the_credential(error: &Error) -> bool {
    error.codes().iter().any(|code| ABOUT_THE_CREDENTIAL.contains(code))
}

/// One error for several. What may pass by itself goes before what needs somebody's hand.
fn nothing_loads(mut errors: Vec<Error>) -> Error {
    if let Some(index) = errors.iter().position(|error| !matches!(error, Error::Config(_))) {
        return errors.swap_remove(index);
    }
    let problems: Vec<_> = errors
        .into_iter()
        .filter_map(|error| if let Error::Config(error) = error { Some(error.problems) } else { None })
        .flatten()
        .collect();
    if problems.is_empty() {
        return ConfigError::new("credential", "the list of credentials is empty").into();
    }
    ConfigError { problems }.into()
}

impl fmt::Debug for CredentialList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.members.iter()).finish()
    }
}
