//! The `Authorization` header (RFC 9110 §11.6.2, RFC 6750 §2.1): one header, one scheme, one token, or none.

use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, HeaderMap};

use crate::actix::error_response::Answer;
use crate::protocol::challenge::Challenge;

/// Why a request has no token that could be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoToken {
    /// No `Authorization` header, or one of another scheme: ask for a token.
    Missing,
    /// Several headers, or more than a token in it: which one was checked and which one used would be anyone's guess.
    Ambiguous,
}

impl NoToken {
    pub fn reason(self) -> &'static str {
        match self {
            Self::Missing => "it has no bearer token",
            Self::Ambiguous => "its Authorization header is not one scheme and one token",
        }
    }

    /// RFC 6750 §3.1: no error code where no token was sent.
    pub fn answer(self) -> Answer {
        match self {
            Self::Missing => Answer::new(
                StatusCode::UNAUTHORIZED,
                "token_missing",
                "An access token is needed here, in the header \"Authorization: Bearer\".",
            )
            .challenge(Challenge::new()),
            Self::Ambiguous => Answer::new(
                StatusCode::BAD_REQUEST,
                "invalid_request",
                "The Authorization header must be there once, with one scheme and one token.",
            )
            .challenge(Challenge::new().with("error", "invalid_request")),
        }
    }
}

/// The token of the one `Authorization: Bearer` header. Query, body, cookies and other headers are never looked at.
pub(super) fn bearer_token(headers: &HeaderMap) -> Result<&str, NoToken> {
    let mut all = headers.get_all(AUTHORIZATION);
    let header = all.next().ok_or(NoToken::Missing)?;
    if all.next().is_some() {
        return Err(NoToken::Ambiguous);
    }
    let header = std::str::from_utf8(header.as_bytes()).map_err(|_| NoToken::Ambiguous)?.trim_matches(' ');
    let (scheme, token) = header.split_once(' ').unwrap_or((header, ""));
    // RFC 6750 §2.1: `1*SP b64token`.
    let token = token.trim_start_matches(' ');
    match (scheme.eq_ignore_ascii_case("bearer"), is_token(token)) {
        (true, true) => Ok(token),
        (false, _) if header.is_ascii() => Err(NoToken::Missing),
        _ => Err(NoToken::Ambiguous),
    }
}

/// `b64token`. All of it is looked at, good or not: kilobytes are faster without a decision at each byte.
fn is_token(text: &str) -> bool {
    let is_part = |byte: u8| {
        let letter_or_digit = ((byte | 0x20).wrapping_sub(b'a') < 26) | (byte.wrapping_sub(b'0') < 10);
        let dash_to_slash = byte.wrapping_sub(b'-') < 3; // - . /
        letter_or_digit | dash_to_slash | (byte == b'_') | (byte == b'~') | (byte == b'+') | (byte == b'=')
    };
    !text.is_empty() && text.bytes().fold(true, |all, byte| all & is_part(byte))
}

/// What holds of the header, whatever is sent.
#[cfg(any(test, fuzzing))]
pub(super) mod properties {
    use actix_web::http::header::HeaderValue;

    use super::*;

    /// One line a header.
    pub fn authorization_header(data: &[u8]) {
        let mut headers = HeaderMap::new();
        let values = data.split(|byte| *byte == b'\n').filter_map(|line| HeaderValue::from_bytes(line).ok());
        values.for_each(|value| headers.append(AUTHORIZATION, value));
        let Ok(token) = bearer_token(&headers) else { return };
        assert!(headers.get_all(AUTHORIZATION).count() == 1 && !token.is_empty());
        let mut again = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_str(&format!("Bearer {token}")) {
            again.insert(AUTHORIZATION, value);
        }
        assert_eq!(bearer_token(&again), Ok(token));
        crate::jwt::properties::token(token.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn read(values: &[&[u8]]) -> Result<String, NoToken> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        bearer_token(&headers).map(str::to_owned)
    }

    #[test]
    fn one_header_one_scheme_one_token() {
        for header in ["Bearer a.b.c", "bearer a.b.c", "BEARER   a.b.c", " Bearer a.b.c "] {
            assert_eq!(read(&[header.as_bytes()]).as_deref(), Ok("a.b.c"), "{header}");
        }
    }

    /// Checklist 55.
    #[test]
    fn no_bearer_token_is_asked_for_one() {
        assert_eq!(read(&[]), Err(NoToken::Missing));
        for header in
            ["", "Basic YTpi", "BearerX a.b.c", "Bearera.b.c", "a.b.c", "\"Bearer\" a.b.c", "Bearer,a.b.c"]
        {
            assert_eq!(read(&[header.as_bytes()]), Err(NoToken::Missing), "{header}");
        }
    }

    /// Checklist 55.
    #[test]
    fn an_ambiguous_header_is_a_bad_request() {
        for header in [
            "Bearer",
            "Bearer ",
            "Bearer a b",
            "Bearer a,b",
            "Bearer \"a\"",
            "Bearer a, Bearer b",
            "Bearer a\tb",
        ] {
            assert_eq!(read(&[header.as_bytes()]), Err(NoToken::Ambiguous), "{header}");
        }
        assert_eq!(read(&[b"Bearer a\xff"]), Err(NoToken::Ambiguous));
        assert_eq!(read(&[b"Bearer a", b"Bearer a"]), Err(NoToken::Ambiguous));
        assert_eq!(read(&[b"Basic YTpi", b"Bearer a"]), Err(NoToken::Ambiguous));
    }

    proptest! {
        #[test]
        fn any_header_is_read_without_a_panic(value in proptest::collection::vec(32u8..=126, 0..80)) {
            let _ = read(&[&value]);
        }
    }
}
