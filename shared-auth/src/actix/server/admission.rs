//! What happens to every request before a route sees it, and to a panic behind it.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{StatusCode, header};
use actix_web::middleware::Next;
use actix_web::{HttpMessage, HttpResponse, ResponseError, web};
use futures_util::FutureExt;

use super::attempts::Attempts;
use super::body;
use super::connection::Connection;
use super::limits::ServerLimits;
use crate::actix::error_response::{Answer, correlation_id};

/// The limits at work, one for a process.
#[derive(Debug)]
pub struct Door {
    pub limits: ServerLimits,
    pub attempts: Attempts,
    panics: AtomicU64,
}

impl Door {
    pub fn new(limits: ServerLimits) -> Self {
        Self { attempts: Attempts::new(limits.attempts_per_minute), limits, panics: AtomicU64::new(0) }
    }

    /// RFC 9110 §15.5.15, RFC 6585 §5.
    fn check_head(&self, request: &ServiceRequest) -> Result<(), Turned> {
        let address = request.uri().path_and_query().map_or(0, |address| address.as_str().len());
        if address > self.limits.address_bytes {
            return Err(Turned::AddressTooLong);
        }
        let headers: usize =
            request.headers().iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        if headers > self.limits.headers_bytes { Err(Turned::HeadersTooLarge) } else { Ok(()) }
    }
}

pub async fn admit<B: MessageBody>(
    door: web::Data<Door>,
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<B>, actix_web::Error> {
    let _under_way = request.conn_data::<Connection>().map(Connection::begin);
    door.check_head(&request)?;
    let body = request.take_payload();
    request.set_payload(body::limited(body, &door.limits));
    // Whatever state a panic left torn belongs to this request alone, or to types that are made for it.
    match AssertUnwindSafe(async move { next.call(request).await }).catch_unwind().await {
        Ok(outcome) => outcome,
        Err(_) => {
            let id = correlation_id(None);
            // What it said is on standard error already, and may hold anything.
            let count = door.panics.fetch_add(1, Ordering::Relaxed) + 1;
            tracing::error!(
                correlation_id = id,
                count,
                "a handler panicked; its request was answered with 500"
            );
            Err(Turned::Panicked(id).into())
        }
    }
}

/// Why a request went no further.
#[derive(Debug)]
enum Turned {
    AddressTooLong,
    HeadersTooLarge,
    Panicked(String),
}

impl fmt::Display for Turned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.says().1)
    }
}

impl Turned {
    fn says(&self) -> (&'static str, &'static str) {
        match self {
            Self::AddressTooLong => ("address_too_long", "The address of the request is too long."),
            Self::HeadersTooLarge => ("headers_too_large", "The headers of the request are too large."),
            Self::Panicked(_) => {
                ("internal_error", "Something went wrong; the operators find the reason in the log.")
            }
        }
    }
}

impl ResponseError for Turned {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::AddressTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Panicked(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Outside of everything that an app wraps around its routes, so it brings its own headers.
    fn error_response(&self) -> HttpResponse {
        let (error, message) = self.says();
        let id = match self {
            Self::Panicked(id) => id.clone(),
            _ => correlation_id(None),
        };
        let mut answer = Answer::new(self.status_code(), error, message).into_response(&id);
        let nosniff = header::HeaderValue::from_static("nosniff");
        answer.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
        answer
    }
}
