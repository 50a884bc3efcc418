//! Signing keys: two RSA pairs with self-signed certificates, one in use and one waiting.
//!
//! Entra publishes several keys at any time, so a client that takes "the first one" must fail here
//! too. Making RSA keys is slow, hence one set per process: all in-process labs share it.

use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa;
use aws_lc_rs::signature::RSA_PKCS1_SHA256;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_RSA_SHA256, RsaKeySize};

use crate::clock::real_time;

/// Why the lab could not make its keys or certificates.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("cannot make a key or certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error("cannot use the signing key: {0}")]
    Signing(#[from] jsonwebtoken::errors::Error),
    #[error("the signing key is not an RSA key")]
    NotRsa,
    #[error("the cryptography library refuses the signing key")]
    Refused,
    #[error("cannot set up TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// One signing key as the JWKS shows it, and both halves for use.
pub struct SigningKey {
    /// Key id. For tenant keys Entra uses the certificate's thumbprint, and so do we.
    pub kid: String,
    /// The certificate, DER in standard base64.
    pub x5c: String,
    pub n: String,
    pub e: String,
    pair: rsa::KeyPair,
    pub verifying: DecodingKey,
}

impl SigningKey {
    /// An RS256 signature. The JWT library would read the key, and check it, anew for every token.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
            .map_err(|_| KeyError::Refused)?;
        Ok(signature)
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// The published keys; the first signs.
#[derive(Debug)]
pub struct Keys {
    pub published: [Arc<SigningKey>; 2],
}

impl Keys {
    /// The key set of this process, made at the first call.
    pub fn shared() -> Result<Arc<Self>, KeyError> {
        static SHARED: Mutex<Option<Arc<Keys>>> = Mutex::new(None);
        let mut slot = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(keys) = slot.as_ref() {
            return Ok(Arc::clone(keys));
        }
        let keys = Arc::new(Self { published: [Arc::new(make()?), Arc::new(make()?)] });
        *slot = Some(Arc::clone(&keys));
        Ok(keys)
    }
}

/// A new pair with its certificate.
pub fn make() -> Result<SigningKey, KeyError> {
    let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, "entra-lab token signing (local use only)");
    set_validity(&mut params);
    let certificate = params.self_signed(&pair)?;
    let thumbprint = digest(&SHA1_FOR_LEGACY_USE_ONLY, certificate.der());
    let signing = EncodingKey::from_rsa_pem(pair.serialize_pem().as_bytes())?;
    let AlgorithmParameters::RSA(rsa) = Jwk::from_encoding_key(&signing, Algorithm::RS256)?.algorithm else {
        return Err(KeyError::NotRsa);
    };
    Ok(SigningKey {
        kid: URL_SAFE_NO_PAD.encode(thumbprint),
        x5c: STANDARD.encode(certificate.der()),
        verifying: DecodingKey::from_rsa_components(&rsa.n, &rsa.e)?,
        n: rsa.n,
        e: rsa.e,
        pair: rsa::KeyPair::from_pkcs8(pair.serialized_der()).map_err(|_| KeyError::Refused)?,
    })
}

/// From last New Year to the one after next: rcgen's default would be 1975 to 4096.
pub fn set_validity(params: &mut CertificateParams) {
    let year = i32::from(real_time().to_zoned(jiff::tz::TimeZone::UTC).year());
    params.not_before = rcgen::date_time_ymd(year - 1, 1, 1);
    params.not_after = rcgen::date_time_ymd(year + 2, 1, 1);
}
