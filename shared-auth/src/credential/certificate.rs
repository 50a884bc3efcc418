//! A certificate as the credential: only its owner can sign, and only the public half is registered.
//!
//! Each assertion is for one token endpoint and lives ten minutes (`assertion.rs`); when one is signed, and with
//! which certificate, stands in `prove.rs`. Where the certificate comes from, and when it is read again, stands in
//! `source.rs`; what may be read, in `signing.rs`.

mod assertion;
mod prove;
mod signing;
mod source;

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use url::Url;

use self::assertion::Style;
pub(super) use self::signing::SigningCertificate;
use self::source::{Source, Stamp};
use super::ClientCredential;
use super::key_vault::{KeyVaultAccess, VaultSecret};
use crate::env::ConfigError;
use crate::secret::ClientAssertion;

/// From here on a certificate counts as about to end, and its source is asked for a newer one each time.
const NEAR_THE_END: SignedDuration = SignedDuration::from_hours(24);

/// A certificate with its private key, and how its assertions are written.
///
/// By default PS256 with `x5t#S256`, as Entra recommends. Clones share what was read and signed.
///
/// ```no_run
/// # fn main() -> Result<(), shared_auth::ConfigError> {
/// use shared_auth::{ClientCertificate, ClientCredential};
///
/// // Read again when the file changes; a PFX file may need a password.
/// let credential: ClientCredential = ClientCertificate::from_file("/run/secrets/app.pem", None)?.into();
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct ClientCertificate {
    style: Style,
    shared: Arc<Shared>,
}

struct Shared {
    /// The setting that errors name.
    name: &'static str,
    source: Source,
    /// One reader at a time: a vault is not asked twice for the same thing.
    reading: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    certificate: Option<Arc<SigningCertificate>>,
    stamp: Option<Stamp>,
    assertions: HashMap<(String, String), Remembered>,
}

struct Remembered {
    assertion: ClientAssertion,
    made_with: String,
    from: Timestamp,
    until: Timestamp,
}

impl ClientCertificate {
    /// One PEM text with the certificate, its chain if wanted, and the private key, in any order.
    ///
    /// ```
    /// let error = shared_auth::ClientCertificate::from_pem("no PEM at all").unwrap_err();
    /// assert!(error.to_string().contains("holds no certificate"));
    /// ```
    ///
    /// # Errors
    /// [`ConfigError`] where there is no certificate or no key, where they do not belong together, or where the key is
    /// not RSA of 2048 bits or more. The dates are looked at when an assertion is made.
    pub fn from_pem(pem: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Self::given(SigningCertificate::from_pem(&[pem.as_ref()]))
    }

    /// Two PEM texts: certificate and chain, and the private key.
    ///
    /// ```
    /// let error = shared_auth::ClientCertificate::from_pem_and_key("", "").unwrap_err();
    /// assert!(error.to_string().contains("holds no certificate"));
    /// ```
    ///
    /// # Errors
    /// As [`ClientCertificate::from_pem`].
    pub fn from_pem_and_key(
        certificate: impl AsRef<[u8]>,
        key: impl AsRef<[u8]>,
    ) -> Result<Self, ConfigError> {
        Self::given(SigningCertificate::from_pem(&[certificate.as_ref(), key.as_ref()]))
    }

    /// A PFX file's content (PKCS#12). Key Vault's exports have the empty password.
    ///
    /// ```
    /// assert!(shared_auth::ClientCertificate::from_pfx("no PFX file", "password").is_err());
    /// ```
    ///
    /// # Errors
    /// As [`ClientCertificate::from_pem`], and where the password is wrong or this build lacks the feature `pkcs12`.
    pub fn from_pfx(pfx: impl AsRef<[u8]>, password: &str) -> Result<Self, ConfigError> {
        Self::given(SigningCertificate::from_pfx(pfx.as_ref(), password))
    }

    /// A PEM or PFX file, told apart by its content. It is read again when it changes, and before the certificate ends.
    ///
    /// ```
    /// let error = shared_auth::ClientCertificate::from_file("/nowhere/app.pfx", Some("password")).unwrap_err();
    /// assert!(error.to_string().contains("/nowhere/app.pfx cannot be read"));
    /// ```
    ///
    /// # Errors
    /// As [`ClientCertificate::from_pfx`], and where the file cannot be read.
    pub fn from_file(path: impl Into<PathBuf>, password: Option<&str>) -> Result<Self, ConfigError> {
        let certificate = Self::watching("certificate", Source::file(path, password));
        certificate.read_now()?;
        Ok(certificate)
    }

    /// Two PEM files, read again when one of them changes: `tls.crt` and `tls.key` of a Kubernetes secret.
    ///
    /// ```
    /// let pair = shared_auth::ClientCertificate::from_files("/nowhere/tls.crt", "/nowhere/tls.key");
    /// assert!(pair.is_err());
    /// ```
    ///
    /// # Errors
    /// As [`ClientCertificate::from_file`].
    pub fn from_files(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Result<Self, ConfigError> {
        let certificate = Self::watching("certificate", Source::files(certificate, key));
        certificate.read_now()?;
        Ok(certificate)
    }

    /// A certificate in Key Vault, which is asked with `access` when a proof is first needed, and again every hour.
    ///
    /// ```
    /// use shared_auth::{ClientCertificate, ManagedIdentity, ManagedIdentityId};
    ///
    /// let machine = ManagedIdentity::builder(ManagedIdentityId::SystemAssigned).build()?;
    /// let vault = "https://contoso.vault.azure.net".parse().unwrap();
    /// let certificate = ClientCertificate::from_key_vault(vault, "daemon-app", machine)?;
    /// # Ok::<(), shared_auth::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// [`ConfigError`] for an address that is not https, and for a name that cannot be one.
    pub fn from_key_vault(
        vault: Url,
        name: impl Into<String>,
        access: impl Into<KeyVaultAccess>,
    ) -> Result<Self, ConfigError> {
        let secret = VaultSecret::new(vault, name.into(), access.into())?;
        Ok(Self::watching("certificate", Source::Vault(secret)))
    }

    /// Sends the whole chain along (`x5c`), for registrations that trust a subject name and its issuer instead of one
    /// certificate. Off by default: it makes each request some kilobytes larger.
    ///
    /// ```no_run
    /// # use shared_auth::ClientCertificate;
    /// let certificate = ClientCertificate::from_file("/run/secrets/app.pem", None)?.send_x5c(true);
    /// # Ok::<(), shared_auth::ConfigError>(())
    /// ```
    #[must_use]
    pub fn send_x5c(mut self, send: bool) -> Self {
        self.style.x5c = send;
        self
    }

    /// Signs with RS256 and names the certificate by its SHA-1 thumbprint (`x5t`), which is what AD FS understands.
    ///
    /// ```no_run
    /// # use shared_auth::ClientCertificate;
    /// let certificate = ClientCertificate::from_file("/run/secrets/app.pem", None)?.rs256();
    /// # Ok::<(), shared_auth::ConfigError>(())
    /// ```
    #[must_use]
    pub fn rs256(mut self) -> Self {
        self.style.rs256 = true;
        self
    }

    /// When the certificate in hand ends; `None` before it was first read.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.state().certificate.as_ref().map(|certificate| certificate.not_after)
    }

    /// A file that may not be there yet; `name` is the setting that named it.
    pub(crate) fn lazily_from_file(
        name: &'static str,
        path: impl Into<PathBuf>,
        password: Option<&str>,
    ) -> Self {
        Self::watching(name, Source::file(path, password))
    }

    /// Reads the files of the source, if it has any.
    pub(crate) fn read_now(&self) -> Result<(), ConfigError> {
        let Some(read) = self.shared.source.read_files() else { return Ok(()) };
        let (certificate, stamp) = read.map_err(|reason| ConfigError::new(self.shared.name, reason))?;
        let mut state = self.state();
        (state.certificate, state.stamp) = (Some(Arc::new(certificate)), Some(stamp));
        Ok(())
    }

    fn given(read: Result<SigningCertificate, String>) -> Result<Self, ConfigError> {
        let certificate = read.map_err(|reason| ConfigError::new("certificate", reason))?;
        let this = Self::watching("certificate", Source::Given);
        this.state().certificate = Some(Arc::new(certificate));
        Ok(this)
    }

    fn watching(name: &'static str, source: Source) -> Self {
        let (reading, state) = (tokio::sync::Mutex::default(), Mutex::default());
        Self { style: Style::default(), shared: Arc::new(Shared { name, source, reading, state }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<ClientCertificate> for ClientCredential {
    fn from(certificate: ClientCertificate) -> Self {
        Self::Certificate(certificate)
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("ClientCertificate");
        shown.field("source", &self.shared.source);
        if let Some(certificate) = &self.state().certificate {
            shown.field("subject", &certificate.subject).field("not_after", &certificate.not_after);
        }
        shown.finish_non_exhaustive()
    }
}
