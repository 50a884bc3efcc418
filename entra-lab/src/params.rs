//! Parameters of a request, from its query or its form, as the protocol treats them.
//!
//! An empty value counts as missing, unknown names are ignored, a repeated name is refused.

use std::collections::HashSet;

use actix_web::HttpRequest;
use actix_web::web::Bytes;

use crate::errors::{BAD_PARAMETER, MISSING_PARAMETER};
use crate::refusal::Refusal;

/// Largest form that the lab reads; a longer query does not get past the HTTP parser.
pub const MOST_BYTES: usize = 64 * 1024;
const MOST_PARAMETERS: usize = 100;

/// Decoded names and values, in order.
#[derive(Default)]
pub struct Params(Vec<(String, String)>);

impl Params {
    pub fn from_query(req: &HttpRequest) -> Self {
        Self::parse(req.query_string().as_bytes())
    }

    /// The form of a POST request. Anything that is not a form has no parameters.
    pub fn from_form(req: &HttpRequest, body: &Bytes) -> Self {
        let content_type =
            req.headers().get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        if essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Self::parse(body);
        }
        Self::default()
    }

    fn parse(bytes: &[u8]) -> Self {
        let pairs = url::form_urlencoded::parse(bytes).take(MOST_PARAMETERS);
        Self(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect())
    }

    /// The value of a parameter that is there and not empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(n, _)| n == name)?;
        Some(found.1.as_str()).filter(|v| !v.trim().is_empty())
    }

    /// The parameters with another value for this name.
    pub fn with(mut self, name: &str, value: String) -> Self {
        self.0.retain(|(n, _)| n != name);
        self.0.push((name.to_owned(), value));
        self
    }

    /// The value, or the refusal that names the missing parameter.
    pub fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name).ok_or_else(|| MISSING_PARAMETER.about(format!("It is '{name}'.")))
    }

    /// RFC 6749 3.1 and 3.2: no parameter more than once.
    pub fn refuse_repeated(&self, known: &[&'static str]) -> Result<(), Refusal> {
        let mut seen = HashSet::new();
        for (name, _) in &self.0 {
            if !seen.insert(name.as_str())
                && let Some(name) = known.iter().find(|k| **k == name.as_str())
            {
                return Err(BAD_PARAMETER.about(format!("'{name}' is there more than once.")));
            }
        }
        Ok(())
    }

    /// The parameters again as a query, for a redirect to the same request.
    pub fn to_query(&self) -> String {
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }
}

/// Values may be secrets: only the names are printed.
impl std::fmt::Debug for Params {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}
