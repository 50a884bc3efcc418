//! Which redirect URIs an application may use, and of which platform they are.
//!
//! Letter by letter, with one exception that Entra makes too: for `localhost` and `127.0.0.1` over
//! HTTP the port does not count, because native and test applications take a free one (RFC 8252 7.3).

use url::Url;

use crate::directory::Application;

/// Longest redirect URI that Entra accepts.
const MOST_BYTES: usize = 256;

/// For which kind of application a redirect URI is registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// A server or a native application.
    WebOrNative,
    SinglePage,
}

/// The platform of a redirect URI, if the application has registered it.
pub fn platform(app: &Application, uri: &str) -> Option<Platform> {
    if uri.len() > MOST_BYTES {
        return None;
    }
    // What was registered letter by letter wins over what differs in the port.
    [equal, same_but_port].into_iter().find_map(|fits| {
        let among = |list: &[String]| list.iter().any(|registered| fits(registered, uri));
        if among(&app.spa_redirect_uris) {
            Some(Platform::SinglePage)
        } else {
            among(&app.redirect_uris).then_some(Platform::WebOrNative)
        }
    })
}

/// Whether the application has registered this redirect URI.
pub fn is_registered(app: &Application, uri: &str) -> bool {
    platform(app, uri).is_some()
}

/// Whether a page of this origin is one of the application's single pages.
pub fn is_origin_of_spa(app: &Application, origin: &str) -> bool {
    let Ok(given) = Url::parse(origin) else { return false };
    let same = |registered: &Url| {
        registered.origin() == given.origin()
            || (is_loopback(registered) && is_loopback(&given) && registered.host_str() == given.host_str())
    };
    given.origin().ascii_serialization() == origin
        && app.spa_redirect_uris.iter().filter_map(|uri| Url::parse(uri).ok()).any(|uri| same(&uri))
}

fn equal(registered: &str, uri: &str) -> bool {
    registered == uri
}

fn same_but_port(registered: &str, uri: &str) -> bool {
    let (Ok(registered), Ok(given)) = (Url::parse(registered), Url::parse(uri)) else { return false };
    // The parser repairs much (spaces, backslashes, capitals); what it had to repair is not the same.
    let unrepaired = given.as_str() == uri || given.as_str().strip_suffix('/') == Some(uri);
    unrepaired
        && is_loopback(&registered)
        && is_loopback(&given)
        && registered.host_str() == given.host_str()
        && registered.path() == given.path()
        && registered.query() == given.query()
}

fn is_loopback(url: &Url) -> bool {
    url.scheme() == "http"
        && matches!(url.host_str(), Some("localhost" | "127.0.0.1"))
        && url.username().is_empty()
        && url.password().is_none()
        && url.fragment().is_none()
}
