//! How a run ends, as scripts see it: one exit code and one word for each thing that a script may do next.

use shared_auth::{ConfigError, Error, SignInError};

/// Why a run did not do what was asked.
#[derive(Debug)]
pub enum Ending {
    /// Ctrl-C.
    Cancelled,
    /// `--no-sign-in`, and a person is needed.
    SignInNeeded,
    Failed(Error),
}

impl Ending {
    /// The exit code, and the word that `--json` shows.
    pub fn code(&self) -> (u8, &'static str) {
        match self {
            Ending::Cancelled => (130, "cancelled"),
            Ending::SignInNeeded => (3, "sign_in_needed"),
            Ending::Failed(error) if error.is_declined() => (4, "declined"),
            Ending::Failed(Error::SignIn(SignInError::TimedOut(_) | SignInError::CodeExpired(_))) => {
                (5, "too_late")
            }
            Ending::Failed(error) if error.is_retryable() => (6, "try_again"),
            Ending::Failed(error)
                if error.is_interaction_required() || error.claims_challenge().is_some() =>
            {
                (3, "sign_in_needed") // Entra, or an API, wants to see the person again.
            }
            Ending::Failed(Error::Config(_)) => (2, "settings"),
            Ending::Failed(_) => (1, "failed"),
        }
    }

    /// The sentence for a person.
    pub fn sentence(&self) -> String {
        match self {
            Ending::Cancelled => "cancelled; nothing was stored".to_owned(),
            Ending::SignInNeeded => "nobody is signed in; run: desktop-app sign-in".to_owned(),
            Ending::Failed(error) if error.is_declined() => {
                "you were not signed in: the sign-in was cancelled, or a permission was declined".to_owned()
            }
            Ending::Failed(error) => error.to_string(),
        }
    }
}

impl From<Error> for Ending {
    fn from(error: Error) -> Self {
        Ending::Failed(error)
    }
}

impl From<ConfigError> for Ending {
    fn from(error: ConfigError) -> Self {
        Ending::Failed(error.into())
    }
}
