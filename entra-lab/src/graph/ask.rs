//! One request to Graph, whether it came over the wire or inside a `$batch`.

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::web::Bytes;
use serde::de::DeserializeOwned;

use crate::graph::errors::GraphError;

/// What is asked: verb, address below `/v1.0`, the headers that matter, and the body.
#[derive(Debug, Clone)]
pub struct Ask {
    pub method: Method,
    /// Segments of the path, decoded.
    pub path: Vec<String>,
    pub query: String,
    /// The `Prefer` header.
    pub prefer: String,
    pub body: Bytes,
}

impl Ask {
    pub fn of(req: &HttpRequest, body: Bytes) -> Self {
        let path = req.path().get("/v1.0".len()..).unwrap_or_default();
        let prefer = req.headers().get("prefer").and_then(|v| v.to_str().ok()).unwrap_or_default();
        Self::new(req.method().clone(), path, req.query_string(), prefer, body)
    }

    pub fn new(method: Method, path: &str, query: &str, prefer: &str, body: Bytes) -> Self {
        // HEAD is GET; the server leaves the body away.
        let method = if method == Method::HEAD { Method::GET } else { method };
        let path = path.strip_prefix('/').unwrap_or(path).split('/').map(decoded).collect();
        Self { method, path, query: query.to_owned(), prefer: prefer.to_owned(), body }
    }

    /// The body as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, GraphError> {
        serde_json::from_slice(&self.body)
            .map_err(|error| GraphError::bad_request(format!("The body is not what belongs here: {error}.")))
    }

    /// Whether the request prefers this.
    pub fn prefers(&self, what: &str) -> bool {
        self.prefer.split([',', ';']).any(|p| p.trim().eq_ignore_ascii_case(what))
    }
}

/// Percent-decodes one segment (RFC 3986 2.1). What is no valid escape stays as it is.
fn decoded(segment: &str) -> String {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let pair = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match pair.filter(|p| first == b'%' && p.bytes().all(|b| b.is_ascii_hexdigit())) {
            Some(pair) => {
                bytes.push(u8::from_str_radix(pair, 16).unwrap_or_default());
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
