//! The signed assertion (RFC 7523 §3, RFC 7515), written as Entra documents it.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use uuid::Uuid;

use super::SigningCertificate;
use crate::credential::AssertionContext;
use crate::secret::ClientAssertion;

/// How long an assertion lives; longer ones would only be of use to a thief.
pub(super) const LIFETIME: SignedDuration = SignedDuration::from_mins(10);
/// Our clock may be ahead of Entra's.
const BEFORE_NOW: SignedDuration = SignedDuration::from_secs(10);

/// How an assertion is signed and how it names the certificate.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Style {
    /// RS256 and `x5t` instead of PS256 and `x5t#S256`.
    pub rs256: bool,
    /// The chain goes along.
    pub x5c: bool,
}

impl Style {
    /// What an assertion was made with: certificate and style.
    pub fn mark(self, certificate: &SigningCertificate) -> String {
        format!("{} {} {}", certificate.thumbprint(), self.rs256, self.x5c)
    }
}

#[derive(Serialize)]
struct Header {
    alg: &'static str,
    typ: &'static str,
    #[serde(rename = "x5t#S256", skip_serializing_if = "Option::is_none")]
    x5t_s256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x5t: Option<String>,
    /// Standard base64 of the DER, without line breaks (RFC 7515 §4.1.6).
    #[serde(skip_serializing_if = "Option::is_none")]
    x5c: Option<Vec<String>>,
}

#[derive(Serialize)]
struct Claims<'a> {
    aud: &'a str,
    iss: &'a str,
    sub: &'a str,
    jti: Uuid,
    nbf: i64,
    exp: i64,
}

/// Signs an assertion for the request at hand.
pub(super) fn sign(
    certificate: &SigningCertificate,
    style: Style,
    asked: &AssertionContext,
    now: Timestamp,
) -> Result<ClientAssertion, String> {
    let sha1 = || URL_SAFE_NO_PAD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &certificate.chain[0]));
    let header = Header {
        alg: if style.rs256 { "RS256" } else { "PS256" },
        typ: "JWT",
        x5t_s256: (!style.rs256).then(|| certificate.thumbprint()),
        x5t: style.rs256.then(sha1),
        x5c: style.x5c.then(|| certificate.chain.iter().map(|der| STANDARD.encode(der)).collect()),
    };
    let claims = Claims {
        aud: asked.token_endpoint.as_str(),
        iss: &asked.client_id,
        sub: &asked.client_id,
        jti: Uuid::new_v4(),
        nbf: (now - BEFORE_NOW).as_second(),
        exp: (now + LIFETIME).as_second(),
    };
    let mut jwt = format!("{}.{}", encode(&header)?, encode(&claims)?);
    let mut signature = vec![0; certificate.key.public_modulus_len()];
    let padding = if style.rs256 { &RSA_PKCS1_SHA256 } else { &RSA_PSS_SHA256 };
    certificate
        .key
        .sign(padding, &SystemRandom::new(), jwt.as_bytes(), &mut signature)
        .map_err(|_| "holds a private key that does not sign".to_owned())?;
    jwt.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut jwt);
    Ok(ClientAssertion::new(jwt))
}

fn encode(part: &impl Serialize) -> Result<String, String> {
    let json = serde_json::to_vec(part).map_err(|_| "cannot be written into an assertion".to_owned())?;
    Ok(URL_SAFE_NO_PAD.encode(json))
}
