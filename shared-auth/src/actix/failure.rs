//! An error as a page: what happened, what to do, and the number to look up.
//!
//! The texts stand here, so that a copied app has them too; how they look is the app's own template. Nothing of a
//! token, and none of Entra's prose, reaches the page: details are in the log, under the same correlation id.

use std::fmt;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};

use super::session_store::Away;
use crate::error::{Error, SignInError};

/// What a failure page shows. All texts are for people.
///
/// ```
/// use shared_auth::actix::{Failure, SignedInUser};
///
/// /// Goes into [`SignInOptions`](shared_auth::actix::SignInOptions). A template escapes; so does a real app.
/// fn page(failure: &Failure, _user: Option<&SignedInUser>) -> String {
///     let retry = failure.retry.as_deref().unwrap_or("/");
///     format!("<h1>{}</h1><p>{}</p><a href=\"{retry}\">{}</a>", failure.title, failure.what_happened, failure.what_to_do)
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// HTTP status of the page.
    pub status: u16,
    /// A few words.
    pub title: String,
    /// One or two sentences.
    pub what_happened: String,
    /// The next action.
    pub what_to_do: String,
    /// What to look up: `AADSTS65001`, or the API's own word.
    pub code: Option<String>,
    /// The id to give to whoever reads the logs.
    pub correlation_id: Option<String>,
    /// A path of this site where the user may try again.
    pub retry: Option<String>,
}

/// The error of a page's handler. [`SignInRoutes::failures`](super::SignInRoutes::failures) turns it into a sign-in,
/// where that helps, or into a [`Failure`] page.
///
/// ```
/// use shared_auth::Scopes;
/// use shared_auth::actix::{PageError, SignedInUser};
///
/// async fn mail(user: SignedInUser) -> Result<String, PageError> {
///     // Where Entra wants to see the user again, this `?` becomes a sign-in that comes back to this page.
///     let token = user.acquire_token(&Scopes::from("Mail.Read")).await?;
///     Ok(format!("a token until {}", token.expires_at))
/// }
/// ```
#[derive(Debug)]
pub struct PageError(pub(super) Reason);

#[derive(Debug)]
pub(super) enum Reason {
    /// The page needs a user and nobody is signed in.
    NobodySignedIn,
    /// There is no such page.
    NotFound,
    /// A form that was not sent from our own page, or too late.
    ForeignForm,
    /// A sign-out from elsewhere that does not come from our authority.
    ForeignSignOut,
    /// Who is signed in cannot be found out at the moment, and nobody can sign in.
    SessionsAway,
    /// One address began more sign-ins than it may; the seconds to wait.
    TooManySignIns(u64),
    /// The framework refused the request before a handler saw it.
    BadRequest(StatusCode),
    /// Something failed on the way.
    Error(Error),
}

impl PageError {
    /// There is no such page.
    pub fn not_found() -> Self {
        Self(Reason::NotFound)
    }

    pub(super) fn failure(&self, path: &str) -> Failure {
        match &self.0 {
            Reason::NobodySignedIn => Failure::new(
                401,
                "Please sign in",
                "This page is about you, and nobody is signed in.",
                "Sign in.",
            ),
            Reason::NotFound => Failure::new(
                404,
                "There is no such page",
                "The address leads nowhere.",
                "Go to the home page.",
            ),
            Reason::ForeignForm => Failure::new(
                400,
                "That form was not accepted",
                "It did not come from a current page of this site, so nothing was done.",
                "Go back, load the page again and press the button once more.",
            ),
            Reason::ForeignSignOut => Failure::new(
                400,
                "That sign-out was not accepted",
                "It does not come from where you signed in, so nothing was done.",
                "Use the button \"Sign out\" of this site.",
            ),
            Reason::SessionsAway => Failure::new(
                503,
                "We cannot see who you are at the moment",
                "The place where this site keeps its sign-ins does not answer. Yours is still there.",
                "Try again in a minute.",
            )
            .retry(path),
            Reason::TooManySignIns(_) => Failure::new(
                429,
                "Too many sign-ins at once",
                "From your network more sign-ins were begun in a minute than this site takes.",
                "Wait a moment, then sign in.",
            )
            .retry(path),
            Reason::BadRequest(status) => Failure::new(
                status.as_u16(),
                "That request cannot be answered",
                "It is not one that a page of this site makes: a part is missing, malformed or too large.",
                "Go to the home page and take the way from there.",
            ),
            Reason::Error(error) => of(error, path),
        }
    }
}

impl From<Error> for PageError {
    fn from(error: Error) -> Self {
        Self(Reason::Error(error))
    }
}

impl From<Away> for PageError {
    fn from(_: Away) -> Self {
        Self(Reason::SessionsAway)
    }
}

impl fmt::Display for PageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Reason::NobodySignedIn => f.write_str("nobody is signed in"),
            Reason::NotFound => f.write_str("no such page"),
            Reason::ForeignForm => f.write_str("a form without this session's CSRF token"),
            Reason::ForeignSignOut => f.write_str("a sign-out without a session of our authority"),
            Reason::SessionsAway => f.write_str("the sessions cannot be reached"),
            Reason::TooManySignIns(seconds) => {
                write!(f, "too many sign-ins from one address, {seconds} s to wait")
            }
            Reason::BadRequest(status) => write!(f, "the framework answered {status}"),
            Reason::Error(error) => error.fmt(f),
        }
    }
}

impl ResponseError for PageError {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.failure("").status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// Without the middleware there is no page, only its text.
    fn error_response(&self) -> HttpResponse {
        let failure = self.failure("");
        HttpResponse::build(self.status_code())
            .content_type("text/plain; charset=utf-8")
            .body(format!("{}. {} {}", failure.title, failure.what_happened, failure.what_to_do))
    }
}

impl Failure {
    fn new(status: u16, title: &str, what_happened: &str, what_to_do: &str) -> Self {
        Self {
            status,
            title: title.to_owned(),
            what_happened: what_happened.to_owned(),
            what_to_do: what_to_do.to_owned(),
            code: None,
            correlation_id: None,
            retry: None,
        }
    }

    fn retry(mut self, path: &str) -> Self {
        self.retry = Some(path.to_owned()).filter(|path| path.starts_with('/'));
        self
    }

    fn about(mut self, error: &Error) -> Self {
        self.code = match error {
            Error::Downstream(error) => error.code.clone(),
            error => error.codes().first().map(|code| format!("AADSTS{code}")),
        };
        self.correlation_id = error.correlation_id().map(str::to_owned);
        self
    }
}

const SIGN_IN_AGAIN: &str = "/auth/sign-in";

fn of(error: &Error, path: &str) -> Failure {
    match error {
        Error::SignIn(SignInError::UnknownFlow) => Failure::new(
            400,
            "This sign-in cannot be finished",
            "The answer that came back was used before, took too long, or belongs to another browser.",
            "Start the sign-in again. If you pressed the back button, that is all that happened.",
        )
        .retry(SIGN_IN_AGAIN),
        Error::SignIn(SignInError::Denied { error: word, description }) => {
            let code = code_to_look_up(word, description);
            Failure { code: Some(code.clone()), ..denied(word, &code) }
        }
        Error::SignIn(SignInError::Malformed(_)) => Failure::new(
            400,
            "This sign-in cannot be finished",
            "The address that brought you here is incomplete or was changed.",
            "Start the sign-in again.",
        )
        .retry(SIGN_IN_AGAIN),
        Error::SignIn(SignInError::AnotherUser) => Failure::new(
            403,
            "You were signed out",
            "Microsoft Entra answered with the tokens of somebody else, so this session has ended.",
            "Sign in again.",
        )
        .retry(SIGN_IN_AGAIN),
        Error::SignIn(SignInError::IdToken(_)) => Failure::new(
            502,
            "The sign-in failed",
            "The proof of who you are did not pass its checks, so it was not used.",
            "Try once more. If it happens again, whoever runs this app finds the failed check in its log.",
        )
        .retry(SIGN_IN_AGAIN),
        error if error.refusal().is_some_and(|refusal| refusal.error == "invalid_client") => Failure::new(
            502,
            "The app could not prove who it is",
            "Microsoft Entra refused the app's own credential: it is wrong, or it has expired. It is not about you.",
            if error.codes().iter().any(|code| matches!(code, 7_000_215 | 7_000_222 | 7_000_218)) {
                "Whoever runs this app has to set a valid secret (AZURE_CLIENT_SECRET)."
            } else {
                "Whoever runs this app has to look at its certificate or federated credential, with the number below."
            },
        )
        .about(error)
        .retry(path),
        error if is_consent_missing(error) => Failure::new(
            403,
            "A permission is missing",
            "The API behind this page may not do this for you: nobody has consented to it yet.",
            "Ask an administrator to grant the API the permission, then load this page again.",
        )
        .about(error)
        .retry(path),
        Error::InteractionRequired(_) => Failure::new(
            403,
            "Microsoft Entra wants to see you again",
            "You signed in again, and it still does not let this page through.",
            "Sign out and in again. If that does not help, ask an administrator with the number below.",
        )
        .about(error)
        .retry(path),
        Error::Downstream(down) if matches!(down.status, 401 | 403) => Failure::new(
            403,
            "The API refused",
            "The API behind this page did not accept the call that was made for you.",
            "Sign out and in again. If that does not help, ask whoever runs the API, with the id below.",
        )
        .about(error)
        .retry(path),
        Error::Downstream(down) if down.status == 404 => {
            Failure::new(404, "There is nothing here", "The API knows nothing under this name.", "Go to the home page.").about(error)
        }
        Error::Transport(_) | Error::Throttled(_) | Error::Loop(_) | Error::Downstream(_) => Failure::new(
            502,
            "Something behind this page does not answer",
            "A service that this page needs could not be reached or is in trouble. You are still signed in.",
            "Wait a moment and load the page again.",
        )
        .about(error)
        .retry(path),
        _ => Failure::new(
            500,
            "Something went wrong",
            "The app could not do what this page needs.",
            "Try again. If it happens again, whoever runs this app finds the reason in its log.",
        )
        .about(error)
        .retry(path),
    }
}

/// Entra sent the browser back without a sign-in. The code decides about the words of the page and about nothing else.
fn denied(word: &str, code: &str) -> Failure {
    match (word, code) {
        // Whoever is on no list is on none the next time.
        ("access_denied", "AADSTS50105") => Failure::new(
            403,
            "This app is not open to you",
            "Microsoft Entra knows who you are, but your account is not among those that may use this app.",
            "Ask an administrator of your organisation to assign you, or a group that you are in, to this app. The code on this \
             page tells them what is missing.",
        ),
        ("access_denied", _) => Failure::new(
            403,
            "You were not signed in",
            "The sign-in was cancelled, a permission that the app asked for was declined, or the app is not open to you.",
            "Sign in again and accept what is asked, or ask an administrator, with the number on this page.",
        )
        .retry(SIGN_IN_AGAIN),
        _ => Failure::new(
            400,
            "The sign-in failed",
            "Microsoft Entra sent you back with an error instead of a sign-in.",
            "Try once more. If it happens again, give the word below to whoever runs this app.",
        )
        .retry(SIGN_IN_AGAIN),
    }
}

/// The AADSTS number where Entra's sentence begins with one, the word otherwise.
fn code_to_look_up(error: &str, description: &str) -> String {
    let number: String = description
        .strip_prefix("AADSTS")
        .unwrap_or_default()
        .chars()
        .take_while(char::is_ascii_digit)
        .take(10)
        .collect();
    // The word comes with the address that the browser was sent to: only what can be one is shown.
    let is_word = error.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    match (number.is_empty(), is_word) {
        (false, _) => format!("AADSTS{number}"),
        (true, true) => error.to_owned(),
        (true, false) => "unknown_error".to_owned(),
    }
}

fn is_consent_missing(error: &Error) -> bool {
    match error {
        Error::Downstream(down) => {
            down.code.as_deref() == Some("consent_required")
                || down.challenge.as_ref().is_some_and(|challenge| challenge.asks_for_consent())
        }
        error => error.refusal().is_some_and(|refusal| refusal.is_consent_required()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_not_assigned_is_told_whom_to_ask_and_not_to_try_again() {
        let denied = |description: &str| {
            let (error, description) = ("access_denied".to_owned(), description.to_owned());
            PageError::from(Error::from(SignInError::Denied { error, description })).failure("/")
        };

        let page = denied("AADSTS50105: Your administrator has configured the application …");

        assert_eq!((page.status, page.code.as_deref()), (403, Some("AADSTS50105")));
        assert!(page.retry.is_none() && page.what_to_do.contains("administrator"), "{page:?}");
        for other in ["AADSTS65004: User declined to consent", "AADSTS501051: …", "see AADSTS50105", ""] {
            assert!(denied(other).retry.is_some(), "{other}");
        }
    }
}
