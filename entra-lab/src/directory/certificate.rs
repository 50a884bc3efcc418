//! A certificate that an application has registered: its thumbprints, its public key, its validity.
//!
//! Only what a client assertion needs is read from the DER (RFC 5280 4.1); chains and names are not
//! looked at, because Entra trusts the registered certificate itself.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jsonwebtoken::DecodingKey;

const SEQUENCE: u8 = 0x30;
const BIT_STRING: u8 = 0x03;
const EXPLICIT_VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// 1.2.840.113549.1.1.1, rsaEncryption, with its tag and length.
const RSA: [u8; 11] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// A registered certificate.
#[derive(Clone)]
pub struct Certificate {
    pub sha1: Vec<u8>,
    pub sha256: Vec<u8>,
    pub key: DecodingKey,
    /// Seconds since 1970.
    pub not_before: i64,
    pub not_after: i64,
    /// Revoked by its authority: assertions signed with it are refused (7000214).
    pub revoked: bool,
}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate").field("sha1", &self.thumbprint()).finish_non_exhaustive()
    }
}

impl Certificate {
    /// Reads PEM (other blocks in it are ignored) or base64 DER.
    pub fn read(text: &str, revoked: bool) -> Result<Self, &'static str> {
        let body = match text.split_once("-----BEGIN CERTIFICATE-----") {
            Some((_, rest)) => rest.split_once("-----END").ok_or("the PEM certificate has no end")?.0,
            None if text.contains("-----BEGIN") => return Err("the PEM has no certificate in it"),
            None => text,
        };
        let bare: String = body.chars().filter(|c| !c.is_whitespace()).collect();
        let der = STANDARD.decode(bare).map_err(|_| "the certificate is not base64")?;
        Self::from_der(&der, revoked).ok_or("the certificate is not an X.509 certificate with an RSA key")
    }

    fn from_der(der: &[u8], revoked: bool) -> Option<Self> {
        let (certificate, rest) = element(der, SEQUENCE)?;
        let (mut tbs, _) = element(certificate, SEQUENCE)?;
        if !rest.is_empty() {
            return None;
        }
        if let Some((_, after)) = element(tbs, EXPLICIT_VERSION) {
            tbs = after;
        }
        // Serial number, signature algorithm, issuer; then the validity; then the subject.
        for _ in 0..3 {
            tbs = any(tbs)?.2;
        }
        let (validity, after) = element(tbs, SEQUENCE)?;
        let (first, last, end) = any(validity)?;
        let not_before = time(first, last)?;
        let (tag, last, _) = any(end)?;
        let not_after = time(tag, last)?;
        let (info, _) = element(any(after)?.2, SEQUENCE)?;
        let (algorithm, after) = element(info, SEQUENCE)?;
        let (bits, _) = element(after, BIT_STRING)?;
        // A bit string starts with the number of unused bits, which is none here.
        let key = bits.strip_prefix(&[0])?;
        algorithm.starts_with(&RSA).then(|| Self {
            sha1: digest(&SHA1_FOR_LEGACY_USE_ONLY, der).as_ref().to_vec(),
            sha256: digest(&SHA256, der).as_ref().to_vec(),
            key: DecodingKey::from_rsa_der(key),
            not_before,
            not_after,
            revoked,
        })
    }

    /// SHA-1 in hex, as the portal shows it.
    pub fn thumbprint(&self) -> String {
        self.sha1.iter().map(|byte| format!("{byte:02X}")).collect()
    }
}

/// The next element: tag, content, and what follows it.
fn any(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match usize::from(first) {
        short @ 0..=0x7f => (short, rest),
        long @ 0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(long - 0x80)?;
            (bytes.iter().fold(0, |sum, b| (sum << 8) | usize::from(*b)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    any(der).filter(|found| found.0 == tag).map(|(_, content, rest)| (content, rest))
}

/// `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`.
fn time(tag: u8, content: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(content).ok()?.strip_suffix('Z')?;
    let (year, rest) = match tag {
        // RFC 5280 4.1.2.5.1: 50 to 99 are of the last century.
        UTC_TIME => {
            let (year, rest) = text.split_at_checked(2)?;
            let year: i16 = year.parse().ok()?;
            (if year >= 50 { 1900 + year } else { 2000 + year }, rest)
        }
        GENERALIZED_TIME => {
            let (year, rest) = text.split_at_checked(4)?;
            (year.parse().ok()?, rest)
        }
        _ => return None,
    };
    let part = |at: usize| rest.get(at..at + 2)?.parse::<i8>().ok();
    let day = Date::new(year, part(0)?, part(2)?).ok()?;
    let at = day.at(part(4)?, part(6)?, part(8)?, 0).to_zoned(TimeZone::UTC).ok()?;
    Some(at.timestamp().as_second())
}
