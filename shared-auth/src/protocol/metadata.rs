//! The discovery document (OpenID Connect Discovery §3), as far as a client needs it.

use serde::Deserialize;
use url::Url;

use super::json_fault;

/// Where an authority's endpoints are, and who it says it is.
#[derive(Debug, Clone, Deserialize)]
pub struct Metadata {
    /// The `iss` of its ID tokens. Multi-tenant documents carry the literal `{tenantid}` in it.
    pub issuer: String,
    /// Where the browser goes to sign in.
    pub authorization_endpoint: Url,
    /// Where codes, refresh tokens and assertions are redeemed.
    pub token_endpoint: Url,
    /// The signing keys.
    pub jwks_uri: Url,
    /// Where a device without a browser begins (RFC 8628 §4).
    pub device_authorization_endpoint: Option<Url>,
    /// Where the browser goes to sign out.
    pub end_session_endpoint: Option<Url>,
    /// Its answers to a sign-in name it (RFC 9207 §3).
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
    /// Entra's: the cloud, as its signing keys may name it too.
    pub cloud_instance_name: Option<String>,
}

impl Metadata {
    /// Reads the document; otherwise what is wrong with it. That goes to logs, and the document may come from anyone: a
    /// value is not repeated, and issuer and endpoints are addresses of a sensible length.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        const LONGEST: usize = 2048;
        let read: Self = serde_json::from_slice(body)
            .map_err(|error| format!("it is not a discovery document ({})", json_fault(&error)))?;
        if read.issuer.len() > LONGEST || !read.issuer.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("it names an issuer that is no address".to_owned());
        }
        let end_session = read.end_session_endpoint.as_ref().map_or(0, |url| url.as_str().len());
        let endpoints = [&read.authorization_endpoint, &read.token_endpoint, &read.jwks_uri];
        if end_session > LONGEST || endpoints.iter().any(|url| url.as_str().len() > LONGEST) {
            return Err(format!("it names an endpoint of more than {LONGEST} bytes"));
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(issuer: &str, jwks_uri: &str) -> String {
        serde_json::json!({
            "issuer": issuer, "jwks_uri": jwks_uri, "authorization_endpoint": "https://login.example/authorize",
            "token_endpoint": "https://login.example/token",
        })
        .to_string()
    }

    #[test]
    fn what_is_wrong_is_said_in_one_short_line_without_the_value() {
        let long = "x".repeat(5_000);
        for body in [
            document("https://login.example\nadmin signed in", "https://login.example/keys"),
            document(&long, "https://login.example/keys"),
            document("https://login.example", &format!("https://login.example/{long}")),
            document("https://login.example", "admin signed in"),
            serde_json::to_string(&long).unwrap(),
            "{".to_owned(),
        ] {
            let problem = Metadata::parse(body.as_bytes()).unwrap_err();

            assert!(
                problem.len() < 200 && !problem.contains("admin") && !problem.contains('\n'),
                "{problem}"
            );
        }
        let problem = Metadata::parse(b"{}").unwrap_err();
        assert!(problem.contains("missing field `issuer`"), "{problem}");
    }
}
