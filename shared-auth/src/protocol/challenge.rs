//! `WWW-Authenticate` challenges (RFC 9110 §11.6.1, RFC 6750 §3): written by a protected API, read by its client.
//!
//! Entra's APIs and ours tell the caller in this header that the user is needed: `error="insufficient_claims"` with
//! the claims to ask for, or `proposedAction="consent"` with the scopes. Quoted strings are parsed as such: base64
//! ends in `=`, and Graph appends members of its own.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// A `Bearer` challenge.
///
/// ```
/// use shared_auth::Challenge;
///
/// let asked = Challenge::new().with_claims(r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#);
/// let read = Challenge::parse(&format!("Negotiate, {}", asked.to_header()));
/// assert_eq!(read.as_ref(), Some(&asked));
/// assert_eq!(asked.get("error"), Some("insufficient_claims"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Challenge {
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// A bare `Bearer` challenge: no token was sent.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a parameter. What cannot stand in a name or in a quoted string is left out; without a name there is nothing
    /// to add.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        let name: String = name.chars().filter(|c| is_token(*c)).collect();
        let value = value.chars().filter(|c| (' '..='~').contains(c)).collect();
        if !name.is_empty() {
            self.parameters.push((name, value));
        }
        self
    }

    /// Adds `error="insufficient_claims"` and the claims in base64url.
    #[must_use]
    pub fn with_claims(self, claims: &str) -> Self {
        self.with("error", "insufficient_claims").with("claims", &URL_SAFE_NO_PAD.encode(claims))
    }

    /// The value of a parameter; names have no case.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The claims that the next authorization request must carry, as JSON text. Either base64 alphabet is understood.
    pub fn claims(&self) -> Option<String> {
        let text: String = self.get("claims")?.trim_end_matches('=').replace('+', "-").replace('/', "_");
        let json = URL_SAFE_NO_PAD.decode(&text).or_else(|_| STANDARD_NO_PAD.decode(&text)).ok()?;
        let json = String::from_utf8(json).ok()?;
        serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&json).is_ok().then_some(json)
    }

    /// True where the API says that someone has to consent.
    pub fn asks_for_consent(&self) -> bool {
        self.get("proposedAction").is_some_and(|action| action.eq_ignore_ascii_case("consent"))
    }

    /// The header's value.
    pub fn to_header(&self) -> String {
        let quoted = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"");
        let parameters: Vec<String> =
            self.parameters.iter().map(|(name, value)| format!("{name}=\"{}\"", quoted(value))).collect();
        if parameters.is_empty() { "Bearer".to_owned() } else { format!("Bearer {}", parameters.join(", ")) }
    }

    /// Finds the `Bearer` challenge in a header's value, which may name several schemes.
    pub fn parse(header: &str) -> Option<Self> {
        let mut rest = header;
        loop {
            let (scheme, after) = token(rest.trim_start_matches([' ', '\t', ',']))?;
            let (parameters, after) = parameters(without_token68(after));
            if scheme.eq_ignore_ascii_case("bearer") {
                return Some(Self { parameters });
            }
            rest = after;
        }
    }
}

/// What follows credentials of the form `token68` (RFC 9110 §11.2), in which `Negotiate` and its like have slashes.
fn without_token68(after_scheme: &str) -> &str {
    let text = after_scheme.trim_start_matches(' ');
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "-._~+/".contains(c))).unwrap_or(text.len());
    let rest = text[end..].trim_start_matches('=');
    let alone = matches!(rest.trim_start_matches([' ', '\t']).chars().next(), None | Some(','));
    if end > 0 && text.len() < after_scheme.len() && alone { rest } else { after_scheme }
}

/// The parameters after a scheme, up to the next scheme or the end.
fn parameters(mut rest: &str) -> (Vec<(String, String)>, &str) {
    let mut found = Vec::new();
    loop {
        let start = rest.trim_start_matches([' ', '\t', ',']);
        let Some((name, after)) = token(start) else { return (found, "") };
        let Some(value) = after.trim_start().strip_prefix('=') else { return (found, start) };
        let value = value.trim_start();
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => quoted_string(quoted),
            None => {
                let end = value.find([',', ' ', '\t']).unwrap_or(value.len());
                (value[..end].to_owned(), &value[end..])
            }
        };
        // A header cannot hold line breaks, but what is parsed here may be written again.
        found.push((name.to_owned(), value.replace(char::is_control, "")));
        rest = after;
    }
}

/// A token of RFC 9110 §5.6.2, and what follows it.
fn token(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !is_token(c)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-_.!#$%&'*+^`|~".contains(c)
}

/// The inside of a quoted string whose opening quote is gone; an unclosed one reaches to the end.
fn quoted_string(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &text[at + 1..]),
            '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
            _ => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_the_challenge_that_graph_sends() {
        let header = concat!(
            r#"Basic realm="x", Bearer realm="", authorization_uri=https://login.example/authorize, "#,
            r#"error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOnt9fQ==", errorDescription="a, \"b\" = c""#
        );

        let challenge = Challenge::parse(header).unwrap();

        assert_eq!(challenge.get("error"), Some("insufficient_claims"));
        assert_eq!(challenge.claims().as_deref(), Some(r#"{"access_token":{}}"#));
        assert_eq!(challenge.get("errordescription"), Some(r#"a, "b" = c"#));
        assert_eq!(challenge.get("authorization_uri"), Some("https://login.example/authorize"));
    }

    #[test]
    fn claims_that_are_not_a_json_object_are_no_claims() {
        for claims in ["", "%%", "bnVsbA", "W10"] {
            assert_eq!(Challenge::new().with("claims", claims).claims(), None, "{claims}");
        }
    }

    #[test]
    fn a_value_cannot_break_out_of_the_header() {
        let header = Challenge::new().with("error_description", "a\"\r\nSet-Cookie: x\\").to_header();

        assert_eq!(header, r#"Bearer error_description="a\"Set-Cookie: x\\""#);
    }

    #[test]
    fn a_name_cannot_break_out_of_the_header_either() {
        let challenge = Challenge::new().with("x=\"\r\nSet-Cookie: a", "1").with("\r\n", "2");

        assert_eq!(challenge.to_header(), r#"Bearer xSet-Cookiea="1""#);
        assert_eq!(Challenge::parse("Bearer a=\"x\r\ny\"").unwrap().to_header(), r#"Bearer a="xy""#);
    }

    #[test]
    fn the_challenge_is_found_behind_another_scheme_with_credentials_of_its_own() {
        for other in
            ["Negotiate", "Negotiate oRQ/wA==", "NTLM TlRM+TVNT/UAAB", "Basic, Digest a=b", "Negotiate a/b=="]
        {
            let challenge = Challenge::parse(&format!("{other}, Bearer error=\"invalid_token\""));

            assert_eq!(challenge.unwrap().get("error"), Some("invalid_token"), "{other}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(header in "\\PC{0,200}") {
            let _ = Challenge::parse(&header).map(|challenge| challenge.claims());
        }

        #[test]
        fn what_is_written_is_read(value in "[ -~]{0,40}") {
            let challenge = Challenge::new().with("error", &value).with("scopes", &value);
            prop_assert_eq!(Challenge::parse(&challenge.to_header()), Some(challenge));
        }
    }
}
