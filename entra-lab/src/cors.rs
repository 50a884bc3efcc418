//! What browsers are told about requests from pages of other origins (CORS, Fetch standard 3.2).
//!
//! The token endpoint answers pages, and `grants/cross_origin` decides which of them get anything; a request that a
//! browser asks about beforehand is let through for the origins of registered single-page applications only. Graph
//! answers everybody who has a token, as the discovery documents answer everybody.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap,
    HeaderValue, ORIGIN,
};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse, web};

use crate::redirect_uri::is_origin_of_spa;
use crate::state::LabState;

/// What a part of the lab allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Token,
    Documents,
    Graph,
}

impl Part {
    fn of(path: &str) -> Option<Self> {
        let ends = |end: &str| path.ends_with(end);
        if ends("/oauth2/v2.0/token") || ends("/oauth2/token") {
            Some(Self::Token)
        } else if path.starts_with("/v1.0/") || path == "/oidc/userinfo" {
            Some(Self::Graph)
        } else if ends("/openid-configuration")
            || ends("/discovery/instance")
            || ends("/discovery/keys")
            || ends("/discovery/v2.0/keys")
        {
            Some(Self::Documents)
        } else {
            None
        }
    }

    fn methods(self) -> &'static str {
        match self {
            Self::Token => "POST, OPTIONS",
            Self::Documents => "GET, OPTIONS",
            Self::Graph => "GET, POST, PATCH, PUT, DELETE, OPTIONS",
        }
    }

    /// Headers that a page may read.
    fn exposed(self) -> &'static str {
        match self {
            Self::Token => "Content-Length,Content-Encoding,x-ms-request-id,x-ms-srs",
            Self::Documents => "x-ms-request-id",
            Self::Graph => {
                "ETag, Location, Preference-Applied, Content-Range, request-id, client-request-id, \
                 ReadWriteConsistencyToken, SdkVersion, WWW-Authenticate, x-ms-client-gcc-tenant, Retry-After"
            }
        }
    }
}

/// Middleware around everything that pages of other origins may ask for.
pub async fn cors<B: MessageBody + 'static>(
    state: web::Data<LabState>,
    req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some((part, origin)) = Part::of(req.path()).zip(req.headers().get(ORIGIN).cloned()) else {
        return Ok(next.call(req).await?.map_into_boxed_body());
    };
    let asks_beforehand =
        req.method() == Method::OPTIONS && req.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    if asks_beforehand {
        let mut response = HttpResponse::Ok().finish();
        if part != Part::Token || is_some_spas(&state, &origin) {
            let wanted = req.headers().get(ACCESS_CONTROL_REQUEST_HEADERS).cloned();
            allow(response.headers_mut(), part);
            if let Some(names) = wanted {
                response.headers_mut().insert(ACCESS_CONTROL_ALLOW_HEADERS, names);
            }
        }
        return Ok(req.into_response(response));
    }
    let mut response = next.call(req).await?.map_into_boxed_body();
    allow(response.headers_mut(), part);
    Ok(response)
}

fn allow(headers: &mut HeaderMap, part: Part) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(part.methods()));
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(part.exposed()));
}

fn is_some_spas(state: &LabState, origin: &HeaderValue) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    state.directory().tenants.iter().flat_map(|t| &t.apps).any(|app| is_origin_of_spa(app, origin))
}
