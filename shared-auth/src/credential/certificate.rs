//! A certificate as the credential: only its owner can sign, and only the public half is registered.
//!
//! Each assertion is for one token endpoint and lives ten minutes (`assertion.rs`); it serves several requests until
//! five minutes before its end, because signing costs a millisecond. Where the certificate comes from, and when it is
//! read again, stands in `source.rs`; what may be read, in `signing.rs`.

mod assertion;
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
use self::source::{Look, Source, Stamp};
use super::key_vault::{KeyVaultAccess, VaultSecret};
use super::{ClientCredential, Proof, ProofContext};
use crate::env::ConfigError;
use crate::error::Error;
use crate::secret::ClientAssertion;

/// An assertion is not used in the last five minutes of its ten.
const SPARE: SignedDuration = SignedDuration::from_mins(5);
/// One for each token endpoint and client; more than this is a program that serves very many tenants.
const REMEMBERED_ASSERTIONS: usize = 1024;
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
    /// # Errors
    /// As [`ClientCertificate::from_pem`], and where the password is wrong or this build lacks the feature `pkcs12`.
    pub fn from_pfx(pfx: impl AsRef<[u8]>, password: &str) -> Result<Self, ConfigError> {
        Self::given(SigningCertificate::from_pfx(pfx.as_ref(), password))
    }

    /// A PEM or PFX file, told apart by its content. It is read again when it changes, and before the certificate ends.
    ///
    /// # Errors
    /// As [`ClientCertificate::from_pfx`], and where the file cannot be read.
    pub fn from_file(path: impl Into<PathBuf>, password: Option<&str>) -> Result<Self, ConfigError> {
        let certificate = Self::watching("certificate", Source::file(path, password));
        certificate.read_now()?;
        Ok(certificate)
    }

    /// Two PEM files, read again when one of them changes.
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
    #[must_use]
    pub fn send_x5c(mut self, send: bool) -> Self {
        self.style.x5c = send;
        self
    }

    /// Signs with RS256 and names the certificate by its SHA-1 thumbprint (`x5t`), which is what AD FS understands.
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

    /// An assertion for the request at hand; `again` reads the source whatever it looks like, because Entra refused
    /// what was signed before.
    pub(super) async fn prove(&self, context: &ProofContext<'_>, again: bool) -> Result<Proof, Error> {
        let certificate = self.current(context, again).await?;
        let now = context.now();
        certificate.check_dates(now).map_err(|reason| ConfigError::new(self.shared.name, reason))?;

        let asked = &context.asked;
        let key = (asked.token_endpoint.as_str().to_owned(), asked.client_id.clone());
        let made_with = self.style.mark(&certificate);
        if let Some(known) = self.state().assertions.get(&key)
            && known.made_with == made_with
            && known.from <= now
            && now < known.until
        {
            return Ok(Proof::Assertion { assertion: known.assertion.clone(), made_with });
        }
        let signed = assertion::sign(&certificate, self.style, asked, now)
            .map_err(|reason| ConfigError::new(self.shared.name, reason))?;
        let mut state = self.state();
        if state.assertions.len() >= REMEMBERED_ASSERTIONS {
            state.assertions.clear();
        }
        let (from, until) = (now, now + assertion::LIFETIME - SPARE);
        let remembered = Remembered { assertion: signed.clone(), made_with: made_with.clone(), from, until };
        state.assertions.insert(key, remembered);
        Ok(Proof::Assertion { assertion: signed, made_with })
    }

    /// The certificate to sign with: a newer one where the source has it.
    async fn current(
        &self,
        context: &ProofContext<'_>,
        again: bool,
    ) -> Result<Arc<SigningCertificate>, Error> {
        let now = context.now();
        let _one_reader = self.shared.reading.lock().await;
        let (known, stamp) = {
            let mut state = self.state();
            if again {
                state.assertions.clear();
            }
            (state.certificate.clone(), state.stamp.clone())
        };
        let ending = known.as_ref().is_some_and(|known| known.not_after.duration_since(now) < NEAR_THE_END);
        let read =
            self.shared.source.read(self.shared.name, context, stamp.as_ref(), Look { ending, again }).await;
        match (read, known) {
            (Ok(None), Some(known)) => Ok(known),
            (Ok(None), None) => Err(ConfigError::new(self.shared.name, "holds no certificate").into()),
            (Ok(Some((read, stamp))), known) => {
                // Put there ahead of its time: the one in hand serves until then.
                if let Some(known) = &known
                    && read.check_dates(now).is_err()
                    && known.check_dates(now).is_ok()
                {
                    self.state().stamp = self.shared.source.settled(stamp);
                    return Ok(Arc::clone(known));
                }
                let unchanged = known.filter(|known| known.thumbprint() == read.thumbprint());
                let current = unchanged.unwrap_or_else(|| {
                    tracing::info!(subject = %read.subject, not_after = %read.not_after, "the client certificate was read");
                    Arc::new(read)
                });
                let mut state = self.state();
                (state.certificate, state.stamp) = (Some(Arc::clone(&current)), Some(stamp));
                Ok(current)
            }
            // Half written, or the vault is away: what we have still works.
            (Err(error), Some(known)) if known.check_dates(now).is_ok() => {
                tracing::warn!(%error, "a newer client certificate cannot be read; the one in hand goes on");
                if let Some(stamp) = self.shared.source.failed(now) {
                    self.state().stamp = Some(stamp);
                }
                Ok(known)
            }
            (Err(error), _) => Err(error),
        }
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
