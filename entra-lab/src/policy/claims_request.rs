//! The `claims` parameter (OpenID Connect Core 5.5): capabilities, authentication contexts and the
//! policies of an earlier challenge. Everything else in it is ignored, as libraries add much.

use std::collections::BTreeSet;

use serde_json::Value;
use uuid::Uuid;

use crate::errors::BAD_PARAMETER;
use crate::params::Params;
use crate::refusal::Refusal;

/// What a client asked for with `claims`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClaimsRequest {
    /// The client can handle claims challenges of an API ("cp1").
    pub capable: bool,
    /// Authentication contexts that the token must carry.
    pub contexts: BTreeSet<String>,
    /// Policies that an earlier refusal named.
    pub policies: Vec<Uuid>,
}

impl ClaimsRequest {
    pub fn of(params: &Params) -> Result<Self, Refusal> {
        let Some(text) = params.get("claims") else { return Ok(Self::default()) };
        let parsed: Value = serde_json::from_str(text)
            .map_err(|_| BAD_PARAMETER.about("It is 'claims', which must be a JSON object."))?;
        let token = parsed.get("access_token");
        let wanted = |name: &str| token.and_then(|t| t.get(name)).map(values).unwrap_or_default();
        let context =
            |c: &String| c.len() <= 3 && c.starts_with('c') && c[1..].bytes().all(|b| b.is_ascii_digit());
        Ok(Self {
            capable: wanted("xms_cc").iter().any(|v| v.eq_ignore_ascii_case("cp1")),
            contexts: wanted("acrs").into_iter().filter(|c| c.len() > 1 && context(c)).collect(),
            policies: ["capolids", "polids"]
                .into_iter()
                .flat_map(wanted)
                .filter_map(|id| Uuid::try_parse(&id).ok())
                .collect(),
        })
    }

    /// Whether an interactive sign-in has something to do beyond the password.
    pub fn asks_for_more(&self) -> bool {
        !self.contexts.is_empty() || !self.policies.is_empty()
    }
}

/// `value` or `values` of one requested claim.
fn values(claim: &Value) -> Vec<String> {
    let one = claim.get("value").and_then(Value::as_str).map(str::to_owned);
    let many = claim.get("values").and_then(Value::as_array).into_iter().flatten();
    one.into_iter().chain(many.filter_map(Value::as_str).map(str::to_owned)).collect()
}
