//! Which redirect URIs an application may use.
//!
//! Letter by letter, with one exception that Entra makes too: for `localhost` and `127.0.0.1` over
//! HTTP the port does not count, because native and test applications take a free one (RFC 8252 7.3).

use url::Url;

use crate::directory::Application;

/// Longest redirect URI that Entra accepts.
const MOST_BYTES: usize = 256;

/// Whether the application has registered this redirect URI.
pub fn is_registered(app: &Application, uri: &str) -> bool {
    if uri.len() > MOST_BYTES {
        return false;
    }
    app.redirect_uris.iter().any(|registered| registered == uri || same_but_port(registered, uri))
}

fn same_but_port(registered: &str, uri: &str) -> bool {
    let (Ok(registered), Ok(given)) = (Url::parse(registered), Url::parse(uri)) else { return false };
    // The parser repairs much (spaces, backslashes, capitals); what it had to repair is not the same.
    let unrepaired = given.as_str() == uri || given.as_str().strip_suffix('/') == Some(uri);
    let loopback = |url: &Url| {
        url.scheme() == "http"
            && matches!(url.host_str(), Some("localhost" | "127.0.0.1"))
            && url.username().is_empty()
            && url.password().is_none()
            && url.fragment().is_none()
    };
    unrepaired
        && loopback(&registered)
        && loopback(&given)
        && registered.host_str() == given.host_str()
        && registered.path() == given.path()
        && registered.query() == given.query()
}
