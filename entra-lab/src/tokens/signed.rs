//! The compact form of a token: its header and its signature (RFC 7515 7.1).
//!
//! A token for Graph has a `nonce` in its header, and it is the nonce's hash that was signed: nobody but Graph can check
//! the token, and an API that was sent it by mistake finds the signature wrong.

use std::borrow::Cow;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::directory::{GRAPH, GRAPH_URI};
use crate::errors::GRANT_INVALID;
use crate::keys::SigningKey;
use crate::random;
use crate::refusal::Refusal;
use crate::scan;

#[derive(Serialize, Deserialize)]
struct Header<'h> {
    #[serde(borrow)]
    typ: Cow<'h, str>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    nonce: Option<Cow<'h, str>>,
    #[serde(borrow)]
    alg: Cow<'h, str>,
    /// Version 1 headers carry the thumbprint a second time.
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    x5t: Option<Cow<'h, str>>,
    #[serde(borrow)]
    kid: Cow<'h, str>,
}

/// Signs a claim set in the format of this version.
pub fn sign(key: &SigningKey, claims: &Map<String, Value>, version: u8) -> Result<String, Refusal> {
    let nonce = is_for_graph(claims).then(|| random::handle(2));
    let header = |nonce: Option<String>| {
        encoded(&Header {
            typ: "JWT".into(),
            nonce: nonce.map(Cow::Owned),
            alg: "RS256".into(),
            x5t: (version != 2).then(|| key.kid.as_str().into()),
            kid: key.kid.as_str().into(),
        })
    };
    let payload = encoded(claims)?;
    let signed = format!("{}.{payload}", header(nonce.as_deref().map(hashed))?);
    let signature = key.sign(signed.as_bytes()).map_err(|error| refused(&error))?;
    let token = format!("{}.{payload}.{}", header(nonce)?, URL_SAFE_NO_PAD.encode(signature));
    scan::secret(&token);
    Ok(token)
}

/// The token as it was signed, which is what its signature can be held against.
pub fn as_signed(token: &str) -> Cow<'_, str> {
    let before_the_hash = || {
        let (first, rest) = token.split_once('.')?;
        let bytes = URL_SAFE_NO_PAD.decode(first).ok()?;
        let mut header: Header<'_> = serde_json::from_slice(&bytes).ok()?;
        header.nonce = Some(hashed(&header.nonce?).into());
        Some(format!("{}.{rest}", encoded(&header).ok()?))
    };
    before_the_hash().map_or(Cow::Borrowed(token), Cow::Owned)
}

fn is_for_graph(claims: &Map<String, Value>) -> bool {
    let audience = claims.get("aud").and_then(Value::as_str).unwrap_or_default().trim_end_matches('/');
    audience.eq_ignore_ascii_case(GRAPH_URI) || audience.eq_ignore_ascii_case(&GRAPH.to_string())
}

fn hashed(nonce: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, nonce.as_bytes()))
}

fn encoded(part: &impl Serialize) -> Result<String, Refusal> {
    serde_json::to_vec(part).map(|json| URL_SAFE_NO_PAD.encode(json)).map_err(|error| refused(&error))
}

fn refused(error: &dyn std::fmt::Display) -> Refusal {
    tracing::error!(%error, "a token could not be signed");
    GRANT_INVALID.into()
}
