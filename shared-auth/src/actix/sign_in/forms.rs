//! A form that was posted when the sign-in turned out to be too weak: kept, and sent on after the step-up.
//!
//! The handler then sees the POST that the browser sent before, with the same data; nobody types anything twice. A form
//! is kept only for somebody who is signed in and only if it came from a page of this site: a foreign form must not be
//! turned into one of ours by a sign-in. It is bounded, serves once, and only the user who sent it.

use actix_web::HttpMessage;
use actix_web::dev::{Payload, ServiceRequest};
use actix_web::http::{Method, Uri, header};
use actix_web::web::Bytes;
use futures_util::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use url::Url;

use super::return_path::own_address;

/// The parameter that brings the browser back to a form.
pub(super) const PARAMETER: &str = "resume_form";
/// Longer forms are not kept; after the step-up the user finds the page they came from.
const LARGEST: usize = 64 * 1024;
const FORM: &str = "application/x-www-form-urlencoded";
const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// A form as it came.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct KeptForm {
    /// Path and query.
    action: String,
    content_type: String,
    body: String,
    /// Where it was filled in.
    pub page: String,
}

impl KeptForm {
    /// Reads the form of a request that may have to be repeated, and puts it back for the handler.
    pub async fn of(request: &mut ServiceRequest, public_url: &Url) -> Option<Self> {
        let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        let own = match (text(SEC_FETCH_SITE), text(header::ORIGIN.as_str())) {
            (Some(site), _) => site == "same-origin",
            (None, Some(origin)) => origin == public_url.origin().ascii_serialization(),
            (None, None) => true, // No browser of today; the session's cookie does not come with foreign forms.
        };
        let length = text(header::CONTENT_LENGTH.as_str()).and_then(|length| length.parse::<usize>().ok());
        let content_type = text(header::CONTENT_TYPE.as_str()).unwrap_or_default().to_owned();
        let is_form =
            content_type.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(FORM));
        if request.method() != Method::POST || !own || !is_form || length.is_none_or(|bytes| bytes > LARGEST)
        {
            return None;
        }
        let page = text(header::REFERER.as_str()).and_then(|page| own_address(public_url, page));
        let mut payload = request.take_payload();
        let (mut body, mut broken) = (Vec::new(), None);
        while let Some(chunk) = payload.next().await {
            match chunk {
                Ok(chunk) if body.len() + chunk.len() <= LARGEST => body.extend_from_slice(&chunk),
                Ok(_) => broken = Some(actix_web::error::PayloadError::Overflow),
                Err(error) => broken = Some(error),
            }
            if broken.is_some() {
                break;
            }
        }
        let kept = std::str::from_utf8(&body).ok().filter(|_| broken.is_none()).map(str::to_owned);
        // The handler reads what we read, and fails where we failed.
        let chunks = std::iter::once(Ok(Bytes::from(body))).chain(broken.map(Err));
        request.set_payload(Payload::Stream { payload: Box::pin(stream::iter(chunks)) });
        Some(Self {
            action: request.uri().path_and_query()?.as_str().to_owned(),
            content_type,
            body: kept?,
            page: page.unwrap_or_else(|| "/".to_owned()),
        })
    }

    /// Where the browser goes, by GET, so that the form is sent on.
    pub fn address(&self, id: &str) -> String {
        let mark = if self.action.contains('?') { '&' } else { '?' };
        format!("{}{mark}{PARAMETER}={id}", self.action)
    }

    /// Makes `request` the one that was kept. `None` where the address is not that of the form.
    pub fn into_request(self, request: &mut ServiceRequest, public_url: &Url) -> Option<()> {
        let uri: Uri = self.action.parse().ok()?;
        if uri.path() != request.path() {
            return None;
        }
        let own = public_url.origin().ascii_serialization();
        let head = request.head_mut();
        head.method = Method::POST;
        head.uri = uri.clone();
        let length = self.body.len().into();
        head.headers.insert(header::CONTENT_TYPE, self.content_type.parse().ok()?);
        head.headers.insert(header::CONTENT_LENGTH, length);
        // As it was when the form was kept; the request that brings it back was caused by Entra's redirect.
        head.headers.insert(header::ORIGIN, own.parse().ok()?);
        head.headers.insert(
            header::HeaderName::from_static(SEC_FETCH_SITE),
            header::HeaderValue::from_static("same-origin"),
        );
        request.match_info_mut().get_mut().update(&uri);
        let body = stream::once(std::future::ready(Ok(Bytes::from(self.body))));
        request.set_payload(Payload::Stream { payload: Box::pin(body) });
        Some(())
    }
}

/// The id in an address that leads back to a form.
pub(super) fn id_of(request: &ServiceRequest) -> Option<String> {
    if request.method() != Method::GET || !request.query_string().contains(PARAMETER) {
        return None;
    }
    url::form_urlencoded::parse(request.query_string().as_bytes())
        .find(|(name, _)| name == PARAMETER)
        .map(|(_, id)| id.into_owned())
}
