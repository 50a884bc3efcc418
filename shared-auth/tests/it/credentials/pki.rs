//! Certificates made for the occasion, and the check that Entra would make of an assertion.

use std::sync::OnceLock;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use rcgen::{
    CertificateParams, CertifiedIssuer, DistinguishedName, DnType, KeyPair, PKCS_RSA_SHA256, RsaKeySize,
    date_time_ymd,
};
use serde_json::Value;
use x509_parser::prelude::{FromDer, X509Certificate};

/// A certificate for an application, with its key and the authority above it.
pub struct Identity {
    pub certificate: String,
    pub key: String,
    pub der: Vec<u8>,
    pub issuer: String,
    pub issuer_der: Vec<u8>,
}

/// Valid from the start of 2026 to the end of 2035.
pub fn identity() -> &'static Identity {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    IDENTITY.get_or_init(|| Identity::new("daemon-app", 2026, 2036))
}

/// Another one, with another key.
pub fn successor() -> &'static Identity {
    static IDENTITY: OnceLock<Identity> = OnceLock::new();
    IDENTITY.get_or_init(|| Identity::new("daemon-app, renewed", 2026, 2036))
}

impl Identity {
    pub fn new(name: &str, from_year: i32, to_year: i32) -> Self {
        let issuer =
            CertifiedIssuer::self_signed(params("authority", 2020, 2050), KeyPair::generate().unwrap());
        let issuer = issuer.unwrap();
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let certificate = params(name, from_year, to_year).signed_by(&key, &issuer).unwrap();
        Self {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            der: certificate.der().to_vec(),
            issuer: issuer.pem(),
            issuer_der: issuer.der().to_vec(),
        }
    }

    /// Certificate and key in one text.
    pub fn pem(&self) -> String {
        format!("{}{}", self.certificate, self.key)
    }

    pub fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, &self.der))
    }

    pub fn sha1_thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &self.der))
    }

    /// Checks the signature with the certificate's key; returns header and claims.
    pub fn open(&self, assertion: &str) -> (Value, Value) {
        open_with(&self.der, assertion)
    }
}

/// Checks the signature with the key of a certificate; returns header and claims.
pub fn open_with(certificate: &[u8], assertion: &str) -> (Value, Value) {
    let header: Value = part(assertion, 0);
    let algorithm = if header["alg"] == "RS256" { Algorithm::RS256 } else { Algorithm::PS256 };
    let (_, certificate) = X509Certificate::from_der(certificate).unwrap();
    let key = DecodingKey::from_rsa_der(&certificate.public_key().subject_public_key.data);
    let mut validation = Validation::new(algorithm);
    validation.validate_aud = false;
    validation.validate_exp = false;
    jsonwebtoken::decode::<Value>(assertion, &key, &validation).unwrap();
    (header, part(assertion, 1))
}

fn part(jwt: &str, index: usize) -> Value {
    let text = jwt.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

fn params(name: &str, from_year: i32, to_year: i32) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(from_year, 1, 1);
    params.not_after = date_time_ymd(to_year, 1, 1);
    params
}
