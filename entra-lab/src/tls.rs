//! The HTTPS side: a generated certificate authority and the server certificate it signs.
//!
//! SDKs that insist on HTTPS are given the authority's PEM (`/lab/ca.pem`). The names include the
//! cloud's own, so that a container network can point them at the lab.

use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::keys::{KeyError, set_validity};

/// Names that the server certificate is good for, and that HTTPS answers may carry in their URLs.
pub const NAMES: [&str; 9] = [
    "localhost",
    "127.0.0.1",
    "::1",
    "entra-lab",
    "login.microsoftonline.com",
    "login.windows.net",
    "login.microsoft.com",
    "sts.windows.net",
    "graph.microsoft.com",
];

/// The authority's certificate and a server set-up that uses it.
#[derive(Debug)]
pub struct Tls {
    pub ca_pem: String,
    pub server: ServerConfig,
}

impl Tls {
    /// The authority of this process, made at the first call; all in-process labs share it.
    pub fn shared() -> Result<Arc<Self>, KeyError> {
        static SHARED: Mutex<Option<Arc<Tls>>> = Mutex::new(None);
        let mut slot = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tls) = slot.as_ref() {
            return Ok(Arc::clone(tls));
        }
        let tls = Arc::new(make()?);
        *slot = Some(Arc::clone(&tls));
        Ok(tls)
    }
}

fn make() -> Result<Tls, KeyError> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, "entra-lab CA (local use only)");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages =
        vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    set_validity(&mut params);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;

    let mut params = CertificateParams::new(NAMES.map(String::from).to_vec())?;
    params.distinguished_name.push(DnType::CommonName, "entra-lab");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    set_validity(&mut params);
    let pair = KeyPair::generate()?;
    let certificate = params.signed_by(&pair, &ca)?;

    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(pair.serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    Ok(Tls { ca_pem: ca.pem(), server })
}
