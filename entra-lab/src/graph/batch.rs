//! `POST /$batch`: up to twenty requests in one, each with its own answer; some may wait for others.
//!
//! Every part goes through the same route table with the bearer token of the whole.

use std::collections::HashMap;

use actix_web::HttpResponse;
use actix_web::body::MessageBody;
use actix_web::http::Method;
use actix_web::web::Bytes;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::graph::ask::Ask;
use crate::graph::call::{self, Call};
use crate::graph::caller::Caller;
use crate::graph::errors::GraphError;

const MOST: usize = 20;

#[derive(Deserialize)]
struct Whole {
    requests: Vec<Part>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    id: String,
    method: String,
    url: String,
    #[serde(default)]
    headers: HashMap<String, String>,
    body: Option<Value>,
    #[serde(default)]
    depends_on: Vec<String>,
}

/// All of them, in order.
pub fn batch(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    // Without a good token there is one refusal, not twenty.
    Caller::of(call)?;
    let whole: Whole = call.ask.json()?;
    if whole.requests.is_empty() || whole.requests.len() > MOST {
        return Err(GraphError::bad_request(format!("A batch has 1 to {MOST} requests.")));
    }
    let mut statuses: HashMap<String, u16> = HashMap::new();
    let mut responses = Vec::new();
    for part in whole.requests {
        if statuses.contains_key(&part.id) {
            return Err(GraphError::bad_request("Two requests of the batch have the same id."));
        }
        let mut failed = false;
        for earlier in &part.depends_on {
            let status = statuses.get(earlier).ok_or_else(|| {
                GraphError::bad_request(
                    "A request of the batch depends on one that does not stand before it.",
                )
            })?;
            failed |= *status >= 400;
        }
        let (status, headers, body) = if failed {
            let message = "A request that this one depends on has failed.";
            (424, Map::new(), json!({ "error": { "code": "FailedDependency", "message": message } }))
        } else {
            answer(call, &part)?
        };
        statuses.insert(part.id.clone(), status);
        responses.push(json!({ "id": part.id, "status": status, "headers": headers, "body": body }));
    }
    Ok(call.json(&json!({ "responses": responses })))
}

fn answer(call: &Call<'_>, part: &Part) -> Result<(u16, Map<String, Value>, Value), GraphError> {
    let method = Method::from_bytes(part.method.to_ascii_uppercase().as_bytes())
        .map_err(|_| GraphError::bad_request("A request of the batch has no valid method."))?;
    // Relative to the version, says the documentation; the SDK for Python sends whole addresses.
    let url = part.url.strip_prefix(&call.base_url()).unwrap_or(&part.url);
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    let path = path.strip_prefix("/v1.0").unwrap_or(path);
    if path.trim_matches('/').eq_ignore_ascii_case("$batch") {
        return Err(GraphError::bad_request("A batch does not stand in a batch."));
    }
    let header = |name: &str| part.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v);
    if part.body.is_some() && header("content-type").is_none() {
        return Err(GraphError::bad_request("A request of the batch has a body without a Content-Type."));
    }
    let body = part.body.as_ref().map(Value::to_string).unwrap_or_default();
    let prefer = header("prefer").map(String::as_str).unwrap_or_default();
    let ask = Ask::new(method, path, query, prefer, Bytes::from(body));
    let response = call::answer(call.req, call.state, &ask, |part| part.dispatch());

    let status = response.status().as_u16();
    let wanted = ["content-type", "retry-after", "location", "etag", "www-authenticate"];
    let headers: Map<String, Value> = response
        .headers()
        .iter()
        .filter(|(name, _)| wanted.contains(&name.as_str()))
        .filter_map(|(name, value)| Some((titled(name.as_str()), json!(value.to_str().ok()?))))
        .collect();
    // All answers of the lab's Graph are whole in memory.
    let bytes = response.into_body().try_into_bytes().unwrap_or_default();
    let body = match serde_json::from_slice(&bytes) {
        Ok(json) => json,
        Err(_) if bytes.is_empty() => Value::Null,
        // A photo travels as base64.
        Err(_) => json!(STANDARD.encode(&bytes)),
    };
    Ok((status, headers, body))
}

/// `content-type` as Graph writes it in a batch: `Content-Type`.
fn titled(name: &str) -> String {
    let word = |part: &str| {
        let (first, rest) = part.split_at(part.len().min(1));
        format!("{}{rest}", first.to_ascii_uppercase())
    };
    name.split('-').map(word).collect::<Vec<_>>().join("-")
}
