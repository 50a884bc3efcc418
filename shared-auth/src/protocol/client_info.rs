//! `client_info`: who the user is at home. Entra sends it beside the tokens when asked with `client_info=1`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

/// The user's ids in the home tenant; for a guest they differ from `oid` and `tid` of the ID token.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ClientInfo {
    /// Object id at home.
    pub uid: String,
    /// Tenant id of the home.
    pub utid: String,
}

impl ClientInfo {
    /// Reads the base64url JSON; padding is tolerated. `None` where it is anything else.
    pub fn decode(text: &str) -> Option<Self> {
        let json = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?;
        // Without ids everybody would be the same user.
        serde_json::from_slice(&json).ok().filter(|info: &Self| !info.uid.is_empty() && !info.utid.is_empty())
    }

    /// `{uid}.{utid}`, the key under which every MSAL files a user.
    pub fn home_account_id(&self) -> String {
        format!("{}.{}", self.uid, self.utid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_entra_sends() {
        let text = URL_SAFE_NO_PAD.encode(r#"{"uid":"u","utid":"t"}"#);

        assert_eq!(ClientInfo::decode(&text).map(|info| info.home_account_id()), Some("u.t".to_owned()));
    }

    #[test]
    fn refuses_garbage() {
        for text in
            ["", "%%%", "e30", "bnVsbA", "eyJ1aWQiOiIiLCJ1dGlkIjoiIn0", "eyJ1aWQiOiJ1IiwidXRpZCI6IiJ9"]
        {
            assert_eq!(ClientInfo::decode(text), None, "{text}");
        }
    }
}
