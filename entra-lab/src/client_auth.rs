//! Client authentication at the token endpoint: a secret in the form or in a Basic header, or none
//! for public clients (RFC 6749 2.3). The same for every grant.

use actix_web::HttpRequest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::directory::Application;
use crate::errors::{BAD_PARAMETER, NO_SECRET, PUBLIC_WITH_SECRET, UNKNOWN_CERTIFICATE, WRONG_SECRET};
use crate::params::Params;
use crate::refusal::Refusal;

/// What the client sent to prove itself.
pub struct Credentials {
    pub client_id: String,
    secret: Option<String>,
    assertion: bool,
}

/// Reads the client id and the credential. The client id is required in either place.
pub fn read(req: &HttpRequest, params: &Params) -> Result<Credentials, Refusal> {
    let assertion = params.get("client_assertion").is_some();
    let Some((id, secret)) = basic(req)? else {
        return Ok(Credentials {
            client_id: params.required("client_id")?.to_owned(),
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

impl Credentials {
    /// Holds the credential against the registration.
    pub fn check(&self, client: &Application) -> Result<(), Refusal> {
        let about = |row: crate::errors::Aadsts| row.about(format!("The application is {}.", client.name));
        match (&self.secret, client.public_client) {
            (None, true) if !self.assertion => Ok(()),
            (_, true) => Err(about(PUBLIC_WITH_SECRET)),
            (_, false) if self.assertion => Err(about(UNKNOWN_CERTIFICATE)),
            (None, false) => Err(about(NO_SECRET)),
            (Some(given), false) => {
                // No early end: how long it takes must not tell which secret was close.
                let hits = client.secrets.iter().filter(|s| s.matches(given)).count();
                if hits == 0 { Err(about(WRONG_SECRET)) } else { Ok(()) }
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
