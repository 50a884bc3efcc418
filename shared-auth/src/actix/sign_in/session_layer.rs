//! The session's cookie: its attributes, and when it is not sent.
//!
//! A request that changes a session is answered with its cookie once more. If another tab has signed in meanwhile, that
//! answer would put the old cookie in place of the new one and sign the browser out. It says nothing new, so it is left
//! out: the cookie changes when the session's id does.

use std::future::{Ready, ready};

use actix_session::SessionMiddleware;
use actix_session::config::{BrowserSession, CookieContentSecurity};
use actix_web::body::MessageBody;
use actix_web::cookie::SameSite;
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::http::header::{self, HeaderMap};
use futures_util::future::LocalBoxFuture;

use crate::actix::session::CookieKey;
use crate::actix::session_store::{IDLE_LIFETIME, Sessions};

/// The middleware behind [`SignInRoutes::sessions`](super::SignInRoutes::sessions).
#[derive(Clone)]
pub struct SessionLayer {
    sessions: SessionMiddleware<Sessions>,
}

impl SessionLayer {
    pub(super) fn new(sessions: &Sessions, key: &CookieKey, https: bool) -> Self {
        let sessions = SessionMiddleware::builder(sessions.clone(), key.0.clone())
            // The prefix makes browsers refuse the cookie from anyone but this very host; it needs https.
            .cookie_name(if https { "__Host-session" } else { "session" }.to_owned())
            .cookie_secure(https)
            .cookie_http_only(true)
            // Lax: the cookie comes along when Entra sends the browser back, and not with foreign forms or pictures.
            .cookie_same_site(SameSite::Lax)
            .cookie_path("/".to_owned())
            .cookie_content_security(CookieContentSecurity::Signed)
            .session_lifecycle(BrowserSession::default().state_ttl(IDLE_LIFETIME))
            .build();
        Self { sessions }
    }
}

impl std::fmt::Debug for SessionLayer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionLayer").finish_non_exhaustive()
    }
}

impl<S, B> Transform<S, ServiceRequest> for SessionLayer
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<B>;
    type Error = actix_web::Error;
    type Transform = OnlyNewCookies<<SessionMiddleware<Sessions> as Transform<S, ServiceRequest>>::Transform>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(self.sessions.new_transform(service).into_inner().map(|service| OnlyNewCookies { service }))
    }
}

#[derive(Debug)]
pub struct OnlyNewCookies<S> {
    service: S,
}

impl<S, B> Service<ServiceRequest> for OnlyNewCookies<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    S::Future: 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<B>;
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Self::Error>>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let answer = self.service.call(request);
        Box::pin(async move {
            let mut answer = answer.await?;
            let set: Vec<_> = answer.headers().get_all(header::SET_COOKIE).cloned().collect();
            if set.iter().any(|cookie| is_known(answer.request().headers(), cookie.as_bytes())) {
                let new: Vec<_> = { set.into_iter() }
                    .filter(|cookie| !is_known(answer.request().headers(), cookie.as_bytes()))
                    .collect();
                answer.headers_mut().remove(header::SET_COOKIE);
                for cookie in new {
                    answer.headers_mut().append(header::SET_COOKIE, cookie);
                }
            }
            Ok(answer)
        })
    }
}

/// True where the browser sent the very name and value that it is to be given.
fn is_known(request: &HeaderMap, cookie: &[u8]) -> bool {
    let pair = cookie.split(|byte| *byte == b';').next().unwrap_or_default();
    let sent =
        request.get_all(header::COOKIE).flat_map(|cookies| cookies.as_bytes().split(|byte| *byte == b';'));
    { sent }.any(|cookie| cookie.trim_ascii() == pair)
}
