//! Client assertions (RFC 7523 2.2): a JWT signed with a registered certificate, or one of a foreign
//! issuer that the application trusts (workload identity federation).
//!
//! Strict about what proves something, lenient about what the libraries write differently: both
//! base64 alphabets, `x5c` as text or list, dates as numbers or text, every spelling of the audience.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, crypto};
use serde_json::{Map, Value};
use url::Url;

use crate::authority::Authority;
use crate::directory::{
    Application, Certificate, Directory, FEDERATED_AUDIENCE as DEFAULT_AUDIENCE, FEDERATED_AUDIENCE_ID,
    FederatedCredential, ForeignKeys,
};
use crate::errors::{
    ASSERTION_APP, CERTIFICATE_AUDIENCE, CERTIFICATE_REVOKED, CERTIFICATE_TIME, CLIENT_ASSERTION_SHAPE,
    CLIENT_ASSERTION_TIME, FEDERATED_AUDIENCE, FEDERATED_ISSUER, FEDERATED_NONE, FEDERATED_SUBJECT,
    UNKNOWN_CERTIFICATE,
};
use crate::refusal::Refusal;
use crate::state::LabState;
use crate::{endpoints, tls};

const MOST_BYTES: usize = 16 * 1024;
/// Clocks of clients are wrong by this much at most.
const LEEWAY_SECONDS: f64 = 300.0;

/// An assertion taken apart; nothing of it is believed yet.
pub struct Assertion {
    header: Map<String, Value>,
    claims: Map<String, Value>,
    signed: String,
    signature: String,
    algorithm: Algorithm,
}

/// What an assertion is held against.
#[derive(Debug)]
pub struct Against<'a> {
    pub state: &'a LabState,
    pub directory: &'a Directory,
    pub authority: Authority,
    pub client: &'a Application,
    /// The foreign issuer's keys, if they had to be fetched.
    pub fetched: Option<&'a JwkSet>,
}

impl Assertion {
    pub fn read(text: &str) -> Result<Self, Refusal> {
        let bad = |what: &str| CLIENT_ASSERTION_SHAPE.about(what.to_owned());
        if text.len() > MOST_BYTES {
            return Err(bad("It is too long."));
        }
        let mut parts = text.trim().split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(bad("It does not have three parts."));
        };
        let (signed, signature) = (format!("{header}.{claims}"), signature.trim_end_matches('=').to_owned());
        let header = object(header).ok_or_else(|| bad("Its header is not JSON."))?;
        let claims = object(claims).ok_or_else(|| bad("Its payload is not JSON."))?;
        let algorithm = match header.get("alg").and_then(Value::as_str) {
            Some("RS256") => Algorithm::RS256,
            Some("PS256") => Algorithm::PS256,
            _ => return Err(bad("Its algorithm is neither PS256 nor RS256.")),
        };
        if header.contains_key("crit") {
            return Err(bad("Its header asks for an extension."));
        }
        Ok(Self { header, claims, signed, signature, algorithm })
    }

    fn claim(&self, name: &str) -> Option<&str> {
        self.claims.get(name).and_then(Value::as_str)
    }

    /// The id of the application that the assertion speaks for, where the request does not say it.
    pub fn subject(&self) -> Option<&str> {
        self.claim("sub")
    }

    /// Applications issue their own assertions and are named by a GUID; a foreign issuer is an address.
    fn is_own(&self) -> bool {
        self.claim("iss").is_none_or(|iss| uuid::Uuid::try_parse(iss).is_ok())
    }

    /// Whether the assertion proves that the request comes from this application.
    pub fn check(&self, against: &Against<'_>) -> Result<(), Refusal> {
        if self.is_own() { self.check_own(against) } else { self.check_foreign(against) }
    }

    fn check_own(&self, against: &Against<'_>) -> Result<(), Refusal> {
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
        self.check_time(now, CLIENT_ASSERTION_TIME)?;
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

    fn check_foreign(&self, against: &Against<'_>) -> Result<(), Refusal> {
        let credential = self.credential(against.state, against.client)?;
        let kid = self.header.get("kid").and_then(Value::as_str);
        let of_set = |set: &JwkSet| {
            let mut named = set.keys.iter().filter(|k| kid.is_none() || k.common.key_id.as_deref() == kid);
            named.any(|k| DecodingKey::from_jwk(k).is_ok_and(|key| self.is_signed_with(&key)))
        };
        let good = match (&credential.keys, against.fetched) {
            (ForeignKeys::Inline(set), _) | (ForeignKeys::At(_), Some(set)) => of_set(set),
            (ForeignKeys::Own, _) => {
                let key = kid.and_then(|kid| against.state.keys.find(kid));
                key.is_some_and(|key| self.is_signed_with(&key.verifying))
            }
            (ForeignKeys::At(url), None) => {
                return Err(UNKNOWN_CERTIFICATE.about(format!("The issuer's keys at {url} cannot be read.")));
            }
        };
        if !good {
            return Err(UNKNOWN_CERTIFICATE.about("None of the issuer's keys made this signature."));
        }
        self.check_time(against.state.clock.seconds(), CLIENT_ASSERTION_TIME)
    }

    /// The federated credential with this issuer, subject and audience; which of them does not fit is said.
    fn credential<'a>(
        &self,
        state: &LabState,
        client: &'a Application,
    ) -> Result<&'a FederatedCredential, Refusal> {
        if client.federated.is_empty() {
            return Err(FEDERATED_NONE.about(format!("{} has no federated credential.", client.name)));
        }
        let issuer = self.claim("iss").unwrap_or_default();
        let bare = |t: &str| t.trim_end_matches('/').to_owned();
        let fits = |f: &&FederatedCredential| match f.keys {
            ForeignKeys::Own => state.tenant_of_issuer(issuer).is_some(),
            _ => bare(&f.issuer) == bare(issuer),
        };
        let of_issuer: Vec<_> = client.federated.iter().filter(fits).collect();
        if of_issuer.is_empty() {
            return Err(FEDERATED_ISSUER.about(format!("The assertion's issuer is '{}'.", printable(issuer))));
        }
        let subject = self.claim("sub").unwrap_or_default();
        let of_subject: Vec<_> = of_issuer.into_iter().filter(|f| f.subject == subject).collect();
        if of_subject.is_empty() {
            return Err(
                FEDERATED_SUBJECT.about(format!("The assertion's subject is '{}'.", printable(subject)))
            );
        }
        let audiences = self.audiences();
        let same = |f: &&FederatedCredential| {
            let by_id = f.audience == DEFAULT_AUDIENCE && audiences.contains(&FEDERATED_AUDIENCE_ID);
            by_id || audiences.contains(&f.audience.as_str())
        };
        of_subject.into_iter().find(same).ok_or_else(|| FEDERATED_AUDIENCE.into())
    }

    fn is_signed_with(&self, key: &DecodingKey) -> bool {
        crypto::verify(&self.signature, self.signed.as_bytes(), key, self.algorithm).unwrap_or(false)
    }

    fn audiences(&self) -> Vec<&str> {
        match self.claims.get("aud") {
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
            Some(other) => other.as_str().into_iter().collect(),
            None => Vec::new(),
        }
    }

    fn check_time(&self, now: i64, row: crate::errors::Aadsts) -> Result<(), Refusal> {
        let at = |name: &str| -> Result<Option<f64>, Refusal> {
            match self.claims.get(name) {
                None | Some(Value::Null) => Ok(None),
                Some(Value::Number(number)) => Ok(number.as_f64()),
                Some(Value::String(text)) => {
                    let number = text.trim().parse().ok();
                    number
                        .map(Some)
                        .ok_or_else(|| CLIENT_ASSERTION_SHAPE.about(format!("'{name}' is not a date.")))
                }
                Some(_) => Err(CLIENT_ASSERTION_SHAPE.about(format!("'{name}' is not a date."))),
            }
        };
        #[allow(clippy::cast_precision_loss, reason = "seconds since 1970 fit into 52 bits")]
        let now = now as f64;
        let expires = at("exp")?.ok_or_else(|| CLIENT_ASSERTION_SHAPE.about("It has no 'exp'."))?;
        if expires <= now - LEEWAY_SECONDS {
            return Err(row.about("It has expired."));
        }
        if at("nbf")?.is_some_and(|from| from > now + LEEWAY_SECONDS) {
            return Err(row.about("It is not valid yet."));
        }
        Ok(())
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

/// Fetches the keys of the foreign issuer that an assertion names, if the application trusts it.
pub async fn fetch_keys(state: &LabState, client: &Application, assertion: &Assertion) -> Option<JwkSet> {
    if assertion.is_own() {
        return None;
    }
    let ForeignKeys::At(url) = &assertion.credential(state, client).ok()?.keys else { return None };
    let http = reqwest::Client::builder()
        .timeout(std::time::Duration::from_secs(5))
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .ok()?;
    let answer = http.get(url.clone()).send().await.ok()?.error_for_status().ok()?;
    serde_json::from_slice(&answer.bytes().await.ok()?).ok()
}

fn object(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&bytes(part)?).ok()
}

/// Base64 in either alphabet, with or without padding.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let bare = text.trim().trim_end_matches('=');
    URL_SAFE_NO_PAD.decode(bare).or_else(|_| STANDARD_NO_PAD.decode(bare)).ok()
}

fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

impl std::fmt::Debug for Assertion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Assertion").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}
