//! Steps 4 to 8: the answer comes back, in the address or as a form.
//!
//! A form is posted by Entra's page, so the session's cookie (`SameSite=Lax`) does not come with it. It is laid beside
//! its sign-in, and the browser comes again by itself with a GET that has all cookies and no code in its address.

use actix_session::SessionExt;
use actix_web::{HttpRequest, HttpResponse, web};

use super::open::{FlowCookie, OpenSignIn, key_of};
use super::{CALLBACK, SignInRoutes, to};
use crate::actix::failure::{PageError, Reason};
use crate::actix::session::TypedSession;
use crate::actix::session_store::Sessions;
use crate::error::{Error, SignInError};
use crate::flows::authorization_code::{AuthorizationResponse, random_text};

/// Under which a form waits for the browser that comes back with a better sign-in.
pub(super) const FORM: &str = "form";
/// The parameter of the GET that follows a posted answer.
const POSTED: &str = "posted";

fn unknown() -> PageError {
    Error::from(SignInError::UnknownFlow).into()
}

/// `GET /signin-oidc`.
pub(super) async fn callback(
    request: HttpRequest,
    routes: web::Data<SignInRoutes>,
) -> Result<HttpResponse, PageError> {
    let session = TypedSession(request.get_session());
    if Sessions::is_away(&session.0) {
        return Err(PageError(Reason::SessionsAway));
    }
    let https = routes.is_https();
    let (response, cookie) = match posted(&request) {
        Some(state) => (None, FlowCookie::of(&request, https, &state)),
        None => {
            let response = AuthorizationResponse::parse(request.query_string()).map_err(Error::from)?;
            let cookie = FlowCookie::of(&request, https, response.state());
            (Some(response), cookie)
        }
    };
    // Step 5. Found by `state` among the sign-ins that this very browser began; gone from there from now on.
    let cookie = cookie.ok_or_else(unknown)?;
    let open: OpenSignIn = routes.sessions.take_once(&cookie.key()).await?.ok_or_else(unknown)?;
    let response = match (response, &open.posted, open.form_post) {
        (Some(response), None, false) => response,
        (None, Some(form), true) => AuthorizationResponse::parse(form).map_err(Error::from)?,
        _ => return Err(unknown()), // It came another way than it was asked for.
    };
    tracing::info!(step = 5, "Entra sent the browser back; its sign-in was found");
    let signed_in = routes.client.acquire_token_by_authorization_code(open.flow, response).await?;
    let (mut return_to, mut challenged) = (open.return_to, None);
    let before =
        session.user().filter(|user| user.account.home_account_id == signed_in.account.home_account_id);
    // The same person: forms of pages that are open in other tabs stay good.
    let csrf_token = before.map_or_else(|| uuid::Uuid::new_v4().to_string(), |user| user.csrf_token);
    let same = |id: &str| id == signed_in.account.home_account_id;
    let user =
        super::StoredUser { account: signed_in.account.clone(), claims: signed_in.id_token, csrf_token };
    if let Some(step_up) = open.step_up {
        if let Some(form) = step_up.form {
            return_to = form.page.clone();
            if same(&step_up.home_account_id) {
                let id = random_text()?;
                routes.sessions.keep_once(&key_of(FORM, &id, &user), &form).await?;
                return_to = form.address(&id);
            }
        }
        challenged = Some(step_up.path);
    }
    routes.look_for_sid(&user.claims);
    session.sign_in(&user, challenged)?;
    tracing::info!(step = 8, "signed in, under a new session id");
    // The redirect also takes the code out of the address bar.
    let mut answer = to(&return_to);
    super::add_cookie(&mut answer, &cookie.removal(https));
    // Whom the last one named is not who signed in now.
    let hint = routes.hints.cookie(&user, routes.client.inner.clock.now());
    hint.or_else(|| routes.hints.removal(&request))
        .iter()
        .for_each(|hint| super::add_cookie(&mut answer, hint));
    Ok(answer)
}

/// `POST /signin-oidc` (OAuth 2.0 Form Post Response Mode).
pub(super) async fn posted_callback(
    request: HttpRequest,
    body: String,
    routes: web::Data<SignInRoutes>,
) -> Result<HttpResponse, PageError> {
    let response = AuthorizationResponse::parse(&body).map_err(Error::from)?;
    let cookie = FlowCookie::of(&request, routes.is_https(), response.state()).ok_or_else(unknown)?;
    let mut open: OpenSignIn = routes.sessions.take_once(&cookie.key()).await?.ok_or_else(unknown)?;
    if !open.form_post || open.posted.is_some() {
        return Err(unknown());
    }
    open.posted = Some(body);
    routes.sessions.keep_once(&cookie.key(), &open).await?;
    let state: String = url::form_urlencoded::byte_serialize(response.state().as_bytes()).collect();
    Ok(to(&format!("{CALLBACK}?{POSTED}={state}")))
}

/// The `state` of an answer that was posted, where this GET is the one that follows it.
fn posted(request: &HttpRequest) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(request.query_string().as_bytes());
    match (pairs.next(), pairs.next()) {
        (Some((name, state)), None) if name == POSTED => Some(state.into_owned()),
        _ => None,
    }
}
