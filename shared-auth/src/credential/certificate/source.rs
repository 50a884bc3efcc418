//! Where a certificate comes from, and when it is looked at again.
//!
//! Files are asked for their date, size and identity at each proof, which costs nothing beside the request that
//! follows; platforms replace mounted secrets while the program runs.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::{NEAR_THE_END, SigningCertificate};
use crate::credential::ProofContext;
use crate::credential::key_vault::VaultSecret;
use crate::env::ConfigError;
use crate::error::Error;

/// Far larger than a certificate with its chain; a wrong path must not fill the memory.
const FILE_LIMIT: u64 = 1024 * 1024;

/// Where a certificate comes from.
pub(super) enum Source {
    /// It was handed over; there is nothing to read again.
    Given,
    /// One or two files.
    Files(Files),
    /// A vault, which is asked over the network.
    Vault(VaultSecret),
}

/// The state of the source when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stamp {
    /// Date, size and identity of each.
    Files(Vec<(SystemTime, u64, u64)>),
    /// When the vault was asked, and when it is asked again.
    Vault { asked: Timestamp, next: Timestamp },
}

/// Why the source is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    /// The certificate in hand is about to end.
    pub ending: bool,
    /// Entra refused the certificate in hand.
    pub again: bool,
}

/// A PEM or PFX file, or a PEM file for each half.
#[derive(Clone)]
pub(super) struct Files {
    certificate: PathBuf,
    key: Option<PathBuf>,
    password: Option<SecretString>,
}

impl Source {
    pub fn file(path: impl Into<PathBuf>, password: Option<&str>) -> Self {
        let password = password.map(SecretString::from);
        Self::Files(Files { certificate: path.into(), key: None, password })
    }

    pub fn files(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self::Files(Files { certificate: certificate.into(), key: Some(key.into()), password: None })
    }

    /// What to remember of a source that holds a certificate whose time has not come: files are looked at again.
    pub fn settled(&self, stamp: Stamp) -> Option<Stamp> {
        matches!(self, Source::Vault(_)).then_some(stamp)
    }

    /// What to remember of a source that could not be read: a vault is left alone for a while.
    pub fn failed(&self, now: Timestamp) -> Option<Stamp> {
        matches!(self, Source::Vault(_))
            .then(|| Stamp::Vault { asked: now, next: now + VaultSecret::short_pause() })
    }

    /// What the files hold, for the start of a program; `None` where the source is none.
    pub fn read_files(&self) -> Option<Result<(SigningCertificate, Stamp), String>> {
        match self {
            Source::Given | Source::Vault(_) => None,
            Source::Files(files) => Some(files.read()),
        }
    }

    /// What the source holds now; `None` where that is what is known already. `name` is the setting that errors
    /// name.
    pub async fn read(
        &self,
        name: &'static str,
        context: &ProofContext<'_>,
        known: Option<&Stamp>,
        Look { ending, again }: Look,
    ) -> Result<Option<(SigningCertificate, Stamp)>, Error> {
        match self {
            Source::Given => Ok(None),
            Source::Files(files) => {
                let (files, known) = (files.clone(), known.cloned());
                let read = tokio::task::spawn_blocking(move || {
                    if !ending
                        && !again
                        && known.is_some_and(|known| files.stamp().is_ok_and(|now| now == known))
                    {
                        return Ok(None);
                    }
                    files.read().map(Some)
                });
                let read = read.await.unwrap_or_else(|_| Err("could not be read".to_owned()));
                read.map_err(|reason| ConfigError::new(name, reason).into())
            }
            Source::Vault(secret) => {
                let now = context.now();
                if let Some(Stamp::Vault { asked, next }) = known {
                    // However often Entra refuses, the vault is not asked every second.
                    let next = if again { *asked + VaultSecret::short_pause() } else { *next };
                    if *asked <= now && now < next {
                        return Ok(None);
                    }
                }
                let read = secret.fetch(name, context).await?;
                let near_the_end = ending || read.not_after.duration_since(now) < NEAR_THE_END;
                let stamp = Stamp::Vault { asked: now, next: now + VaultSecret::pause(near_the_end) };
                Ok(Some((read, stamp)))
            }
        }
    }
}

impl Files {
    fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        std::iter::once(&self.certificate).chain(&self.key)
    }

    fn stamp(&self) -> Result<Stamp, String> {
        let stamps = self.paths().map(|path| {
            let metadata = std::fs::metadata(path).map_err(|error| unreadable(path, &error.to_string()))?;
            if metadata.len() > FILE_LIMIT {
                return Err(unreadable(path, "it is too large for a certificate"));
            }
            Ok((metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), metadata.len(), identity(&metadata)))
        });
        stamps.collect::<Result<_, _>>().map(Stamp::Files)
    }

    fn read(&self) -> Result<(SigningCertificate, Stamp), String> {
        // The stamp first: what changes while we read is read again the next time.
        let stamp = self.stamp()?;
        let mut contents = Vec::new();
        for path in self.paths() {
            let bytes = std::fs::read(path).map_err(|error| unreadable(path, &error.to_string()))?;
            contents.push(Zeroizing::new(bytes));
        }
        let certificate = match contents.as_slice() {
            [one] => {
                SigningCertificate::from_either(one, self.password.as_ref().map(ExposeSecret::expose_secret))
            }
            several => {
                let texts: Vec<&[u8]> = several.iter().map(|text| text.as_slice()).collect();
                SigningCertificate::from_pem(&texts)
            }
        };
        let certificate = certificate.map_err(|reason| format!("{} {reason}", self.certificate.display()))?;
        Ok((certificate, stamp))
    }
}

fn unreadable(path: &Path, why: &str) -> String {
    format!("{} cannot be read: {why}", path.display())
}

/// A file that was replaced by renaming is another one, even if date and size are the same.
#[cfg(unix)]
fn identity(metadata: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn identity(_metadata: &std::fs::Metadata) -> u64 {
    0
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Given => f.write_str("Given"),
            Source::Files(files) => f.debug_list().entries(files.paths()).finish(),
            Source::Vault(secret) => secret.fmt(f),
        }
    }
}
