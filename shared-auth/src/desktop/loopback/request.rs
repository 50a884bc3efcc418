//! One request to the loopback port: whose answer is it, and is it the answer to this sign-in?
//!
//! Everything on this machine, and every page in the browser, can send requests here. Only `state` tells the honest one
//! apart (RFC 8252 §8.9), so whatever lacks it is turned away and the wait goes on.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request, Response};
use tokio::sync::oneshot;

use super::pages::{self, Outcome, TurnedAway};
use crate::flows::authorization_code::{AuthCodeFlow, AuthorizationResponse};

/// A code has a kilobyte or two.
const BODY_LIMIT: usize = 64 * 1024;
const BODY_TIME_LIMIT: Duration = Duration::from_secs(10);

/// The answer, and the browser that waits for what comes of it.
#[derive(Debug)]
pub struct Arrived {
    pub response: AuthorizationResponse,
    pub outcome: oneshot::Sender<Outcome>,
    /// Ends when the page has been written.
    pub shown: oneshot::Receiver<()>,
}

/// What is lit up as long as the connection lives.
pub type Shown = Arc<Mutex<Option<oneshot::Sender<()>>>>;

/// Where the answers to one sign-in are taken.
#[derive(Debug)]
pub struct Desk {
    hosts: [String; 3],
    path: String,
    flow: AuthCodeFlow,
    give: Mutex<Option<oneshot::Sender<Arrived>>>,
}

impl Desk {
    pub fn new(port: u16, path: &str, flow: AuthCodeFlow, give: oneshot::Sender<Arrived>) -> Self {
        let hosts = ["localhost", "127.0.0.1", "[::1]"].map(|host| format!("{host}:{port}"));
        Self { hosts, path: path.to_owned(), flow, give: Mutex::new(Some(give)) }
    }

    /// The answer in a request, if it is one to this sign-in.
    async fn read(&self, request: Request<Incoming>) -> Result<AuthorizationResponse, TurnedAway> {
        // A page elsewhere whose name was made to lead here (DNS rebinding) still says its own name.
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        if !self.hosts.iter().any(|own| own.eq_ignore_ascii_case(host)) {
            return Err(TurnedAway::Misdirected);
        }
        if request.uri().path() != self.path {
            return Err(TurnedAway::NotFound);
        }
        let form = match *request.method() {
            Method::GET => request.uri().query().unwrap_or_default().to_owned(),
            Method::POST => {
                let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
                let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
                if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
                    return Err(TurnedAway::NotAForm);
                }
                let body = Limited::new(request.into_body(), BODY_LIMIT).collect();
                let body = tokio::time::timeout(BODY_TIME_LIMIT, body).await;
                let body = body.ok().and_then(Result::ok).ok_or(TurnedAway::NotAnAnswer)?;
                String::from_utf8(body.to_bytes().to_vec()).map_err(|_| TurnedAway::NotAnAnswer)?
            }
            _ => return Err(TurnedAway::WrongMethod),
        };
        let response = AuthorizationResponse::parse(&form).map_err(|_| TurnedAway::NotAnAnswer)?;
        if !self.flow.is_answered_by(&response) {
            tracing::warn!("an answer to another sign-in came to the loopback port; it was turned away");
            return Err(TurnedAway::NotAnAnswer);
        }
        Ok(response)
    }

    /// Hands the answer over; the first one only.
    fn hand_over(
        &self,
        response: AuthorizationResponse,
        connection: &Shown,
    ) -> Result<oneshot::Receiver<Outcome>, TurnedAway> {
        let give = self.give.lock().unwrap_or_else(PoisonError::into_inner).take();
        let give = give.ok_or(TurnedAway::Answered)?;
        let (outcome, result) = oneshot::channel();
        let (lit, shown) = oneshot::channel();
        *connection.lock().unwrap_or_else(PoisonError::into_inner) = Some(lit);
        give.send(Arrived { response, outcome, shown }).map_err(|_| TurnedAway::Answered)?;
        Ok(result)
    }
}

/// Answers one request.
pub async fn answer(
    desk: Arc<Desk>,
    request: Request<Incoming>,
    connection: Shown,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let taken = desk.read(request).await.and_then(|response| desk.hand_over(response, &connection));
    Ok(match taken {
        Err(why) => pages::turned_away(why),
        // Whoever waited may have gone away; then nobody knows how it ended.
        Ok(result) => pages::outcome(result.await.unwrap_or(Outcome::Failed)),
    })
}
