//! Tokens taken apart and tokens made wrong: what an API's validation is worth shows when it meets one of these.
//!
//! Both are controls of the lab. A decoded token is never logged or kept; its digest tells two apart.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, Validation, decode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::keys;
use crate::state::LabState;
use crate::tokens::signed::{as_signed, sign};

/// A tenant that the lab does not have.
const ELSEWHERE: Uuid = Uuid::from_u128(0xdeadbeef_0000_4000_8000_000000000001);
const MOST_BYTES: usize = 32 * 1024;

type Members = Map<String, Value>;

/// `POST /lab/forge`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// What to start from; without it from no claims at all.
    token: Option<String>,
    /// These claims are put in, `null` takes one out.
    #[serde(default)]
    claims: Map<String, Value>,
    #[serde(default)]
    change: Change,
}

/// What is wrong with the result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Nothing but the claims: the lab signs them.
    #[default]
    None,
    /// One bit of the signature is another.
    BadSignature,
    /// `alg` is `none`, and there is no signature.
    Unsigned,
    /// Signed with a key that is not published, under an id that is.
    WrongKey,
    /// Signed with a key that is not published.
    UnknownKey,
    /// Of a tenant that is not this one.
    OtherTenant,
    /// It has ended an hour ago.
    Expired,
    /// It begins in an hour.
    NotYetValid,
}

/// Makes the token; the error is a sentence.
pub fn forge(state: &LabState, order: Order) -> Result<Value, String> {
    let (header, mut claims) = match &order.token {
        Some(token) => parts(token)?,
        None => (Map::new(), Map::new()),
    };
    for (name, value) in order.claims {
        if value.is_null() {
            claims.remove(&name);
        } else {
            claims.insert(name, value);
        }
    }
    let now = state.clock.seconds();
    let mut times = |from: i64, to: i64| {
        for (name, at) in [("iat", from), ("nbf", from), ("exp", to)] {
            claims.insert(name.to_owned(), json!(at));
        }
    };
    match order.change {
        Change::Expired => times(now - 7200, now - 3600),
        Change::NotYetValid => times(now + 3600, now + 7200),
        Change::OtherTenant => {
            let tenant = claims.get("tid").and_then(Value::as_str).unwrap_or_default().to_owned();
            let issuer = claims.get("iss").and_then(Value::as_str).unwrap_or_default();
            let issuer = issuer.replace(&tenant, &ELSEWHERE.to_string());
            claims.insert("iss".to_owned(), json!(issuer));
            claims.insert("tid".to_owned(), json!(ELSEWHERE));
        }
        _ => {}
    }
    let active = state.keys.active().map_err(|refusal| refusal.sentence())?;
    let version = if claims.get("ver") == Some(&json!("1.0")) { 1 } else { 2 };
    let signed = |key: &keys::SigningKey| sign(key, &claims, version).map_err(|refusal| refusal.sentence());
    let token = match order.change {
        Change::Unsigned => {
            let mut header = header;
            header.insert("alg".to_owned(), json!("none"));
            let encoded = |part: &Map<String, Value>| URL_SAFE_NO_PAD.encode(json!(part).to_string());
            format!("{}.{}.", encoded(&header), encoded(&claims))
        }
        Change::BadSignature => {
            let token = signed(&active)?;
            let (rest, signature) = token.rsplit_once('.').unwrap_or_default();
            let mut bytes = URL_SAFE_NO_PAD.decode(signature).map_err(|error| error.to_string())?;
            if let Some(first) = bytes.first_mut() {
                *first ^= 1;
            }
            format!("{rest}.{}", URL_SAFE_NO_PAD.encode(bytes))
        }
        Change::WrongKey | Change::UnknownKey => {
            let mut key = keys::make().map_err(|error| error.to_string())?;
            if order.change == Change::WrongKey {
                key.kid.clone_from(&active.kid);
            }
            signed(&key)?
        }
        _ => signed(&active)?,
    };
    Ok(json!({ "token": token, "digest": digest_of(&token), "claims": claims }))
}

/// `POST /lab/inspect`: what stands in a token, and what the lab thinks of it.
pub fn inspect(state: &LabState, token: &str) -> Result<Value, String> {
    let (header, claims) = parts(token)?;
    let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default();
    let number = |name: &str| claims.get(name).and_then(Value::as_i64);
    let now = state.clock.seconds();
    let directory = state.directory();
    let app = |id: &str| {
        let id = id.trim_end_matches('/');
        directory.tenants.iter().find_map(|t| t.resource(id)).map(|a| a.name.clone())
    };
    let times = match (number("nbf"), number("exp")) {
        (_, Some(end)) if now >= end => format!("It ended {} s ago.", now - end),
        (Some(start), _) if now < start => format!("It begins in {} s.", start - now),
        (_, Some(end)) => format!("It is good for {} s more.", end - now),
        _ => "It has no end.".to_owned(),
    };
    let kind = match (text("idtyp"), claims.contains_key("azp") || claims.contains_key("appid")) {
        ("app", _) => "An access token of an application, without a user.",
        (_, true) => "An access token of a user.",
        _ => "An ID token: for its client only, never for an API.",
    };
    Ok(json!({
        "digest": digest_of(token),
        "header": header,
        "claims": claims,
        "kind": kind,
        "signature": signature(state, token, &header),
        "lifetime": times,
        "issuer": match state.tenant_of_issuer(text("iss")) {
            Some(tenant) => format!("The lab's tenant {tenant}."),
            None => "Nobody whom the lab knows.".to_owned(),
        },
        "audience": app(text("aud")),
        "client": app(text("azp")).or_else(|| app(text("appid"))),
    }))
}

fn signature(state: &LabState, token: &str, header: &Map<String, Value>) -> &'static str {
    let kid = header.get("kid").and_then(Value::as_str).unwrap_or_default();
    let Some(key) = state.keys.find(kid) else { return "Its key is not one of the lab's published keys." };
    let mut only = Validation::new(Algorithm::RS256);
    only.set_required_spec_claims::<&str>(&[]);
    (only.validate_exp, only.validate_aud) = (false, false);
    match decode::<Map<String, Value>>(&*as_signed(token.trim()), &key.verifying, &only) {
        Ok(_) => "It is the lab's, unchanged.",
        Err(_) => "It is wrong: the token was changed, or another key made it.",
    }
}

/// The same token has the same digest; nobody gets from the digest to the token.
fn digest_of(token: &str) -> String {
    let hash = digest(&SHA256, token.trim().as_bytes());
    hash.as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

fn parts(token: &str) -> Result<(Members, Members), String> {
    let shape = || "This is not a signed token: three parts with dots between them.".to_owned();
    let token = token.trim();
    if token.len() > MOST_BYTES {
        return Err("The token is too long.".to_owned());
    }
    let mut parts = token.split('.');
    let mut next = || -> Result<Members, String> {
        let bytes = URL_SAFE_NO_PAD.decode(parts.next().ok_or_else(shape)?).map_err(|_| shape())?;
        serde_json::from_slice(&bytes).map_err(|_| shape())
    };
    let both = (next()?, next()?);
    if parts.count() == 1 { Ok(both) } else { Err(shape()) }
}

/// The order holds a token.
impl std::fmt::Debug for Order {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Order").field("change", &self.change).finish_non_exhaustive()
    }
}
