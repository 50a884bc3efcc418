//! Why a token was refused: the check, what it expected and found, and what helps. One line, for the log.
//!
//! The outside gets [`Check::class`] only: an attacker who tries variants must not learn which part to change next.

use std::borrow::Cow;
use std::fmt;

/// The checks, in the order in which they are made.
///
/// ```
/// use shared_auth::Check;
///
/// assert_eq!(Check::Lifetime.to_string(), "12 (lifetime)"); // for the log
/// assert_eq!(Check::Audience.class(), Check::Issuer.class()); // for the outside
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Check {
    /// 1. Small enough to look at.
    Size,
    /// 2. Three parts in base64url (RFC 7515 §7.1).
    Shape,
    /// 3. A header that we understand (RFC 7515 §4): one JSON object, `typ`, `crit`.
    Header,
    /// 4. RS256, whatever the token would prefer (RFC 8725 §3.1).
    Algorithm,
    /// 5. A key (`kid`) that the authority publishes (RFC 8725 §3.10).
    Key,
    /// 6. Signed by that key. No claim is looked at before this one.
    Signature,
    /// 7. Claims that are one JSON object (RFC 7519 §7.2), none of them twice or in other letters.
    Payload,
    /// 8. Issued for us (RFC 7519 §4.1.3).
    Audience,
    /// 9. Issued by our authority (RFC 7519 §4.1.1), in the format that it says it has.
    Issuer,
    /// 10. Issued by our tenant, or by one that is let in, and the issuer says the same.
    Tenant,
    /// 11. The key may sign for this issuer.
    KeyIssuer,
    /// 12. Valid now (RFC 7519 §4.1.4, §4.1.5).
    Lifetime,
    /// 13. An access token, and clear about whether it speaks for a user or for an application.
    Kind,
    /// 14. Says who it is, in ids that never change hands.
    Identity,
}

impl Check {
    /// The number, as in the log.
    pub fn number(self) -> u8 {
        match self {
            Self::Size => 1,
            Self::Shape => 2,
            Self::Header => 3,
            Self::Algorithm => 4,
            Self::Key => 5,
            Self::Signature => 6,
            Self::Payload => 7,
            Self::Audience => 8,
            Self::Issuer => 9,
            Self::Tenant => 10,
            Self::KeyIssuer => 11,
            Self::Lifetime => 12,
            Self::Kind => 13,
            Self::Identity => 14,
        }
    }

    /// The name, as in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Shape => "shape",
            Self::Header => "header",
            Self::Algorithm => "algorithm",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Payload => "payload",
            Self::Audience => "audience",
            Self::Issuer => "issuer",
            Self::Tenant => "tenant",
            Self::KeyIssuer => "key issuer",
            Self::Lifetime => "lifetime",
            Self::Kind => "kind",
            Self::Identity => "identity",
        }
    }

    /// What mostly helps where nothing more is known about the case.
    fn usual_fix(self) -> &'static str {
        match self {
            Self::Size => {
                "Send the access token alone. If it is this large, let the registration of this API emit app roles in \
                 place of groups."
            }
            Self::Shape | Self::Header | Self::Payload => {
                "Send the access token for this API exactly as Entra issued it."
            }
            Self::Algorithm => "Send an access token that Entra issued for this API; Entra signs with RS256.",
            Self::Key => {
                "Get the token from the authority that this API trusts (AZURE_AUTHORITY_HOST, AZURE_TENANT_ID); \
                 another tenant, another cloud or another instance of the lab has other keys."
            }
            Self::Signature => {
                "Send the token unchanged, and get it from the authority that this API trusts."
            }
            Self::Audience => {
                "Ask for a token with a scope of this API; if the audience is one of this API's names, add it to \
                 API_AUDIENCE."
            }
            Self::Issuer => {
                "Compare AZURE_AUTHORITY_HOST and AZURE_TENANT_ID of this API with those of the application that got \
                 the token."
            }
            Self::Tenant => {
                "Get the token in a tenant that this API lets in, or add the tenant to those that are let in."
            }
            Self::KeyIssuer => {
                "Get the token from this API's own authority; its keys do not vouch for other issuers."
            }
            Self::Lifetime => "Get a new token; if it is new, set the clocks of the two machines.",
            Self::Kind => "Send an access token, with a scope for users or an app role for applications.",
            Self::Identity => {
                "Get the token from Entra for this API; if claims were changed by a policy, leave these as they are."
            }
        }
    }

    /// What the sender of the token is told.
    pub fn class(self) -> &'static str {
        match self {
            Self::Size | Self::Shape | Self::Header | Self::Payload => "the access token is malformed",
            Self::Algorithm | Self::Key | Self::Signature | Self::KeyIssuer => {
                "the access token cannot be verified"
            }
            Self::Lifetime => "the access token is expired or not valid yet",
            Self::Audience | Self::Issuer | Self::Tenant | Self::Kind | Self::Identity => {
                "the access token is not meant for this API"
            }
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.number(), self.name())
    }
}

/// A token that failed a check.
///
/// What [`fmt::Display`] writes is for the log: the check, what it expected and found, what helps. Callers are told
/// [`Check::class`] and no more.
///
/// ```
/// # fn example(error: shared_auth::Error) {
/// if let shared_auth::Error::InvalidToken(rejection) = error {
///     eprintln!("{rejection}"); // the log: what was expected, what was found
///     println!("401 {}", rejection.check.class()); // the caller: the class
/// }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the token failed check {check}: {detail}. What helps: {fix}")]
#[non_exhaustive]
pub struct TokenRejection {
    /// Which check.
    pub check: Check,
    /// Expected and found. Never a part of the token; values of claims are cleaned and cut.
    pub detail: String,
    /// What helps.
    pub fix: Cow<'static, str>,
}

impl TokenRejection {
    pub(crate) fn new(check: Check, detail: impl Into<String>) -> Self {
        Self { check, detail: detail.into(), fix: check.usual_fix().into() }
    }

    /// What helps in this very case.
    #[must_use]
    pub(crate) fn fix(self, fix: impl Into<Cow<'static, str>>) -> Self {
        Self { fix: fix.into(), ..self }
    }
}

/// A value from a token as it may stand in a log line: quoted, printable ASCII only, cut. No line breaks, no escape
/// sequences for the terminal, no right-to-left tricks.
pub(crate) fn shown(value: &str) -> String {
    const LIMIT: usize = 100;
    let clean = value.chars().take(LIMIT).map(|c| if (' '..='~').contains(&c) && c != '"' { c } else { '?' });
    let more = if value.chars().nth(LIMIT).is_some() { "…" } else { "" };
    format!("\"{}{more}\"", clean.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checklist 17, 143.
    #[test]
    fn a_value_cannot_split_or_fill_the_log() {
        assert_eq!(shown("a\r\nb\u{1b}[31m\u{202e}\"c"), "\"a??b?[31m??c\"");
        assert!(shown(&"x".repeat(10_000)).len() < 120);
    }
}
