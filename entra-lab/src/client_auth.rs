//! Client authentication at the token endpoint: a secret in the form or in a Basic header, a client
//! assertion, or nothing for public clients (RFC 6749 2.3). The same for every grant.

use actix_web::HttpRequest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::client_assertion::{Against, Assertion};
use crate::directory::Application;
use crate::errors::{Aadsts, BAD_PARAMETER, NO_SECRET, PUBLIC_WITH_SECRET, SECRET_EXPIRED, WRONG_SECRET};
use crate::params::Params;
use crate::policy::Switch;
use crate::refusal::Refusal;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How a client proved itself; tokens repeat it as `azpacr` or `appidacr`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    None,
    Secret,
    Certificate,
}

impl Proof {
    pub fn claim(self) -> &'static str {
        match self {
            Self::None => "0",
            Self::Secret => "1",
            Self::Certificate => "2",
        }
    }
}

/// What the client sent to prove itself.
pub struct Credentials {
    pub client_id: String,
    secret: Option<String>,
    pub assertion: Option<Assertion>,
}

/// Reads the client id and the credential. The client id is required somewhere.
pub fn read(req: &HttpRequest, params: &Params) -> Result<Credentials, Refusal> {
    let assertion = params.get("client_assertion").map(|text| assertion(params, text)).transpose()?;
    let Some((id, secret)) = basic(req)? else {
        // RFC 7521 4.2: with an assertion the client id may be left away.
        let named = assertion.as_ref().and_then(Assertion::subject);
        let client_id = match params.get("client_id").or(named) {
            Some(id) => id.to_owned(),
            None => params.required("client_id")?.to_owned(),
        };
        return Ok(Credentials {
            client_id,
            secret: params.get("client_secret").map(str::to_owned),
            assertion,
        });
    };
    // RFC 6749 2.3: one method per request, and both places must mean the same client.
    if params.get("client_secret").is_some() || params.get("client_id").is_some_and(|other| other != id) {
        return Err(BAD_PARAMETER.about("The Authorization header and the form both name a client."));
    }
    Ok(Credentials { client_id: id, secret: Some(secret), assertion })
}

fn assertion(params: &Params, text: &str) -> Result<Assertion, Refusal> {
    if params.required("client_assertion_type")? != ASSERTION_TYPE {
        return Err(
            BAD_PARAMETER.about(format!("It is 'client_assertion_type', which must be {ASSERTION_TYPE}."))
        );
    }
    Assertion::read(text)
}

impl Credentials {
    /// A page has none: whoever opens it could read it.
    pub fn of_a_page(&self, client: &Application) -> Result<Proof, Refusal> {
        match (&self.secret, &self.assertion) {
            (None, None) => Ok(Proof::None),
            _ => Err(PUBLIC_WITH_SECRET.about(format!("It is a page of {}.", client.name))),
        }
    }

    /// Holds the credential against the registration.
    pub fn check(&self, against: &Against<'_>) -> Result<Proof, Refusal> {
        let client = against.client;
        let about = |row: Aadsts| row.about(format!("The application is {}.", client.name));
        match (&self.secret, &self.assertion) {
            (None, None) if client.public_client => Ok(Proof::None),
            _ if client.public_client => Err(about(PUBLIC_WITH_SECRET)),
            (None, None) => Err(about(NO_SECRET)),
            (Some(_), Some(_)) => Err(BAD_PARAMETER.about("There is a secret and an assertion.")),
            (None, Some(assertion)) => assertion.check(against).map(|()| Proof::Certificate),
            (Some(given), None) => {
                // No early end: how long it takes must not tell which secret was close.
                let hits: Vec<_> = client.secrets.iter().filter(|s| s.value.matches(given)).collect();
                let now = against.state.clock.now();
                let expired = against.state.policies.is_on(Switch::ExpiredSecrets, client.id);
                let alive = !expired && hits.iter().any(|s| s.expires.is_none_or(|end| end > now));
                match (hits.is_empty(), alive) {
                    (true, _) => Err(about(WRONG_SECRET)),
                    (false, false) => Err(about(SECRET_EXPIRED)),
                    (false, true) => Ok(Proof::Secret),
                }
            }
        }
    }
}

/// `Authorization: Basic base64(urlencoded id : urlencoded secret)`.
fn basic(req: &HttpRequest) -> Result<Option<(String, String)>, Refusal> {
    let Some(header) = req.headers().get("authorization") else { return Ok(None) };
    let malformed = || BAD_PARAMETER.about("The Authorization header is not a Basic credential.");
    let text = header.to_str().map_err(|_| malformed())?;
    let (scheme, encoded) = text.split_once(' ').ok_or_else(malformed)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(malformed());
    }
    let bytes = STANDARD.decode(encoded.trim()).map_err(|_| malformed())?;
    let decoded = String::from_utf8(bytes).map_err(|_| malformed())?;
    let (id, secret) = decoded.split_once(':').ok_or_else(malformed)?;
    Ok(Some((url_decoded(id), url_decoded(secret))))
}

fn url_decoded(text: &str) -> String {
    // The parser splits at `&` and `=`, which an encoded value cannot contain.
    let plain = text.replace('=', "%3D").replace('&', "%26");
    url::form_urlencoded::parse(plain.as_bytes()).map(|(name, _)| name.into_owned()).collect()
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}
