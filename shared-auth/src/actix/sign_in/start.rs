//! Step 2: a sign-in begins, by itself or because a page asked for more than the last one gave.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Deserialize;

use super::hint;
use super::open::{FlowCookie, OpenSignIn, StepUp, key_of};
use super::return_path::own_path;
use super::{CALLBACK, SignInRoutes, to};
use crate::actix::failure::{PageError, Reason};
use crate::actix::server::Attempt;
use crate::actix::session::TypedSession;
use crate::actix::session_store::Sessions;
use crate::flows::authorization_code::ResponseMode;

/// Under which a step-up waits for its sign-in to begin.
pub(super) const STEP_UP: &str = "step-up";

#[derive(Deserialize)]
pub(super) struct Start {
    #[serde(default)]
    return_to: String,
    #[serde(default)]
    step_up: String,
}

pub(super) async fn start(
    request: HttpRequest,
    query: web::Query<Start>,
    routes: web::Data<SignInRoutes>,
) -> Result<HttpResponse, PageError> {
    // Each one that is begun is kept for a while, whoever it was.
    Attempt::SignIn.count(&request).map_err(|seconds| PageError(Reason::TooManySignIns(seconds)))?;
    let session = TypedSession(actix_session::SessionExt::get_session(&request));
    // A browser that comes back to an app which has forgotten it would only have to start again.
    if Sessions::is_away(&session.0) || routes.sessions.ready().await.is_err() {
        return Err(PageError(Reason::SessionsAway));
    }
    let user = session.user();
    // What a page could not do silently is asked for now: claims to satisfy, scopes to consent to.
    let step_up: Option<StepUp> = match &user {
        Some(user) if !query.step_up.is_empty() => {
            routes.sessions.take_once(&key_of(STEP_UP, &query.step_up, user)).await?
        }
        _ => None,
    };
    let mode = routes.response_mode;
    let scopes = match &step_up {
        Some(step_up) => routes.options.scopes.with(&step_up.scopes),
        None => routes.options.scopes.clone(),
    };
    let mut flow =
        routes.client.initiate_auth_code_flow(scopes, &routes.own_address(CALLBACK)).response_mode(mode);
    if let Some((_, policy)) = routes.user_flows.iter().find(|(path, _)| path == request.path()) {
        flow = flow.user_flow(policy);
    }
    if let Some(claims) = step_up.as_ref().and_then(|step_up| step_up.claims.clone()) {
        flow = flow.claims(claims);
    }
    let known = match &user {
        Some(user) => Some(hint::of(user).to_owned()),
        None => routes.known(&request).await,
    };
    if let Some(hint) = known {
        flow = flow.login_hint(hint); // Again, and not as somebody else.
    }
    let flow = flow.await?;
    let mut answer = to(flow.authorization_url().as_str());
    let https = routes.is_https();
    for old in FlowCookie::surplus(&request, https) {
        routes.sessions.forget_once(&old.key()).await;
        super::add_cookie(&mut answer, &old.removal(https));
    }
    let cookie = FlowCookie::new(https, flow.state(), flow.started_at())?;
    let open = OpenSignIn {
        flow,
        return_to: own_path(&routes.options.public_url, &query.return_to),
        form_post: mode == ResponseMode::FormPost,
        posted: None,
        step_up,
    };
    routes.sessions.keep_once(&cookie.key(), &open).await?;
    super::add_cookie(&mut answer, &cookie.set(https, mode));
    tracing::info!(step = 2, "a sign-in begins; the browser goes to Entra");
    Ok(answer)
}

impl SignInRoutes {
    /// Who signed in here before, where their session was lost. Nobody where it was ended.
    async fn known(&self, request: &HttpRequest) -> Option<String> {
        let hint = self.hints.read(request, self.client.inner.clock.now())?;
        if let Some(sid) = &hint.sid
            && self.sessions.was_ended(sid).await
        {
            return None;
        }
        tracing::info!(step = 2, "the session was lost; Entra is asked for the same person");
        Some(hint.login_hint)
    }
}
