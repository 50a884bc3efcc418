//! The recorder: what was asked of the lab lately, without any secret.
//!
//! Handlers leave a `Note` in the request (grant, client, code); the recorder adds method, path and
//! status when the answer is ready, keeps the last few hundred and writes one log line.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, web};
use jiff::Timestamp;
use uuid::Uuid;

use crate::state::LabState;

/// How many requests are kept.
const KEPT: usize = 500;

/// One request that the lab answered.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Recorded {
    /// Counts up from 1 since the start or the last reset.
    pub number: u64,
    pub at: Timestamp,
    pub method: String,
    /// The path without the query.
    pub path: String,
    /// The grant type of a token request, if the lab knows it.
    pub grant: Option<&'static str>,
    pub client_id: Option<Uuid>,
    pub status: u16,
    /// The AADSTS code of a refusal.
    pub error_code: Option<u32>,
    pub correlation_id: Option<Uuid>,
}

/// What a handler knows about its request.
#[derive(Debug, Clone, Default)]
pub struct Note {
    pub grant: Option<&'static str>,
    pub client_id: Option<Uuid>,
    pub error_code: Option<u32>,
    pub correlation_id: Option<Uuid>,
}

/// Adds to the note of this request.
pub fn note(req: &HttpRequest, change: impl FnOnce(&mut Note)) {
    let mut extensions = req.extensions_mut();
    if let Some(note) = extensions.get_mut::<Note>() {
        change(note);
        return;
    }
    let mut note = Note::default();
    change(&mut note);
    extensions.insert(note);
}

/// A bounded list of answered requests.
#[derive(Debug, Default)]
pub struct Recorder {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    count: u64,
    requests: VecDeque<Recorded>,
}

impl Recorder {
    /// What was recorded, oldest first.
    pub fn requests(&self) -> Vec<Recorded> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.requests.iter().cloned().collect()
    }

    pub fn clear(&self) {
        *self.inner.lock().unwrap_or_else(PoisonError::into_inner) = Inner::default();
    }

    fn push(&self, mut request: Recorded) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.count += 1;
        request.number = inner.count;
        if inner.requests.len() == KEPT {
            inner.requests.pop_front();
        }
        inner.requests.push_back(request);
    }
}

/// Middleware that records every request except the page furniture and health probes.
pub async fn record<B: MessageBody>(
    state: web::Data<LabState>,
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, Error> {
    let method = req.method().to_string();
    let path: String = req.path().chars().take(200).collect();
    let response = next.call(req).await?;
    let quiet = ["/lab/health", "/favicon.ico"].contains(&path.as_str()) || path.starts_with("/lab/assets/");
    if !quiet {
        let note = response.request().extensions().get::<Note>().cloned().unwrap_or_default();
        let status = response.status().as_u16();
        log_line(&method, &path, status, &note);
        state.recorder.push(Recorded {
            number: 0,
            at: state.clock.now(),
            method,
            path,
            grant: note.grant,
            client_id: note.client_id,
            status,
            error_code: note.error_code,
            correlation_id: note.correlation_id,
        });
    }
    Ok(response)
}

fn log_line(method: &str, path: &str, status: u16, note: &Note) {
    let grant = note.grant.unwrap_or("-");
    match note.error_code {
        Some(code) => tracing::info!(method, path, status, grant, "refused with AADSTS{code}"),
        None => tracing::info!(method, path, status, grant, "answered"),
    }
}
