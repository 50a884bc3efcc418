//! The one HTTP client: time limits, a size limit, no redirects, extra authorities.

use std::time::Duration;

use reqwest::header::{ACCEPT, HeaderMap, RETRY_AFTER};
use serde::de::DeserializeOwned;
use tracing::Instrument;
use tracing::field::Empty;
use url::{Position, Url};

use crate::env::ConfigError;
use crate::error::TransportError;
use crate::protocol::json_fault;
use crate::telemetry::{correlate, inject};

/// A token endpoint answers in milliseconds; whoever needs longer than this is not going to.
const TOTAL_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Larger than any key set or page of Graph that we ask for; a body without end must not fill the memory.
const BODY_LIMIT: usize = 4 * 1024 * 1024;

/// Sends requests and reads bounded answers.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    client: reqwest::Client,
}

/// An answer whose body has been read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// The id under which both sides logged the request.
    pub correlation_id: String,
}

impl Http {
    /// `extra_ca_certs`: PEM authorities added to the system's, never instead of them.
    pub fn new(extra_ca_certs: Option<&[u8]>) -> Result<Self, ConfigError> {
        let mut builder = careful();
        if let Some(pem) = extra_ca_certs {
            let certificates = reqwest::Certificate::from_pem_bundle(pem)
                .map_err(|_| ConfigError::new("EXTRA_CA_CERTS", "is not a PEM file of certificates"))?;
            builder = builder.tls_certs_merge(certificates);
        }
        let client = builder.build().map_err(|error| {
            ConfigError::new("EXTRA_CA_CERTS", format!("TLS cannot be set up: {}", causes(&error)))
        })?;
        Ok(Self { client })
    }

    /// For the endpoints of the machine itself, which no proxy can reach.
    pub fn direct() -> Result<Self, ConfigError> {
        let client = careful().no_proxy().build().map_err(|error| {
            ConfigError::new("managed identity", format!("TLS cannot be set up: {}", causes(&error)))
        })?;
        Ok(Self { client })
    }

    /// For those who send requests of their own, with the same care.
    #[cfg(feature = "middleware")]
    pub fn client(&self) -> &reqwest::Client {
        &self.client
    }

    pub fn get(&self, url: Url) -> reqwest::RequestBuilder {
        self.client.get(url).header(ACCEPT, "application/json")
    }

    pub fn request(&self, method: reqwest::Method, url: Url) -> reqwest::RequestBuilder {
        self.client.request(method, url)
    }

    pub fn post_form(&self, url: Url, form: &[(&str, String)]) -> reqwest::RequestBuilder {
        self.client.post(url).header(ACCEPT, "application/json").form(form)
    }

    /// Sends and reads the answer; `tried` is the first part of the error's sentence, and the name of the span.
    ///
    /// The request carries a correlation id, its own or a new one, and the context of the trace.
    pub async fn send(
        &self,
        tried: &str,
        request: reqwest::RequestBuilder,
    ) -> Result<Answer, TransportError> {
        let (client, request) = request.build_split();
        let mut request =
            request.map_err(|error| failed(tried, "an address that cannot be built", None, &error))?;
        let correlation_id = correlate(request.headers_mut());
        // Not the path: it may name people.
        let span = tracing::debug_span!(
            "http_request",
            otel.kind = "client",
            otel.name = tried,
            http.request.method = request.method().as_str(),
            server.address = request.url().host_str(),
            server.port = request.url().port_or_known_default(),
            correlation_id,
            http.response.status_code = Empty,
            otel.status_code = Empty,
        );
        span.in_scope(|| inject(request.headers_mut()));
        let outcome = exchange(&client, tried, request, correlation_id).instrument(span.clone()).await;
        match &outcome {
            Ok(answer) => span.record("http.response.status_code", answer.status),
            Err(_) => span.record("otel.status_code", "ERROR"),
        };
        outcome
    }

    /// GETs a JSON document that needs no token.
    pub async fn get_json<T: DeserializeOwned>(&self, tried: &str, url: Url) -> Result<T, TransportError> {
        let endpoint = without_query(&url);
        let answer = self.send(tried, self.get(url)).await?;
        if answer.status != 200 {
            return Err(answer.unusable(tried, endpoint));
        }
        serde_json::from_slice(&answer.body).map_err(|error| TransportError {
            tried: tried.to_owned(),
            endpoint,
            happened: format!("the answer is not the JSON that was expected ({})", json_fault(&error)),
            retryable: true,
            correlation_id: Some(answer.correlation_id),
        })
    }
}

impl Answer {
    /// The error for an answer that nobody can use. The body stays out of it: it could hold anything.
    pub fn unusable(&self, tried: &str, endpoint: String) -> TransportError {
        let hint = match self.status {
            300..=399 => ", a redirect, which is not followed; is the address right?",
            429 | 503 if self.headers.contains_key(RETRY_AFTER) => {
                ", with a time to wait before the next try"
            }
            _ => "",
        };
        TransportError {
            tried: tried.to_owned(),
            endpoint,
            happened: format!("the answer was HTTP {}{hint}", self.status),
            retryable: self.status == 429 || self.status >= 500,
            correlation_id: Some(self.correlation_id.clone()),
        }
    }
}

/// One request and its answer, within the limits.
async fn exchange(
    client: &reqwest::Client,
    tried: &str,
    request: reqwest::Request,
    correlation_id: String,
) -> Result<Answer, TransportError> {
    let endpoint = without_query(request.url());
    let failed = |error| failed(tried, &endpoint, Some(&correlation_id), &error);
    // A server closes a connection that was idle for a while, and may do so while a request is on its way to it: that
    // request was not looked at. One that changes nothing is sent once more, on another connection (RFC 9110 §9.2.2).
    let again = request.method().is_safe().then(|| request.try_clone()).flatten();
    let mut response = match (client.execute(request).await, again) {
        (Err(error), Some(again)) if broke_off(&error) => client.execute(again).await,
        (answer, _) => answer,
    }
    .map_err(failed)?;
    let (status, headers) = (response.status().as_u16(), std::mem::take(response.headers_mut()));

    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > BODY_LIMIT {
            let happened = format!("the answer is larger than {} MiB", BODY_LIMIT / 1024 / 1024);
            return Err(TransportError {
                tried: tried.to_owned(),
                endpoint,
                happened,
                retryable: false,
                correlation_id: Some(correlation_id),
            });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, headers, body, correlation_id })
}

/// No answer, although there was a connection.
fn broke_off(error: &reqwest::Error) -> bool {
    error.is_request() && !error.is_timeout() && !error.is_connect()
}

/// What every client has in common.
fn careful() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TOTAL_TIMEOUT)
        // A redirect would carry the secret, the code or the token to an address that nobody configured.
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("shared-auth/", env!("CARGO_PKG_VERSION")))
}

/// Host and path; queries may hold codes.
pub(crate) fn without_query(url: &Url) -> String {
    format!("{}://{}{}", url.scheme(), &url[Position::BeforeHost..Position::AfterPort], url.path())
}

/// True for the addresses that never leave the machine (RFC 8252 §8.3 treats them alike).
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn failed(
    tried: &str,
    endpoint: &str,
    correlation_id: Option<&str>,
    error: &reqwest::Error,
) -> TransportError {
    let hint = if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection; is it running, and is the address right?"
    } else {
        "the exchange broke off"
    };
    TransportError {
        tried: tried.to_owned(),
        endpoint: endpoint.to_owned(),
        happened: format!("{hint} ({})", causes(error)),
        retryable: !error.is_builder(),
        correlation_id: correlation_id.map(str::to_owned),
    }
}

/// The innermost cause: reqwest's own text repeats the URL, query included.
fn causes(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
