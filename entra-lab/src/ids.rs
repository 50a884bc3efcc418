//! The two ids of a request: the trace id is ours, the correlation id is the client's if it sent one.
//!
//! Clients send `client-request-id` as a header, in the query or in the form.

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

use crate::params::Params;
use crate::recorder::note;

/// Trace id and correlation id.
#[derive(Debug, Clone, Copy)]
pub struct RequestIds {
    pub trace: Uuid,
    pub correlation: Uuid,
    /// The client wants its id back as a header.
    pub echo: bool,
}

impl RequestIds {
    /// Reads the ids of a request and leaves the correlation id for the recorder.
    pub fn of(req: &HttpRequest, params: &Params) -> Self {
        let header = |name: &str| req.headers().get(name).and_then(|v| v.to_str().ok());
        let sent = header("client-request-id").or_else(|| params.get("client-request-id"));
        let correlation = sent.and_then(|id| Uuid::try_parse(id.trim()).ok()).unwrap_or_else(Uuid::new_v4);
        note(req, |n| n.correlation_id = Some(correlation));
        let asked = header("return-client-request-id").or_else(|| params.get("return-client-request-id"));
        let echo = sent.is_some() && asked.is_some_and(|v| v.eq_ignore_ascii_case("true"));
        Self { trace: Uuid::new_v4(), correlation, echo }
    }

    /// Adds the headers that carry the ids.
    pub fn put_into(&self, headers: &mut HeaderMap) {
        let value = |id: &Uuid| HeaderValue::from_str(&id.to_string()).ok();
        if let Some(trace) = value(&self.trace) {
            headers.insert(HeaderName::from_static("x-ms-request-id"), trace);
        }
        if self.echo
            && let Some(correlation) = value(&self.correlation)
        {
            headers.insert(HeaderName::from_static("client-request-id"), correlation);
        }
    }
}
