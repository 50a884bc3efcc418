//! Verified claims, read strictly: a claim of the wrong JSON type is a rejection and never counts as absent.
//!
//! (Libraries that let a string `nbf` count as no `nbf` have had CVEs for it.) Every getter takes the check on whose
//! behalf it reads, so that the rejection names it.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};

use super::rejection::{Check, TokenRejection, shown};
use super::strict_json::type_name;

/// Entra's longest-lived tokens, those under continuous access evaluation, have up to 28 hours. More is a mistake:
/// milliseconds, for example.
const LONGEST_LIFETIME: SignedDuration = SignedDuration::from_hours(28);

/// The claims of a token whose signature was verified.
#[derive(Debug)]
pub(super) struct Claims(Map<String, Value>);

impl Claims {
    pub fn new(claims: Map<String, Value>) -> Self {
        Self(claims)
    }

    pub fn into_map(self) -> Map<String, Value> {
        self.0
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A string that may be absent.
    pub fn optional(&self, check: Check, name: &str) -> Result<Option<String>, TokenRejection> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(value)) => Ok(Some(value.clone())),
            Some(other) => Err(wrong_type(check, name, "a string", other)),
        }
    }

    /// A string that must be there and say something.
    pub fn required(&self, check: Check, name: &str) -> Result<String, TokenRejection> {
        match self.optional(check, name)? {
            Some(value) if !value.trim().is_empty() => Ok(value),
            Some(_) => Err(TokenRejection::new(check, format!("the claim \"{name}\" is empty"))),
            None => Err(TokenRejection::new(check, format!("the claim \"{name}\" is missing"))),
        }
    }

    /// An id of Entra's: a GUID in its usual spelling.
    pub fn guid(&self, check: Check, name: &str) -> Result<String, TokenRejection> {
        let value = self.required(check, name)?;
        if value.len() == 36 && uuid::Uuid::try_parse(&value).is_ok() {
            return Ok(value);
        }
        Err(TokenRejection::new(
            check,
            format!("the claim \"{name}\" must be a GUID, found {}", shown(&value)),
        ))
    }

    /// An array of strings; absent counts as empty.
    pub fn strings(&self, check: Check, name: &str) -> Result<Vec<String>, TokenRejection> {
        let items = match self.0.get(name) {
            None => return Ok(Vec::new()),
            Some(Value::Array(items)) => items,
            Some(other) => return Err(wrong_type(check, name, "an array of strings", other)),
        };
        items
            .iter()
            .map(|item| match item {
                Value::String(item) => Ok(item.clone()),
                other => Err(wrong_type(check, name, "an array of strings", other)),
            })
            .collect()
    }

    /// `iss`, character by character.
    pub fn issued_by(&self, expected: &str) -> Result<String, TokenRejection> {
        let issuer = self.required(Check::Issuer, "iss")?;
        if issuer == expected {
            return Ok(issuer);
        }
        let detail = format!("expected the issuer {expected}, found {}", shown(&issuer));
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
        let detail = format!("expected a token of the policy {expected}, found one of {}", shown(&found));
        Err(TokenRejection::new(Check::Issuer, detail))
    }

    /// `exp` and, where it is there, `nbf`. Returns the expiry.
    pub fn valid_at(&self, now: Timestamp, skew: SignedDuration) -> Result<Timestamp, TokenRejection> {
        let refuse = |detail: String| TokenRejection::new(Check::Lifetime, detail);
        let expires_at = self.time(Check::Lifetime, "exp")?.ok_or_else(|| {
            refuse("the claim \"exp\" is missing: the token would be valid for ever".to_owned())
        })?;
        if expires_at.duration_since(now) > LONGEST_LIFETIME + skew {
            return Err(refuse(format!("it expires at {expires_at}; Entra issues nothing for so long")));
        }
        if now.duration_since(expires_at) >= skew {
            return Err(refuse(format!("it expired at {expires_at}, now it is {now}; get a new one")));
        }
        match self.time(Check::Lifetime, "nbf")? {
            Some(valid_from) if valid_from.duration_since(now) > skew => Err(refuse(format!(
                "it is valid from {valid_from} on, now it is {now}; do the clocks of the two machines agree?"
            ))),
            _ => Ok(expires_at),
        }
    }

    /// A moment in whole seconds (RFC 7519 §2 allows fractions, Entra never sends them).
    pub fn time(&self, check: Check, name: &str) -> Result<Option<Timestamp>, TokenRejection> {
        let value = match self.0.get(name) {
            None => return Ok(None),
            Some(value @ Value::Number(_)) => value.as_i64(),
            Some(other) => return Err(wrong_type(check, name, "a whole number of seconds", other)),
        };
        match value.filter(|seconds| *seconds > 0).and_then(|seconds| Timestamp::from_second(seconds).ok()) {
            Some(time) => Ok(Some(time)),
            None => {
                let detail =
                    format!("the claim \"{name}\" is a number, but not a time in whole seconds since 1970");
                Err(TokenRejection::new(check, detail))
            }
        }
    }
}

fn wrong_type(check: Check, name: &str, expected: &str, found: &Value) -> TokenRejection {
    TokenRejection::new(check, format!("the claim \"{name}\" must be {expected}, found {}", type_name(found)))
}
