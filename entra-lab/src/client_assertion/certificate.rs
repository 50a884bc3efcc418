//! An assertion that the application signed itself, with the key of a registered certificate.

use serde_json::Value;
use url::Url;

use super::{Against, Assertion, bytes};
use crate::authority::Authority;
use crate::directory::{Application, Certificate};
use crate::errors::{
    ASSERTION_APP, CERTIFICATE_AUDIENCE, CERTIFICATE_REVOKED, CERTIFICATE_TIME, CLIENT_ASSERTION_SHAPE,
    UNKNOWN_CERTIFICATE,
};
use crate::refusal::Refusal;
use crate::{endpoints, tls};

impl Assertion {
    pub(super) fn check_own(&self, against: &Against<'_>) -> Result<(), Refusal> {
        let client = against.client;
        let certificate = self.certificate(client)?;
        if !self.is_signed_with(&certificate.key) {
            return Err(UNKNOWN_CERTIFICATE
                .about(format!("The signature is wrong. The thumbprint is {}.", certificate.thumbprint())));
        }
        if certificate.revoked {
            return Err(CERTIFICATE_REVOKED.about(format!("The thumbprint is {}.", certificate.thumbprint())));
        }
        let now = against.state.clock.seconds();
        if now < certificate.not_before || now > certificate.not_after {
            return Err(CERTIFICATE_TIME.about(format!("The thumbprint is {}.", certificate.thumbprint())));
        }
        let names = |claim| self.claim(claim).and_then(|v| uuid::Uuid::try_parse(v).ok()) == Some(client.id);
        if !names("iss") || !names("sub") {
            return Err(ASSERTION_APP.about("'iss' and 'sub' must both be the client id."));
        }
        self.check_time(now)?;
        let audience = self.audiences().into_iter().any(|aud| is_token_endpoint(against, aud));
        if audience { Ok(()) } else { Err(CERTIFICATE_AUDIENCE.into()) }
    }

    /// The registered certificate that the header names, by either thumbprint or by the chain.
    fn certificate<'a>(&self, client: &'a Application) -> Result<&'a Certificate, Refusal> {
        let text = |name| self.header.get(name).and_then(Value::as_str);
        let named = |print: fn(&Certificate) -> &Vec<u8>, given: &str| {
            let wanted = bytes(given);
            client.certificates.iter().find(|c| wanted.as_ref() == Some(print(c)))
        };
        let of_header = match (text("x5t#S256"), text("x5t")) {
            (Some(sha256), _) => Some(named(|c| &c.sha256, sha256)),
            (None, Some(sha1)) => Some(named(|c| &c.sha1, sha1)),
            (None, None) => None,
        };
        let of_chain = match self.header.get("x5c") {
            None => None,
            Some(Value::Array(list)) => list.first().and_then(Value::as_str),
            Some(other) => other.as_str(),
        };
        let leaf = of_chain.map(|text| {
            let leaf = Certificate::read(text, false)
                .map_err(|why| CLIENT_ASSERTION_SHAPE.about(format!("x5c: {why}.")))?;
            Ok::<_, Refusal>(client.certificates.iter().find(|c| c.sha256 == leaf.sha256))
        });
        let found = match (of_header, leaf.transpose()?) {
            (None, None) => {
                return Err(CLIENT_ASSERTION_SHAPE.about("Its header has neither x5t#S256 nor x5t."));
            }
            (Some(found), None) | (None, Some(found)) => found,
            (Some(found), Some(leaf)) => found.filter(|c| leaf.is_some_and(|l| l.sha256 == c.sha256)),
        };
        let given = text("x5t#S256").or(text("x5t")).and_then(bytes);
        let hex = given.map(|b| b.iter().map(|b| format!("{b:02X}")).collect::<String>()).unwrap_or_default();
        found.ok_or_else(|| {
            UNKNOWN_CERTIFICATE
                .about(format!("{} has no certificate with the thumbprint '{hex}'.", client.name))
        })
    }
}

/// The token endpoint in any spelling: by id, domain or `common`, version 1 or 2, by any of the lab's
/// names, or the tenant's issuer.
fn is_token_endpoint(against: &Against<'_>, aud: &str) -> bool {
    let Ok(url) = Url::parse(aud) else { return false };
    let own = Url::parse(against.state.public_url()).ok();
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_ascii_lowercase();
    let own_host = own.as_ref().and_then(Url::host_str).unwrap_or_default();
    let known = host == own_host
        || tls::NAMES.contains(&host.as_str())
        || endpoints::instance::CLOUD.contains(&host.as_str());
    let path = url.path().trim_matches('/').to_ascii_lowercase();
    let (segment, rest) = path.split_once('/').unwrap_or((path.as_str(), ""));
    let place = ["", "v2.0", "oauth2/token", "oauth2/v2.0/token"].contains(&rest);
    let tenant = match Authority::parse(against.directory, segment) {
        Ok(Authority::Tenant(id)) => against.authority.admits(id),
        Ok(_) => true,
        Err(_) => false,
    };
    known && place && tenant
}
