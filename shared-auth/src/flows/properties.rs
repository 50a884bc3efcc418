//! What holds of a sign-in's answer: the redirect, `client_info`, and the flow that waited in the session.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::authorization_code::{AuthCodeFlow, AuthorizationResponse};
use crate::properties::{text, two};
use crate::protocol::client_info::ClientInfo;

/// A redirect, a `client_info` and a kept flow, each made of the same bytes.
pub fn sign_in(data: &[u8]) {
    let form = text(data);
    let _ = AuthorizationResponse::parse(&form).map(|response| format!("{response:?}"));
    let (code, state) = two(data);
    let (code, state) = (text(code), text(state));
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("code", &code).append_pair("state", &state).append_pair("session_state", "s");
    let parsed = AuthorizationResponse::parse(&form.finish());
    assert_eq!(parsed.is_ok(), !code.is_empty() && !state.is_empty());

    client_info(&text(data));
    client_info(&URL_SAFE_NO_PAD.encode(data));
    let made = URL_SAFE_NO_PAD.encode(json!({"uid": code, "utid": state}).to_string());
    let read = ClientInfo::decode(&made).map(|info| (info.uid, info.utid));
    let whole = !code.is_empty() && !state.is_empty();
    assert_eq!(read, whole.then(|| (code.clone().into_owned(), state.clone().into_owned())));

    if let Ok(flow) = serde_json::from_slice::<AuthCodeFlow>(data) {
        let again = serde_json::to_value(&flow).and_then(serde_json::from_value::<AuthCodeFlow>);
        let all = |flow: &AuthCodeFlow| serde_json::to_string(flow).unwrap_or_default();
        assert_eq!(again.map(|again| all(&again)).ok(), Some(all(&flow)));
        if let Ok(response) = parsed {
            let _ = flow.is_answered_by(&response);
        }
    }
}

/// Whose tokens these are is never nobody.
fn client_info(text: &str) {
    if let Some(info) = ClientInfo::decode(text) {
        assert!(!info.uid.is_empty() && !info.utid.is_empty());
        let json = json!({"uid": info.uid, "utid": info.utid}).to_string();
        assert_eq!(ClientInfo::decode(&URL_SAFE_NO_PAD.encode(json)), Some(info));
    }
}
