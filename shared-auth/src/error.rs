//! One public error, grouped by whose turn it is next.
//!
//! A message is a sentence with three parts: what we tried, what happened, what helps. Entra's own fields stay
//! reachable ([`Refusal`]), because programs decide by codes and never by prose.

use std::fmt;

use crate::diagnosis::Diagnosis;
use crate::downstream::DownstreamError;
use crate::env::ConfigError;
use crate::jwt::TokenRejection;
use crate::protocol::error_response::ErrorResponse;
use crate::protocol::scope::Scopes;

/// What can go wrong, by who can do something about it.
///
/// ```
/// use shared_auth::Error;
///
/// fn next_action(error: &Error) -> &'static str {
///     match error {
///         Error::Config(_) => "fix the settings",
///         Error::InteractionRequired(_) => "send the user to sign in",
///         Error::InvalidToken(_) => "answer 401",
///         error if error.is_retryable() => "try again a little later",
///         _ => "look up the code",
///     }
/// }
/// ```
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is missing or wrong: fix the environment.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No usable answer came back: retry, and look at the network.
    #[error(transparent)]
    Transport(TransportError),
    /// Entra asked us to wait: try again after [`Throttled::until`].
    #[error(transparent)]
    Throttled(Box<Throttled>),
    /// The same request was answered again and again within minutes: find what repeats it, before Entra refuses it to
    /// everybody (AADSTS50196). [`RequestLoop::until`] says when it is sent again.
    #[error(transparent)]
    Loop(Box<RequestLoop>),
    /// Entra answered no, and no page shown to the user changes that: look up the code.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// Only the user can continue: send the user to sign in, with [`Error::claims_challenge`] if there is one.
    #[error(transparent)]
    InteractionRequired(Box<InteractionRequired>),
    /// A token that was presented to us failed a check: answer 401.
    #[error(transparent)]
    InvalidToken(TokenRejection),
    /// The answer to a sign-in cannot be used: start the sign-in again.
    #[error(transparent)]
    SignIn(SignInError),
    /// An API that was called with a token answered with an error.
    #[error(transparent)]
    Downstream(Box<DownstreamError>),
    /// A way to sign in that this platform does not have: take the one that is named.
    #[error(transparent)]
    NotOnThisPlatform(NotOnThisPlatform),
    /// There is no identity broker to be had: sign in with the browser.
    #[error(transparent)]
    BrokerAway(BrokerAway),
}

/// A way to sign in that exists elsewhere, and what to use here.
///
/// ```
/// # fn example(error: shared_auth::Error) {
/// if let shared_auth::Error::NotOnThisPlatform(why) = error {
///     println!("{}: {}", why.feature, why.alternative);
/// }
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{feature} does not exist on this platform; {alternative}")]
#[non_exhaustive]
pub struct NotOnThisPlatform {
    /// What was asked for: `Integrated Windows authentication`.
    pub feature: &'static str,
    /// What does the same job here.
    pub alternative: &'static str,
}

impl Error {
    /// What Entra said, where it said something.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Error::Refused(refusal) => Some(refusal),
            Error::InteractionRequired(needed) => needed.refusal.as_ref(),
            Error::Loop(repeated) => repeated.refused.as_ref().and_then(Error::refusal),
            _ => None,
        }
    }

    /// True where only a page shown to the user helps.
    ///
    /// ```
    /// # use shared_auth::{Error, InteractionRequired};
    /// let error = Error::from(InteractionRequired::no_account("User.Read".into()));
    /// assert!(error.is_interaction_required());
    /// assert!(!error.is_retryable());
    /// ```
    pub fn is_interaction_required(&self) -> bool {
        matches!(self, Error::InteractionRequired(_))
    }

    /// True where the same call may succeed a little later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Error::Transport(error) => error.retryable,
            Error::Throttled(_) => true,
            Error::Downstream(error) => error.status == 429 || error.status >= 500,
            _ => false,
        }
    }

    /// True where the user, or somebody at Entra in their place, said no to a sign-in.
    pub fn is_declined(&self) -> bool {
        matches!(self, Error::SignIn(SignInError::Denied { error, .. })
            if matches!(error.as_str(), "access_denied" | "authorization_declined"))
    }

    /// The claims that the next sign-in must ask for, as JSON text.
    pub fn claims_challenge(&self) -> Option<String> {
        match self {
            Error::Downstream(error) => error.challenge.as_ref().and_then(|challenge| challenge.claims()),
            _ => self.refusal().and_then(|refusal| refusal.claims.clone()),
        }
    }

    /// The AADSTS numbers, where Entra answered.
    pub fn codes(&self) -> &[u32] {
        self.refusal().map_or(&[], |refusal| &refusal.codes)
    }

    /// The id under which both sides logged the request.
    pub fn correlation_id(&self) -> Option<&str> {
        match self {
            Error::Downstream(error) => error.correlation_id.as_deref(),
            Error::Transport(error) => error.correlation_id.as_deref(),
            Error::Throttled(throttled) => throttled.cause.correlation_id.as_deref(),
            _ => self.refusal().and_then(|refusal| refusal.correlation_id.as_deref()),
        }
    }
}

impl From<TransportError> for Error {
    fn from(error: TransportError) -> Self {
        Error::Transport(error)
    }
}

impl From<Throttled> for Error {
    fn from(throttled: Throttled) -> Self {
        Error::Throttled(Box::new(throttled))
    }
}

impl From<RequestLoop> for Error {
    fn from(repeated: RequestLoop) -> Self {
        Error::Loop(Box::new(repeated))
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Error::Refused(Box::new(refusal))
    }
}

impl From<InteractionRequired> for Error {
    fn from(needed: InteractionRequired) -> Self {
        Error::InteractionRequired(Box::new(needed))
    }
}

impl From<TokenRejection> for Error {
    fn from(rejection: TokenRejection) -> Self {
        Error::InvalidToken(rejection)
    }
}

/// Why the identity broker of the machine cannot be asked.
///
/// ```
/// use shared_auth::BrokerAway;
///
/// assert!(BrokerAway::NotThere.to_string().contains("sign in with the browser"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BrokerAway {
    /// The client was built without one.
    #[error("this client was built without an identity broker; sign in with the browser")]
    NotWanted,
    /// There is no D-Bus session.
    #[error(
        "the identity broker is asked through D-Bus, and there is no bus ({0}); sign in with the browser"
    )]
    NoBus(String),
    /// Nobody has its name on the bus, and nobody is started for it.
    #[error("no identity broker is installed here; sign in with the browser")]
    NotThere,
    /// It did not answer within the time limit.
    #[error("the identity broker did not answer {method} in time; sign in with the browser")]
    NotInTime {
        /// What was called.
        method: &'static str,
    },
    /// It, or the bus, refused the call.
    #[error("the identity broker did not do {method} ({reason}); sign in with the browser")]
    Failed {
        /// What was called.
        method: &'static str,
        /// What came back, shortened.
        reason: String,
    },
}

impl From<NotOnThisPlatform> for Error {
    fn from(error: NotOnThisPlatform) -> Self {
        Error::NotOnThisPlatform(error)
    }
}

impl From<SignInError> for Error {
    fn from(error: SignInError) -> Self {
        Error::SignIn(error)
    }
}

impl From<DownstreamError> for Error {
    fn from(error: DownstreamError) -> Self {
        Error::Downstream(Box::new(error))
    }
}

/// No usable answer from an endpoint.
///
/// ```
/// # fn example(error: shared_auth::Error) {
/// if let shared_auth::Error::Transport(error) = error {
///     println!("{} at {}: {}; retry: {}", error.tried, error.endpoint, error.happened, error.retryable);
/// }
/// # }
/// ```
#[derive(Debug, Clone, thiserror::Error)]
#[error("{tried} at {endpoint}: {happened}{}", .correlation_id.as_ref().map(|id| format!(" [correlation id {id}]")).unwrap_or_default())]
pub struct TransportError {
    /// What was tried: `fetching the discovery document`.
    pub tried: String,
    /// Where, without the query.
    pub endpoint: String,
    /// What happened, with what helps where we know.
    pub happened: String,
    /// True where waiting may help.
    pub retryable: bool,
    /// The id under which both sides logged the request, where one was sent.
    pub correlation_id: Option<String>,
}

/// Entra asked us to wait (HTTP 429, or 5xx with `Retry-After`). Until then the same request is not sent again.
///
/// ```
/// # fn example(error: shared_auth::Error) {
/// if let shared_auth::Error::Throttled(wait) = error {
///     println!("not before {}", wait.until);
/// }
/// # }
/// ```
#[derive(Debug, Clone, thiserror::Error)]
#[error("{cause}; Entra asks us to wait until {until}, and the same request is not sent before")]
#[non_exhaustive]
pub struct Throttled {
    /// When the request may be sent again; never more than an hour away.
    pub until: jiff::Timestamp,
    /// The answer that said so.
    pub cause: TransportError,
}

/// The same request, answered too often within minutes. It is not sent again before [`RequestLoop::until`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RequestLoop {
    /// What was asked for.
    pub scopes: Scopes,
    /// How often Entra answered.
    pub answers: usize,
    /// Since when.
    pub since: jiff::Timestamp,
    /// When the request may be sent again.
    pub until: jiff::Timestamp,
    /// The last answer, where it was a no; otherwise it was a token.
    pub refused: Option<Error>,
}

impl std::error::Error for RequestLoop {}

impl fmt::Display for RequestLoop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the same request for \"{}\" was answered {} times since {}; it is not sent again before {}, or Entra would \
             refuse it for everybody (AADSTS50196). ",
            self.scopes, self.answers, self.since, self.until
        )?;
        match &self.refused {
            Some(error) => write!(f, "Asking again does not change the answer, so stop at the first: {error}"),
            None => f.write_str(
                "Entra gave a token each time, so something goes past the cache: look for .force_refresh() or the same \
                 .claims(…) on every call, and for tokens that end within five minutes",
            ),
        }
    }
}

/// Entra's no, field by field.
///
/// ```
/// # fn example(error: shared_auth::Error) {
/// if let Some(no) = error.refusal() {
///     // Fields decide, the prose never does.
///     println!("{} {:?} {:?}, correlation id {:?}", no.error, no.suberror, no.codes, no.correlation_id);
/// }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub struct Refusal {
    /// What was asked for: `the on-behalf-of request`.
    pub request: String,
    /// HTTP status.
    pub status: u16,
    /// The OAuth error word.
    pub error: String,
    /// What kind of action helps.
    pub suberror: Option<String>,
    /// The AADSTS numbers.
    pub codes: Vec<u32>,
    /// Entra's sentence, without its trailer of ids.
    pub description: String,
    /// A claims challenge, as JSON text.
    pub claims: Option<String>,
    /// The id that both sides logged.
    pub correlation_id: Option<String>,
    /// Entra's own id of the request.
    pub trace_id: Option<String>,
    /// When Entra refused.
    pub timestamp: Option<String>,
    /// The scopes that were asked for.
    pub scopes: Scopes,
}

impl Refusal {
    pub(crate) fn new(request: String, status: u16, scopes: &Scopes, answer: ErrorResponse) -> Self {
        Self {
            request,
            status,
            description: answer.summary(),
            error: answer.error,
            suberror: answer.suberror,
            codes: answer.error_codes,
            claims: answer.claims,
            correlation_id: answer.correlation_id,
            trace_id: answer.trace_id,
            timestamp: answer.timestamp,
            scopes: scopes.clone(),
        }
    }

    /// The id of the request, where the answer did not repeat it.
    pub(crate) fn correlated(mut self, id: &str) -> Self {
        self.correlation_id.get_or_insert_with(|| id.to_owned());
        self
    }

    /// What the code means, what usually causes it and what helps, where our table has it. No network.
    ///
    /// ```
    /// # fn example(error: shared_auth::Error) {
    /// if let Some(diagnosis) = error.refusal().and_then(|refusal| refusal.diagnosis()) {
    ///     println!("{} {}", diagnosis.cause, diagnosis.fix);
    /// }
    /// # }
    /// ```
    pub fn diagnosis(&self) -> Option<&'static Diagnosis> {
        Diagnosis::first_of(&self.codes)
    }

    /// True where consent is what is missing: nobody allowed the application to do this for the user.
    pub fn is_consent_required(&self) -> bool {
        self.suberror.as_deref() == Some("consent_required")
            || self.error == "consent_required"
            || self.codes.contains(&65001)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entra refused {}: {}", self.request, self.error)?;
        if let Some(suberror) = &self.suberror {
            write!(f, " ({suberror})")?;
        }
        if !self.description.is_empty() {
            write!(f, ": {}", self.description)?;
        }
        if let Some(id) = &self.correlation_id {
            write!(f, " [correlation id {id}]")?;
        }
        match (self.diagnosis(), self.codes.first()) {
            (Some(known), _) => write!(f, " What helps with AADSTS{}: {}", known.code, known.fix),
            (None, Some(code)) => {
                write!(f, " https://login.microsoftonline.com/error?code={code} may explain AADSTS{code}.")
            }
            (None, None) => Ok(()),
        }
    }
}

/// Only the user can continue.
///
/// ```
/// use shared_auth::{Error, InteractionRequired};
///
/// let error = Error::from(InteractionRequired::no_account("Mail.Read".into()));
/// assert!(error.to_string().contains("Sign in again"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InteractionRequired {
    /// What a token was wanted for.
    pub scopes: Scopes,
    /// Entra's answer; `None` where there was nothing to ask it with.
    pub refusal: Option<Refusal>,
}

impl InteractionRequired {
    /// There is neither a token nor a refresh token for this account.
    pub fn no_account(scopes: Scopes) -> Self {
        Self { scopes, refusal: None }
    }
}

impl std::error::Error for InteractionRequired {}

impl fmt::Display for InteractionRequired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.refusal {
            Some(refusal) => write!(f, "the user is needed: {refusal}"),
            None => write!(
                f,
                "the user is needed: the cache holds neither a token for \"{}\" nor a refresh token. Sign in again.",
                self.scopes
            ),
        }
    }
}

/// Why the answer to a sign-in cannot be used.
///
/// ```
/// use shared_auth::{AuthorizationResponse, SignInError};
///
/// let twice = AuthorizationResponse::parse("code=a&code=b&state=s").unwrap_err();
/// assert!(matches!(twice, SignInError::Malformed(_)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignInError {
    /// No sign-in of this browser waits for this answer: it was used before, is too old, or began elsewhere.
    #[error(
        "no sign-in of this browser waits for this answer; it was used before, took too long, or began elsewhere"
    )]
    UnknownFlow,
    /// The answer lacks `code` or `state`, or has them twice, or has a code and an error.
    #[error("the answer of the sign-in page is incomplete or contradicts itself: {0}")]
    Malformed(&'static str),
    /// Entra sent the browser back with an error.
    #[error("Entra sent the browser back with {error}: {description}")]
    Denied {
        /// The OAuth error word.
        error: String,
        /// Entra's sentence, cleaned and shortened.
        description: String,
    },
    /// The ID token failed a check.
    #[error("the ID token was refused: {0}")]
    IdToken(String),
    /// The tokens of somebody who is signed in were renewed, and those that came name somebody else.
    #[error("the renewed ID token names another user or issuer than the sign-in did; sign in again")]
    AnotherUser,
    /// Nobody finished the sign-in within the time that it had.
    #[error("nobody finished the sign-in within {0}; start it again")]
    TimedOut(String),
    /// Entra no longer waits for the code that was shown.
    #[error("the code {0} was not entered in time; start again for a new one")]
    CodeExpired(String),
    /// No browser could be opened on this machine.
    #[error("no browser can be opened here ({0}); sign in with a device code instead")]
    NoBrowser(String),
    /// The answer of the browser cannot be received on this machine.
    #[error("this machine cannot receive the browser's answer ({0}); sign in with a device code instead")]
    NoLoopback(String),
}
