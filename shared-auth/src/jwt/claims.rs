//! Verified claims, read strictly: a claim of the wrong JSON type is a rejection and never counts as absent.
//!
//! (Libraries that let a string `nbf` count as no `nbf` have had CVEs for it.) Every getter takes the check on whose
//! behalf it reads, so that the rejection names it.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::rejection::{Check, TokenRejection, shown};
use super::strict_json::{self, Json, Object};

/// Entra's longest-lived tokens, those under continuous access evaluation, have up to 28 hours. More is a mistake:
/// milliseconds, for example.
const LONGEST_LIFETIME: SignedDuration = SignedDuration::from_hours(28);

/// Every claim that something here, or behind here, decides by.
const DECISIVE: [&str; 24] = [
    "acr",
    "acrs",
    "appid",
    "aud",
    "azp",
    "exp",
    "groups",
    "iat",
    "idtyp",
    "iss",
    "name",
    "nbf",
    "nonce",
    "oid",
    "preferred_username",
    "roles",
    "scp",
    "sub",
    "tfp",
    "tid",
    "unique_name",
    "upn",
    "ver",
    "xms_cc",
];

/// The claims of a token whose signature was verified.
#[derive(Debug)]
pub(super) struct Claims<'a>(Object<'a>);

/// The moments between which a token is good, the clocks' difference included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lifetime {
    /// `exp`.
    pub expires_at: Timestamp,
    /// The first moment.
    pub from: Timestamp,
    /// The moment after the last one.
    pub until: Timestamp,
}

impl<'a> Claims<'a> {
    /// Check 7: one JSON object (RFC 7519 §7.2), no member twice, none that differs from a claim in its letters' case.
    pub fn read(payload: &'a [u8]) -> Result<Self, TokenRejection> {
        let refuse = |detail: String| TokenRejection::new(Check::Payload, detail);
        let claims = strict_json::object(payload)
            .map_err(|fault| refuse(format!("expected claims that are one JSON object: {fault}")))?;
        match claims.odd_spelling(&DECISIVE) {
            None => Ok(Self(claims)),
            Some(name) => Err(refuse(format!(
                "expected the claim \"{name}\" in lower case only, found another spelling of it"
            ))),
        }
    }

    pub fn into_map(self) -> Map<String, Value> {
        self.0.into_map()
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.has(name)
    }

    /// A string that may be absent.
    pub fn optional(&self, check: Check, name: &str) -> Result<Option<&str>, TokenRejection> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Json::Text(value)) => Ok(Some(value)),
            Some(other) => Err(wrong_type(check, name, "a string", other)),
        }
    }

    /// A string that must be there and say something.
    pub fn required(&self, check: Check, name: &str) -> Result<&str, TokenRejection> {
        match self.optional(check, name)? {
            Some(value) if !value.trim().is_empty() => Ok(value),
            Some(_) => {
                Err(TokenRejection::new(check, format!("expected the claim \"{name}\", found it empty")))
            }
            None => Err(TokenRejection::new(check, format!("expected the claim \"{name}\", found none"))),
        }
    }

    /// An id of Entra's: a GUID in its usual spelling.
    pub fn guid(&self, check: Check, name: &str) -> Result<&str, TokenRejection> {
        let value = self.required(check, name)?;
        if value.len() == 36 && uuid::Uuid::try_parse(value).is_ok() {
            return Ok(value);
        }
        let detail = format!("expected a GUID as the claim \"{name}\", found {}", shown(value));
        Err(TokenRejection::new(check, detail))
    }

    /// An array of strings; absent counts as empty.
    pub fn strings(&self, check: Check, name: &str) -> Result<Vec<String>, TokenRejection> {
        let items = match self.0.get(name) {
            None => return Ok(Vec::new()),
            Some(Json::Array(items)) => items,
            Some(other) => return Err(wrong_type(check, name, "an array of strings", other)),
        };
        items
            .iter()
            .map(|item| match item {
                Json::Text(item) => Ok(item.clone().into_owned()),
                other => Err(wrong_type(check, name, "an array of strings", other)),
            })
            .collect()
    }

    /// `iss`, character by character.
    pub fn issued_by(&self, expected: &str) -> Result<&str, TokenRejection> {
        let issuer = self.required(Check::Issuer, "iss")?;
        if issuer == expected {
            return Ok(issuer);
        }
        let detail = format!("expected the issuer {expected}, found {}", shown(issuer));
        Err(TokenRejection::new(Check::Issuer, detail))
    }

    /// The B2C policy that issued the token: `tfp`, in older tokens `acr`. Several policies share one issuer and its keys.
    pub fn policy(&self, expected: &str) -> Result<(), TokenRejection> {
        let found = match self.optional(Check::Issuer, "tfp")? {
            Some(policy) => policy,
            None => self.required(Check::Issuer, "acr")?,
        };
        if found.eq_ignore_ascii_case(expected) {
            return Ok(());
        }
        let detail = format!("expected a token of the policy {expected}, found one of {}", shown(found));
        Err(TokenRejection::new(Check::Issuer, detail))
    }

    /// `exp` and, where it is there, `nbf`.
    pub fn valid_at(&self, now: Timestamp, skew: SignedDuration) -> Result<Lifetime, TokenRejection> {
        let refuse = |detail: String| TokenRejection::new(Check::Lifetime, detail);
        let expires_at = self.time(Check::Lifetime, "exp")?.ok_or_else(|| {
            refuse("expected the claim \"exp\", found none: the token would be valid for ever".to_owned())
        })?;
        if expires_at.duration_since(now) > LONGEST_LIFETIME + skew {
            return Err(refuse(format!(
                "expected it to end within 28 hours, found that it ends at {expires_at}"
            )));
        }
        if now.duration_since(expires_at) >= skew {
            return Err(refuse(format!(
                "expected a token that is valid now, {now}; it expired at {expires_at}"
            )));
        }
        let not_before = self.time(Check::Lifetime, "nbf")?;
        if let Some(valid_from) = not_before.filter(|valid_from| valid_from.duration_since(now) > skew) {
            let detail =
                format!("expected a token that is valid now, {now}; it is valid from {valid_from} on");
            return Err(refuse(detail)
                .fix("Let this machine and its callers set their clocks by the same source (NTP)."));
        }
        // The same limits once more, as moments: whoever remembers the token asks them again.
        let earliest = expires_at.saturating_sub(LONGEST_LIFETIME + skew).unwrap_or(Timestamp::MIN);
        let from =
            not_before.and_then(|at| at.checked_sub(skew).ok()).map_or(earliest, |at| at.max(earliest));
        let until = expires_at.checked_add(skew).unwrap_or(expires_at);
        Ok(Lifetime { expires_at, from, until })
    }

    /// A moment in whole seconds (RFC 7519 §2 allows fractions, Entra never sends them).
    pub fn time(&self, check: Check, name: &str) -> Result<Option<Timestamp>, TokenRejection> {
        let value = match self.0.get(name) {
            None => return Ok(None),
            Some(Json::Number(value)) => value.as_i64(),
            Some(other) => return Err(wrong_type(check, name, "a whole number of seconds", other)),
        };
        match value.filter(|seconds| *seconds > 0).and_then(|seconds| Timestamp::from_second(seconds).ok()) {
            Some(time) => Ok(Some(time)),
            None => {
                let detail = format!(
                    "expected whole seconds since 1970 as the claim \"{name}\", found a number that is no such time"
                );
                Err(TokenRejection::new(check, detail))
            }
        }
    }
}

fn wrong_type(check: Check, name: &str, expected: &str, found: &Json<'_>) -> TokenRejection {
    let detail = format!("expected {expected} as the claim \"{name}\", found {}", found.type_name());
    TokenRejection::new(check, detail)
}
