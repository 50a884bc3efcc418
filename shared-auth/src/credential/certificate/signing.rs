//! A certificate and the key that belongs to it, read from PEM or PFX (PKCS#12) and checked.
//!
//! Checked here: there is a key, a certificate holds its public half, and it is RSA of 2048 bits or more, which is what
//! PS256 and RS256 need (RFC 7518 §3.3, §3.5). Reasons are sentences; none of them quotes what was read.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::KeyPair;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use rustls::pki_types::pem::{PemObject, SectionKind};
use x509_parser::prelude::{FromDer, X509Certificate};
use zeroize::Zeroizing;

/// What assertions are signed with.
pub(in crate::credential) struct SigningCertificate {
    pub key: RsaKeyPair,
    /// DER: the certificate itself first, then the rest of its chain as it came.
    pub chain: Vec<Vec<u8>>,
    pub subject: String,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
}

impl SigningCertificate {
    /// PEM texts that hold, together, the certificates and one private key.
    pub fn from_pem(texts: &[&[u8]]) -> Result<Self, String> {
        let (mut chain, mut keys) = (Vec::new(), Vec::new());
        for section in texts.iter().flat_map(|text| <(SectionKind, Vec<u8>)>::pem_slice_iter(text)) {
            match section.map_err(|_| "is not well-formed PEM".to_owned())? {
                (SectionKind::Certificate, der) => chain.push(der),
                (SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey, der) => {
                    keys.push(Zeroizing::new(der));
                }
                _ => {}
            }
        }
        if keys.is_empty() && texts.iter().any(|text| contains(text, b"ENCRYPTED PRIVATE KEY")) {
            return Err("holds an encrypted private key; keys with a password are read from PFX files only"
                .to_owned());
        }
        Self::new(chain, &keys)
    }

    /// A PFX file.
    #[cfg(feature = "pkcs12")]
    pub fn from_pfx(bytes: &[u8], password: &str) -> Result<Self, String> {
        use p12_keystore::Pkcs12Archive;
        use p12_keystore::error::Error;

        let archive = Pkcs12Archive::from_pkcs12(bytes, password).map_err(|error| match error {
            Error::MacError(_) => "cannot be opened: the password is wrong or missing".to_owned(),
            _ => "is neither PEM nor a PFX file that can be read, or its password is wrong".to_owned(),
        })?;
        let keys: Vec<_> = archive.keys.iter().map(|bag| Zeroizing::new(bag.key.as_der().to_vec())).collect();
        Self::new(archive.certs.iter().map(|bag| bag.cert.as_der().to_vec()).collect(), &keys)
    }

    /// A PFX file.
    #[cfg(not(feature = "pkcs12"))]
    pub fn from_pfx(_bytes: &[u8], _password: &str) -> Result<Self, String> {
        Err("is not PEM, and this build reads no PFX files (the feature `pkcs12` is off)".to_owned())
    }

    /// Either, told apart by the content.
    pub fn from_either(bytes: &[u8], password: Option<&str>) -> Result<Self, String> {
        if contains(bytes, b"-----BEGIN ") {
            Self::from_pem(&[bytes])
        } else {
            Self::from_pfx(bytes, password.unwrap_or_default())
        }
    }

    fn new(mut chain: Vec<Vec<u8>>, keys: &[Zeroizing<Vec<u8>>]) -> Result<Self, String> {
        let key = match keys {
            _ if chain.is_empty() => return Err("holds no certificate".to_owned()),
            [] => return Err("holds no private key; both halves are needed to sign".to_owned()),
            [key] => key,
            _ => return Err("holds more than one private key; which one is meant?".to_owned()),
        };
        let key = RsaKeyPair::from_pkcs8(key).or_else(|_| RsaKeyPair::from_der(key)).map_err(|_| {
            "holds a private key that cannot be used; Entra takes RSA keys of 2048 bits or more".to_owned()
        })?;
        let ours = chain.iter().position(|der| match X509Certificate::from_der(der) {
            Ok((_, certificate)) => {
                certificate.public_key().subject_public_key.data == key.public_key().as_ref()
            }
            Err(_) => false,
        });
        let Some(ours) = ours else {
            return Err("holds a private key that does not belong to its certificate".to_owned());
        };
        chain[..=ours].rotate_right(1);
        let (subject, not_before, not_after) = {
            let (_, certificate) = X509Certificate::from_der(&chain[0])
                .map_err(|_| "holds a certificate that is malformed".to_owned())?;
            let validity = certificate.validity();
            (
                certificate.subject().to_string(),
                moment(validity.not_before.timestamp()),
                moment(validity.not_after.timestamp()),
            )
        };
        Ok(Self { key, chain, subject, not_before, not_after })
    }

    /// SHA-256 of the certificate, base64url (`x5t#S256`, RFC 7515 §4.1.8).
    pub fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, &self.chain[0]))
    }

    /// Outside of its dates nobody takes the certificate; better said here, with the dates.
    pub fn check_dates(&self, now: Timestamp) -> Result<(), String> {
        let Self { subject, not_before, not_after, .. } = self;
        let valid = format!("the certificate \"{subject}\" is valid from {not_before} to {not_after}");
        if now < *not_before {
            Err(format!("{valid}, which has not begun (it is {now} here); is the clock right?"))
        } else if now > *not_after {
            Err(format!("{valid}, which is over (it is {now} here); put a new one in its place"))
        } else {
            Ok(())
        }
    }
}

fn moment(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX)
}

fn contains(text: &[u8], what: &[u8]) -> bool {
    text.windows(what.len()).any(|window| window == what)
}
