//! The correlation id of a request, and the headers in which a client introduces itself to Entra.
//!
//! Entra takes the id as `client-request-id`, logs it and repeats it in its answers; Graph and our own APIs do the same.
//! Whoever calls may choose it; otherwise it is made here, so that no request goes without and no error either.

use std::future::Future;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

use super::trace::trace_id;
use crate::env::ConfigError;
use crate::protocol::token_request::Grant;

const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");

/// The id of a request for which nobody chose one: that of the trace it belongs to, where there is a trace.
pub(crate) fn correlation_id() -> Uuid {
    trace_id().unwrap_or_else(Uuid::new_v4)
}

/// The id that a request carries already, or a new one that it carries from now on.
pub(crate) fn correlate(headers: &mut HeaderMap) -> String {
    let chosen = headers.get(CLIENT_REQUEST_ID).and_then(|id| id.to_str().ok());
    if let Some(id) = chosen {
        return id.to_owned();
    }
    let id = correlation_id().to_string();
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(CLIENT_REQUEST_ID, value);
    }
    id
}

/// Who is asking: library, version, platform, and what kind of token request it is. The names are MSAL's, the product's
/// is our own, so that Entra's figures do not take us for somebody else.
pub(crate) fn product_headers(grant: &Grant, forced: bool) -> [(&'static str, String); 7] {
    [
        ("return-client-request-id", "true".to_owned()),
        ("x-client-SKU", "shared-auth.rust".to_owned()),
        ("x-client-Ver", env!("CARGO_PKG_VERSION").to_owned()),
        ("x-client-OS", std::env::consts::OS.to_owned()),
        ("x-client-CPU", std::env::consts::ARCH.to_owned()),
        ("x-ms-lib-capability", "retry-after, h429".to_owned()),
        // Schema 4: which verb, and why the cache did not answer.
        ("x-client-current-telemetry", format!("4|{},{}|", api_id(grant), reason(grant, forced))),
    ]
}

/// Which program is asking, where it has a name. Empty counts as none.
///
/// # Errors
/// [`ConfigError`] for what is too long, or could not stand in a header.
pub(crate) fn program_headers(
    name: Option<String>,
    version: Option<String>,
) -> Result<Box<[(&'static str, HeaderValue)]>, ConfigError> {
    let named = [("x-app-name", "client_name", name), ("x-app-ver", "client_version", version)];
    let given = named.into_iter().filter_map(|(header, setting, text)| Some((header, setting, text?)));
    let header = |(header, setting, text): (_, _, String)| {
        let fits = text.len() <= 64 && text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        let value = HeaderValue::try_from(text).ok().filter(|_| fits);
        let reason = "must be at most 64 printable characters of ASCII";
        value.map(|value| (header, value)).ok_or_else(|| ConfigError::new(setting, reason))
    };
    given.filter(|(_, _, text)| !text.is_empty()).map(header).collect()
}

/// MSAL's number for the verb.
fn api_id(grant: &Grant) -> &'static str {
    match grant.grant_type() {
        "client_credentials" => "730",
        "authorization_code" => "832",
        "refresh_token" => "84",
        "password" => "301",
        "urn:ietf:params:oauth:grant-type:jwt-bearer" => "523",
        "urn:ietf:params:oauth:grant-type:device_code" => "622",
        _ => "",
    }
}

tokio::task_local! {
    static AHEAD_OF_TIME: ();
}

/// Runs a request that renews a token which still serves.
pub(crate) async fn ahead_of_time<F: Future>(request: F) -> F::Output {
    AHEAD_OF_TIME.scope((), request).await
}

/// MSAL's number for why the cache did not answer.
fn reason(grant: &Grant, forced: bool) -> &'static str {
    match grant {
        Grant::AuthorizationCode { .. } | Grant::DeviceCode(_) | Grant::Password { .. } => "0", // Nobody asked it.
        _ if forced => "1",
        _ if AHEAD_OF_TIME.try_with(|()| ()).is_ok() => "4",
        _ => "2",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_was_chosen_stays_and_another_request_gets_a_new_one() {
        let mut headers = HeaderMap::new();
        let first = correlate(&mut headers);

        assert_eq!(correlate(&mut headers), first);
        assert_eq!(headers["client-request-id"], first.as_str());
        assert_ne!(correlate(&mut HeaderMap::new()), first);
    }
}
