//! What the browser brings back from Entra.

use crate::error::SignInError;
use crate::secret::AuthorizationCode;

/// What Entra sent back to the redirect URI (RFC 6749 §4.1.2).
///
/// ```
/// use shared_auth::AuthorizationResponse;
///
/// let response = AuthorizationResponse::parse("code=0.AX…&state=xyz&session_state=1")?;
/// assert!(!format!("{response:?}").contains("0.AX"), "a code is never printed");
/// # Ok::<(), shared_auth::SignInError>(())
/// ```
#[derive(Debug, Clone)]
pub struct AuthorizationResponse {
    pub(super) state: String,
    pub(super) issuer: Option<String>,
    pub(super) outcome: Result<AuthorizationCode, Denial>,
}

#[derive(Debug, Clone)]
pub(super) struct Denial {
    pub error: String,
    pub description: String,
}

impl AuthorizationResponse {
    /// Reads the query, or the body of a `form_post`.
    ///
    /// ```
    /// use shared_auth::AuthorizationResponse;
    ///
    /// assert!(AuthorizationResponse::parse("code=abc&state=xyz").is_ok());
    /// assert!(AuthorizationResponse::parse("code=abc").is_err());
    /// assert!(AuthorizationResponse::parse("code=abc&state=x&state=y").is_err());
    /// ```
    ///
    /// # Errors
    /// [`SignInError::Malformed`] where parameters are missing, doubled or contradict each other.
    pub fn parse(form: &str) -> Result<Self, SignInError> {
        let single = |name: &'static str| {
            let mut values = url::form_urlencoded::parse(form.as_bytes()).filter(|(key, _)| key == name);
            let first = values.next().map(|(_, value)| value.into_owned());
            match values.next() {
                Some(_) => Err(SignInError::Malformed("a parameter appears twice")),
                None => Ok(first.filter(|value| !value.is_empty())),
            }
        };
        let state = single("state")?.ok_or(SignInError::Malformed("there is no state"))?;
        let outcome = match (single("code")?, single("error")?) {
            (Some(code), None) => Ok(AuthorizationCode::new(code)),
            (None, Some(error)) => Err(Denial {
                error: printable(&error, 60),
                description: printable(without_ids(&single("error_description")?.unwrap_or_default()), 500),
            }),
            (Some(_), Some(_)) => return Err(SignInError::Malformed("it holds a code and an error")),
            (None, None) => return Err(SignInError::Malformed("it holds neither a code nor an error")),
        };
        Ok(Self { state, issuer: single("iss")?, outcome })
    }

    #[cfg(feature = "actix")]
    pub(crate) fn state(&self) -> &str {
        &self.state
    }
}

/// Entra's sentence without the trailer of ids and times behind it.
fn without_ids(description: &str) -> &str {
    description.split("Trace ID:").next().unwrap_or_default().trim_end()
}

/// Text from outside that may be shown: one line, no control characters, not too long.
fn printable(text: &str, length: usize) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(length).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn contradicting_answers_are_refused() {
        for form in
            ["", "code=a", "state=s", "code=&state=s", "code=a&code=b&state=s", "code=a&error=b&state=s"]
        {
            assert!(matches!(AuthorizationResponse::parse(form), Err(SignInError::Malformed(_))), "{form}");
        }
    }

    /// Checklist 69.
    #[test]
    fn an_error_is_cleaned_and_shortened() {
        let form = format!("state=s&error=access_denied&error_description=a%0d%0ab{}", "x".repeat(5_000));

        let denial = AuthorizationResponse::parse(&form).unwrap().outcome.unwrap_err();

        assert!(denial.description.starts_with("a  b") && denial.description.len() == 500);
    }

    proptest! {
        #[test]
        fn parsing_never_panics(form in "\\PC{0,200}") {
            let _ = AuthorizationResponse::parse(&form);
        }
    }
}
