//! Secrets, certificates and federated credentials of a seed, checked.

use jsonwebtoken::jwk::JwkSet;
use toml::Spanned;
use url::Url;

use crate::directory::{
    Certificate, ClientSecret, FEDERATED_AUDIENCE, FederatedCredential, ForeignKeys, OWN_ISSUER,
};

use super::Complaint;
use super::file::{RawCertificate, RawFederated, RawSecret};

pub fn secret(raw: RawSecret) -> ClientSecret {
    match raw {
        RawSecret::Plain(value) => ClientSecret { name: None, value, expires: None },
        RawSecret::Dated { value, expires } => ClientSecret { name: None, value, expires: Some(expires) },
    }
}

pub fn certificates(raw: Vec<Spanned<RawCertificate>>) -> Result<Vec<Certificate>, Complaint> {
    let read = |entry: Spanned<RawCertificate>| {
        let span = entry.span();
        let (text, revoked) = match entry.into_inner() {
            RawCertificate::Plain(text) => (text, false),
            RawCertificate::Table { pem, revoked } => (pem, revoked),
        };
        Certificate::read(&text, revoked).map_err(|reason| (span, reason.to_owned()))
    };
    raw.into_iter().map(read).collect()
}

pub fn federated(raw: Vec<RawFederated>) -> Result<Vec<FederatedCredential>, Complaint> {
    raw.into_iter().map(one).collect()
}

fn one(raw: RawFederated) -> Result<FederatedCredential, Complaint> {
    let keys = match (raw.jwks, raw.jwks_url) {
        (Some(text), None) => {
            let set: JwkSet = serde_json::from_str(text.get_ref())
                .map_err(|e| (text.span(), format!("jwks is not a key set: {e}")))?;
            ForeignKeys::Inline(set)
        }
        (None, Some(url)) => {
            let parsed = Url::parse(url.get_ref()).ok().filter(|u| matches!(u.scheme(), "http" | "https"));
            ForeignKeys::At(parsed.ok_or_else(|| (url.span(), "jwks_url is not a web address".to_owned()))?)
        }
        (None, None) if raw.issuer.get_ref() == OWN_ISSUER => ForeignKeys::Own,
        _ => {
            return Err((raw.issuer.span(), "a federated credential has either jwks or jwks_url".to_owned()));
        }
    };
    Ok(FederatedCredential {
        name: format!("{} {}", raw.issuer.get_ref(), raw.subject),
        issuer: raw.issuer.into_inner(),
        subject: raw.subject,
        audience: raw.audience.unwrap_or_else(|| FEDERATED_AUDIENCE.to_owned()),
        keys,
    })
}
