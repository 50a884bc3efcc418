//! Whom TLS to a Redis trusts: the system's authorities and those of `EXTRA_CA_CERTS`, as one PEM text.
//!
//! The Redis library takes a list of authorities instead of the system's; ours are to be added to them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::env::ConfigError;

/// `extra` must hold at least one certificate.
pub(super) fn with_the_systems(extra: &[u8]) -> Result<Vec<u8>, ConfigError> {
    let problem = || ConfigError::new("EXTRA_CA_CERTS", "is not a PEM file of certificates");
    let blocks = x509_parser::pem::Pem::iter_from_buffer(extra)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| problem())?;
    let certificates: Vec<_> = blocks.into_iter().filter(|block| block.label == "CERTIFICATE").collect();
    if certificates.is_empty() || certificates.iter().any(|certificate| certificate.parse_x509().is_err()) {
        return Err(problem());
    }
    let mut pem = String::new();
    certificates.iter().for_each(|certificate| add(&mut pem, &certificate.contents));
    rustls_native_certs::load_native_certs().certs.iter().for_each(|certificate| add(&mut pem, certificate));
    Ok(pem.into_bytes())
}

fn add(pem: &mut String, der: &[u8]) {
    pem.push_str("-----BEGIN CERTIFICATE-----\n");
    for line in STANDARD.encode(der).as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem.push_str("-----END CERTIFICATE-----\n");
}
