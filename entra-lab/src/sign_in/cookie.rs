//! The cookie of a browser at the lab: an opaque handle, nothing else.
//!
//! Over HTTPS it is `SameSite=None`, as Entra's: a single-page application renews its sign-in in a hidden frame, and
//! forms have a token of their own. A browser takes that over HTTPS only; over HTTP it is `SameSite=Lax`, comes along
//! when an application sends the browser here, and does not come with a form that another site posts.

use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::{HttpRequest, HttpResponse};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::sessions::Browser;
use crate::state::LabState;

const NAME: &str = "entra_lab_session";

/// The browser that sent the request, with its cookie value, if the lab knows it.
pub fn known_browser(req: &HttpRequest, state: &LabState) -> Option<(String, Browser)> {
    let cookie = req.cookie(NAME)?;
    let browser = state.sessions.browser(cookie.value(), state.clock.seconds())?;
    Some((cookie.value().to_owned(), browser))
}

/// The browser that sent the request, or a new one. True if it needs the cookie.
pub fn browser(req: &HttpRequest, state: &LabState) -> (String, Browser, bool) {
    if let Some((cookie, browser)) = known_browser(req, state) {
        return (cookie, browser, false);
    }
    let (cookie, browser) = state.sessions.new_browser(state.clock.seconds());
    (cookie, browser, true)
}

/// A token for forms that belong to no sign-in: only who has the cookie can know it.
pub fn form_token(cookie: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, format!("form {cookie}").as_bytes()))
}

/// Gives the browser its handle.
pub fn set(req: &HttpRequest, response: &mut HttpResponse, value: &str) {
    put(response, cookie(req, value.to_owned()));
}

/// Takes the handle away.
pub fn remove(req: &HttpRequest, response: &mut HttpResponse) {
    let mut gone = cookie(req, String::new());
    gone.set_max_age(Duration::ZERO);
    put(response, gone);
}

fn cookie(req: &HttpRequest, value: String) -> Cookie<'static> {
    let secure = req.app_config().secure();
    let same_site = if secure { SameSite::None } else { SameSite::Lax };
    Cookie::build(NAME, value).path("/").http_only(true).same_site(same_site).secure(secure).finish()
}

fn put(response: &mut HttpResponse, cookie: Cookie<'static>) {
    if let Err(error) = response.add_cookie(&cookie) {
        tracing::error!(%error, "the session cookie could not be set");
    }
}
