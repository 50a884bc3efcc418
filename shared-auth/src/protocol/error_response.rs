//! The error body of the token endpoint (RFC 6749 §5.2) with what Entra adds to it.

use serde::Deserialize;

/// An OAuth error answer, field by field. Only `error` is always there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct ErrorResponse {
    /// The OAuth error word: `invalid_grant`, `invalid_client`, …
    pub error: String,
    /// Prose that starts with `AADSTS<code>:`. For people; nothing decides by it.
    #[serde(default)]
    pub error_description: String,
    /// The AADSTS numbers.
    #[serde(default)]
    pub error_codes: Vec<u32>,
    /// What kind of action helps: `basic_action`, `consent_required`, …
    pub suberror: Option<String>,
    /// A claims challenge to be passed to the next `/authorize`, as JSON text.
    pub claims: Option<String>,
    /// Entra's id of this request.
    pub trace_id: Option<String>,
    /// The id that both sides log.
    pub correlation_id: Option<String>,
    /// When Entra refused, `yyyy-MM-dd HH:mm:ssZ`.
    pub timestamp: Option<String>,
}

impl ErrorResponse {
    /// Reads the body; `None` where it is not an OAuth error. The words go to logs, so they are cleaned and cut; claims
    /// go back to Entra as they came.
    pub fn parse(body: &[u8]) -> Option<Self> {
        const CODES: usize = 16;
        let mut answer: Self = serde_json::from_slice(body).ok()?;
        answer.error = word(&answer.error);
        for id in
            [&mut answer.suberror, &mut answer.trace_id, &mut answer.correlation_id, &mut answer.timestamp]
        {
            *id = id.as_deref().map(word);
        }
        answer.error_codes.truncate(CODES);
        (!answer.error.is_empty()).then_some(answer)
    }

    /// True where only the user can continue: a page at Entra must be shown.
    ///
    /// `invalid_grant` counts but for the cases in which a page would not change anything: an assertion or a code
    /// that Entra could not use is the program's fault, not the user's.
    pub fn needs_the_user(&self) -> bool {
        const NOT_THE_USERS_FAULT: [u32; 9] =
            [50013, 500131, 500133, 240002, 7000114, 54005, 501481, 50196, 9002313];
        match self.error.as_str() {
            "interaction_required" | "login_required" | "consent_required" => true,
            "invalid_grant" => !self.error_codes.iter().any(|code| NOT_THE_USERS_FAULT.contains(code)),
            _ => false,
        }
    }

    /// True where the refresh token itself is dead, so that keeping it would only repeat the refusal.
    pub fn ends_the_refresh_token(&self) -> bool {
        const DEAD: [u32; 6] = [50173, 70008, 70043, 700082, 700084, 9002313];
        self.error == "invalid_grant"
            && (self.error_codes.iter().any(|code| DEAD.contains(code))
                || matches!(self.suberror.as_deref(), Some("bad_token" | "token_expired")))
    }

    /// True where a device is to ask again later (RFC 8628 §3.5).
    pub fn is_still_waiting(&self) -> bool {
        matches!(self.error.as_str(), "authorization_pending" | "slow_down")
    }

    /// The first sentence of the description, without the trailer of ids and without control characters.
    pub fn summary(&self) -> String {
        let text = self.error_description.split("\r\n").next().unwrap_or_default();
        let text = text.split(" Trace ID:").next().unwrap_or_default();
        text.chars().filter(|c| !c.is_control()).take(500).collect()
    }
}

/// Longer than any word or id that Entra sends.
fn word(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(error: &str, code: u32) -> ErrorResponse {
        ErrorResponse { error: error.to_owned(), error_codes: vec![code], ..ErrorResponse::default() }
    }

    #[test]
    fn consent_and_mfa_need_the_user_but_a_broken_assertion_does_not() {
        assert!(refused("invalid_grant", 65001).needs_the_user());
        assert!(refused("interaction_required", 50076).needs_the_user());
        assert!(!refused("invalid_grant", 500133).needs_the_user());
        assert!(!refused("invalid_client", 7000215).needs_the_user());
    }

    /// Checklist 143.
    #[test]
    fn the_summary_leaves_out_ids_and_control_characters() {
        let answer = ErrorResponse {
            error_description: "AADSTS65001: no\u{7} consent.\r\nTrace ID: x\r\nCorrelation ID: y".to_owned(),
            ..ErrorResponse::default()
        };

        assert_eq!(answer.summary(), "AADSTS65001: no consent.");
    }

    #[test]
    fn words_are_one_short_line() {
        let long = "9,".repeat(5_000);
        let body = format!(
            r#"{{"error":"no\r\nadmin signed in","suberror":"\u001b[31m","correlation_id":"{}","error_codes":[{long}7]}}"#,
            "c".repeat(5_000)
        );

        let answer = ErrorResponse::parse(body.as_bytes()).unwrap();

        assert_eq!(answer.error, "noadmin signed in");
        assert_eq!(answer.suberror.as_deref(), Some("[31m"));
        assert!(answer.correlation_id.unwrap().len() < 300 && answer.error_codes.len() < 20);
        assert_eq!(ErrorResponse::parse(br#"{"error":"\n"}"#), None);
    }

    #[test]
    fn other_json_is_not_an_oauth_error() {
        for body in
            [&b"{}"[..], b"null", b"[]", b"<html>", b"{\"error\":{\"code\":\"x\"}}", b"{\"error\":\"\"}"]
        {
            assert_eq!(ErrorResponse::parse(body), None);
        }
    }
}
