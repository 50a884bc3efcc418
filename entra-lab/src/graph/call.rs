//! One call of Graph: its ids, the address it came to, and the headers and bodies of its answer.
//!
//! Every answer carries `request-id` and `client-request-id`; an error repeats both in its body.
//! Graph's Strict-Transport-Security is left out on purpose: it would pin `localhost` to HTTPS in
//! the browser and lock out everything else that runs there.

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use uuid::Uuid;

use crate::directory::GRAPH;
use crate::graph::ask::Ask;
use crate::graph::entity::Entity;
use crate::graph::errors::GraphError;
use crate::graph::routes::{self, Parts};
use crate::recorder::note;
use crate::state::LabState;

const JSON: &str =
    "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8";
/// Where the answer was made; clients log it, nobody interprets it.
const DIAGNOSTIC: &str = r#"{"ServerInfo":{"DataCenter":"Local","Slice":"E","Ring":"1","ScaleUnit":"000","RoleInstance":"ENTRALAB"}}"#;

#[derive(Serialize)]
struct Body<'a> {
    error: Inner<'a>,
}

#[derive(Serialize)]
struct Inner<'a> {
    code: &'static str,
    message: &'a str,
    #[serde(rename = "innerError")]
    details: Entity,
}

/// A call on its way through a handler.
pub struct Call<'a> {
    pub req: &'a HttpRequest,
    pub state: &'a LabState,
    pub ask: &'a Ask,
    /// What the path names.
    parts: Parts,
    request_id: Uuid,
    client_request_id: Uuid,
}

/// Runs a handler and finishes its answer.
pub fn answer(
    req: &HttpRequest,
    state: &LabState,
    ask: &Ask,
    handler: impl FnOnce(&mut Call<'_>) -> Result<HttpResponse, GraphError>,
) -> HttpResponse {
    let request_id = Uuid::new_v4();
    let sent = req.headers().get("client-request-id").and_then(|v| v.to_str().ok());
    let client_request_id = sent.and_then(|id| Uuid::try_parse(id.trim()).ok()).unwrap_or(request_id);
    note(req, |n| n.correlation_id = Some(client_request_id));
    let mut call = Call { req, state, ask, parts: Parts::new(), request_id, client_request_id };
    let mut response = handler(&mut call).unwrap_or_else(|error| call.refusal(&error));
    call.finish(response.headers_mut());
    response
}

impl Call<'_> {
    /// Looks the request up in the route table and answers it.
    pub fn dispatch(&mut self) -> Result<HttpResponse, GraphError> {
        let (handler, parts) = routes::find(&self.ask.method, &self.ask.path)?;
        self.parts = parts;
        handler(self)
    }

    /// Where this call came to, so that links in the answer lead back the same way. In a container
    /// network that is another name than the browser's.
    pub fn base_url(&self) -> String {
        let host = self.req.headers().get(header::HOST).and_then(|h| h.to_str().ok()).unwrap_or_default();
        let scheme = if self.req.app_config().secure() { "https" } else { "http" };
        let base = format!("{scheme}://{}", host.to_ascii_lowercase());
        // Only a plain host with a port may be repeated.
        let plain = !host.is_empty()
            && !host.contains(['/', '@', '?', '#', '\\'])
            && url::Url::parse(&base).is_ok_and(|u| u.has_host());
        if plain { base } else { self.state.base_url(self.req) }
    }

    /// `@odata.context` of an answer; `what` stands behind `$metadata#`.
    pub fn context(&self, what: &str) -> String {
        format!("{}/v1.0/$metadata#{what}", self.base_url())
    }

    /// A part of the path, decoded; empty if there is none with this name.
    pub fn path_part(&self, name: &str) -> &str {
        self.parts.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    }

    pub fn json(&self, body: &impl Serialize) -> HttpResponse {
        HttpResponse::Ok().content_type(JSON).body(serde_json::to_vec(body).unwrap_or_default())
    }

    /// 201 with what was made.
    pub fn created(&self, body: &impl Serialize) -> HttpResponse {
        HttpResponse::Created().content_type(JSON).body(serde_json::to_vec(body).unwrap_or_default())
    }

    fn refusal(&self, error: &GraphError) -> HttpResponse {
        let mut response = HttpResponse::build(error.status);
        if error.status == StatusCode::UNAUTHORIZED {
            let authorize = format!("{}/common/oauth2/v2.0/authorize", self.state.base_url(self.req));
            let mut challenge =
                format!(r#"Bearer realm="", authorization_uri="{authorize}", client_id="{GRAPH}""#);
            if let Some(claims) = &error.claims {
                let encoded = STANDARD.encode(claims);
                challenge += &format!(
                    r#", error="insufficient_claims", claims="{encoded}", errorDescription="{}""#,
                    error.message
                );
            }
            response.insert_header((header::WWW_AUTHENTICATE, challenge));
        }
        if error.status == StatusCode::METHOD_NOT_ALLOWED {
            response.insert_header((header::ALLOW, error.allow.as_str()));
        }
        let details = Entity::default()
            // Graph's times in errors have no zone.
            .with("date", self.state.clock.now().strftime("%Y-%m-%dT%H:%M:%S").to_string())
            .with("request-id", self.request_id.to_string())
            .with("client-request-id", self.client_request_id.to_string());
        let body = Body { error: Inner { code: error.code, message: &error.message, details } };
        response.content_type(JSON).body(serde_json::to_vec(&body).unwrap_or_default())
    }

    fn finish(&self, headers: &mut HeaderMap) {
        let mut put = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        put("request-id", &self.request_id.to_string());
        put("client-request-id", &self.client_request_id.to_string());
        put("x-ms-ags-diagnostic", DIAGNOSTIC);
        put("odata-version", "4.0");
        put("x-content-type-options", "nosniff");
        if !headers.contains_key(header::CACHE_CONTROL) {
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        }
    }
}
