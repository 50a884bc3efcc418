//! Step 11: out of this app, out of the token caches, and out of Entra.
//!
//! Front-channel sign-out (OpenID Connect Front-Channel Logout 1.0 §2): when the user signs out elsewhere, Entra opens
//! `/signout-oidc?sid=…` in a hidden frame. Browsers send no cookie of ours along with that, so the session is found by
//! the `sid` of its ID token, in the store that all replicas share.

use actix_session::SessionExt;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use super::{SIGNED_OUT, SignInRoutes, add_cookie, to};
use crate::actix::failure::{PageError, Reason};
use crate::actix::session::{TypedSession, is_csrf_token};
use crate::actix::session_store::Sessions;

#[derive(Deserialize)]
pub(super) struct SignOut {
    #[serde(default)]
    csrf_token: String,
}

/// `POST /auth/sign-out`.
pub(super) async fn sign_out(
    request: HttpRequest,
    form: web::Form<SignOut>,
    routes: web::Data<SignInRoutes>,
) -> Result<HttpResponse, PageError> {
    let session = TypedSession(request.get_session());
    if Sessions::is_away(&session.0) {
        return Err(PageError(Reason::SessionsAway)); // To say "signed out" now would not be true.
    }
    let without_hint = |mut answer: HttpResponse| {
        routes.hints.removal(&request).iter().for_each(|gone| add_cookie(&mut answer, gone));
        answer
    };
    let Some(user) = session.user() else {
        return Ok(without_hint(to("/"))); // Another tab was faster, or the session was lost.
    };
    if !is_csrf_token(&user, &form.csrf_token) {
        return Err(PageError(Reason::ForeignForm));
    }
    routes.client.remove_account(&user.account);
    session.sign_out();
    tracing::info!(step = 11, "signed out: session and tokens are gone");
    // Here it is done. Entra's own session ends there, if it can be reached.
    let entra =
        routes.client.authority().metadata().await.ok().and_then(|metadata| metadata.end_session_endpoint);
    Ok(without_hint(match entra {
        Some(mut url) => {
            url.query_pairs_mut()
                .append_pair("post_logout_redirect_uri", routes.own_address(SIGNED_OUT).as_str());
            if let Some(hint) = &user.claims.login_hint {
                url.query_pairs_mut().append_pair("logout_hint", hint);
            }
            to(url.as_str())
        }
        None => to("/"),
    }))
}

/// `GET /signout-callback-oidc`.
pub(super) async fn signed_out() -> HttpResponse {
    to("/")
}

/// `GET /signout-oidc`.
pub(super) async fn front_channel(
    request: HttpRequest,
    routes: web::Data<SignInRoutes>,
) -> Result<HttpResponse, PageError> {
    let (sid, issuer) = match (single(&request, "sid"), single(&request, "iss")) {
        (Ok(Some(sid)), Ok(issuer)) => (sid, issuer),
        _ => return Err(PageError(Reason::ForeignSignOut)),
    };
    // Entra leaves `iss` out. Who sends it has to be the authority that signed the user in.
    if let Some(issuer) = issuer {
        let authority = routes.client.authority();
        let rule = authority.issuer_rule(&authority.metadata().await?.issuer);
        if !rule.is_ok_and(|rule| rule.may_be(&issuer)) {
            return Err(PageError(Reason::ForeignSignOut));
        }
    }
    let ended = routes.sessions.end_by_sid(&sid).await?;
    for user in ended.iter().filter_map(TypedSession::user_in) {
        routes.client.remove_account(&user.account);
    }
    tracing::info!(step = 11, sessions = ended.len(), "Entra ended a session, and so it ends here");
    // The same answer whether the session was known or not. It may stand in a frame of the authority's page.
    let frame = format!("default-src 'none'; frame-ancestors {}", routes.client.authority().origin());
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-cache, no-store"))
        .insert_header((header::PRAGMA, "no-cache"))
        .insert_header((header::CONTENT_SECURITY_POLICY, frame))
        .content_type("text/html; charset=utf-8")
        .body("<!doctype html><title>Signed out</title>"))
}

/// A parameter that must not come twice.
fn single(request: &HttpRequest, name: &str) -> Result<Option<String>, ()> {
    let pairs = url::form_urlencoded::parse(request.query_string().as_bytes());
    let mut values = pairs.filter(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    match (values.next(), values.next()) {
        (value, None) => Ok(value.filter(|value| !value.is_empty())),
        _ => Err(()),
    }
}
