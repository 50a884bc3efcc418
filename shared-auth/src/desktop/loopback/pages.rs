//! What the browser shows at the end. No page repeats anything of the request, so there is nothing to inject, and
//! nothing of a code or token that could be read off a screen.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use hyper::{Response, StatusCode};

use crate::error::Error;

/// How a sign-in went, as far as the browser is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    SignedIn,
    Declined,
    Failed,
}

impl Outcome {
    /// The reason stands in the program, where it can be read in full.
    pub fn of<T>(outcome: &Result<T, Error>) -> Self {
        match outcome {
            Ok(_) => Outcome::SignedIn,
            Err(error) if error.is_declined() => Outcome::Declined,
            Err(_) => Outcome::Failed,
        }
    }
}

/// Why a request is not the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TurnedAway {
    Misdirected,
    NotFound,
    WrongMethod,
    NotAForm,
    NotAnAnswer,
    Answered,
}

/// The last page of a sign-in.
pub fn outcome(outcome: Outcome) -> Response<Full<Bytes>> {
    let (status, mark, title, text) = match outcome {
        Outcome::SignedIn => (
            StatusCode::OK,
            "ok",
            "You are signed in",
            "Go back to the program; it goes on by itself. You can close this window.",
        ),
        Outcome::Declined => (
            StatusCode::FORBIDDEN,
            "no",
            "You were not signed in",
            "The sign-in was cancelled or a permission was declined. Nothing was stored. You can close this window and \
             start again in the program.",
        ),
        Outcome::Failed => (
            StatusCode::BAD_REQUEST,
            "no",
            "The sign-in did not work",
            "The program says why, and what helps. You can close this window.",
        ),
    };
    page(status, mark, title, text)
}

/// The page for whatever is not the answer. The sign-in goes on.
pub fn turned_away(why: TurnedAway) -> Response<Full<Bytes>> {
    let status = match why {
        TurnedAway::Misdirected => StatusCode::MISDIRECTED_REQUEST,
        TurnedAway::NotFound => StatusCode::NOT_FOUND,
        TurnedAway::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
        TurnedAway::NotAForm => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        TurnedAway::NotAnAnswer => StatusCode::BAD_REQUEST,
        TurnedAway::Answered => StatusCode::GONE,
    };
    let text = match why {
        TurnedAway::Answered => "This sign-in was answered before. You can close this window.",
        _ => "No sign-in waits for this. If you came from a sign-in page, start again in the program.",
    };
    let mut response = page(status, "no", "Nothing to do here", text);
    if why == TurnedAway::WrongMethod {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, POST"));
    }
    response
}

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;background:#f5f5f5;color:#242424;margin:0;\
display:grid;place-items:center;min-height:100vh}main{background:#fff;border-radius:8px;padding:2rem 2.5rem;\
max-width:28rem;box-shadow:0 1px 4px #0003;border-top:4px solid #c50f1f}main.ok{border-top-color:#0f7b0f}\
h1{font-size:1.4rem;margin:0 0 .5rem}p{margin:0}\
@media(prefers-color-scheme:dark){body{background:#1f1f1f;color:#eee}main{background:#2b2b2b}}";

fn page(status: StatusCode, mark: &str, title: &str, text: &str) -> Response<Full<Bytes>> {
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <main class=\"{mark}\" id=\"outcome\">\n<h1>{title}</h1>\n<p>{text}</p>\n</main>\n</body>\n</html>\n"
    );
    // This one style and nothing else: no script, no picture, no form, no frame.
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        STANDARD.encode(digest(&SHA256, STYLE.as_bytes()))
    );
    let mut response = Response::new(Full::new(Bytes::from(html)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let fixed = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (CONNECTION, "close"),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}
