//! A refusal on its way out: a row of the catalogue plus what is special about this request.
//!
//! The JSON body has Entra's members in Entra's order. Nothing that a client sent as a secret,
//! token or password is ever repeated.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;

use crate::errors::Aadsts;
use crate::ids::RequestIds;

/// A refusal of one request.
#[derive(Debug, Clone)]
pub struct Refusal {
    pub row: Aadsts,
    /// Differs from the row's word where Entra's endpoints differ.
    pub error: &'static str,
    pub detail: Option<Box<str>>,
    pub suberror: Option<&'static str>,
    /// A claims challenge as JSON text.
    pub claims: Option<Box<str>>,
}

impl From<Aadsts> for Refusal {
    fn from(row: Aadsts) -> Self {
        Self { row, error: row.error, detail: None, suberror: None, claims: None }
    }
}

impl Aadsts {
    /// The refusal with a sentence about this request. Only for values that are no secrets.
    pub fn about(self, detail: impl Into<String>) -> Refusal {
        Refusal { detail: Some(detail.into().into_boxed_str()), ..Refusal::from(self) }
    }
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'a str,
    error_description: String,
    error_codes: [u32; 1],
    timestamp: String,
    trace_id: String,
    correlation_id: String,
    error_uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    suberror: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    claims: Option<&'a str>,
}

impl Refusal {
    pub fn with_error(mut self, error: &'static str) -> Self {
        self.error = error;
        self
    }

    pub fn with_suberror(mut self, suberror: &'static str) -> Self {
        self.suberror = Some(suberror);
        self
    }

    pub fn with_claims(mut self, claims: String) -> Self {
        self.claims = Some(claims.into_boxed_str());
        self
    }

    /// What happened, with the detail, without the code.
    pub fn sentence(&self) -> String {
        match &self.detail {
            Some(detail) => format!("{} {detail}", self.row.text),
            None => self.row.text.to_owned(),
        }
    }

    /// The `error_description`: code, sentences, and the three trailer lines.
    pub fn description(&self, ids: &RequestIds, now: Timestamp) -> String {
        format!(
            "AADSTS{}: {} {}\r\nTrace ID: {}\r\nCorrelation ID: {}\r\nTimestamp: {}",
            self.row.code,
            self.sentence(),
            self.row.fix,
            ids.trace,
            ids.correlation,
            stamp(now)
        )
    }

    /// The JSON answer. 400 for everything except a client that failed to authenticate.
    pub fn json(&self, ids: &RequestIds, now: Timestamp, base_url: &str) -> HttpResponse {
        let status = StatusCode::from_u16(self.row.status).unwrap_or(StatusCode::BAD_REQUEST);
        HttpResponse::build(status).json(Body {
            error: self.error,
            error_description: self.description(ids, now),
            error_codes: [self.row.code],
            timestamp: stamp(now),
            trace_id: ids.trace.to_string(),
            correlation_id: ids.correlation.to_string(),
            error_uri: format!("{base_url}/error?code={}", self.row.code),
            suberror: self.suberror,
            claims: self.claims.as_deref(),
        })
    }
}

/// Entra's way to write a time in error bodies.
pub fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}
