//! `ClientSecret` and `ClientCredentials[]`: where the proof of a client comes from.
//!
//! Key Vault is asked with the machine's managed identity, where .NET tries a chain of credentials. Certificates in
//! Windows stores and custom providers of .NET have no counterpart here.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::Notes;
use super::section::Section;
use crate::credential::{ClientCertificate, ClientCredential, ManagedIdentity, ManagedIdentityId};
use crate::env::{ConfigError, Env};

/// Kinds of sources by number, as Microsoft.Identity.Web counts them, with the members that belong to each.
const SOURCES: &[(&str, &[&str])] = &[
    ("Certificate", &[]),
    ("KeyVault", &["KeyVaultUrl", "KeyVaultCertificateName", "ManagedIdentityClientId"]),
    ("Base64Encoded", &["Base64EncodedValue", "CertificatePassword"]),
    ("Path", &["CertificateDiskPath", "CertificatePassword"]),
    ("StoreWithThumbprint", &["CertificateStorePath", "CertificateThumbprint"]),
    ("StoreWithDistinguishedName", &["CertificateStorePath", "CertificateDistinguishedName"]),
    ("ClientSecret", &["ClientSecret"]),
    ("SignedAssertionFromManagedIdentity", &["ManagedIdentityClientId", "TokenExchangeUrl"]),
    ("SignedAssertionFilePath", &["SignedAssertionFileDiskPath"]),
    ("SignedAssertionFromVault", &["KeyVaultUrl", "KeyVaultCertificateName"]),
    ("AutoDecryptKeys", &[]),
    ("CustomSignedAssertion", &["CustomSignedAssertionProviderName", "CustomSignedAssertionProviderData"]),
    ("ManagedCertificate", &[]),
    ("StoreWithSubjectName", &["CertificateStorePath", "CertificateSubjectName"]),
];

/// The credential of the section: one, or a list of which the first that works is used.
pub(super) fn read(section: &mut Section<'_>, notes: &mut Notes) -> Option<ClientCredential> {
    let secret = section.text("ClientSecret", notes);
    let chain = section.flag("SendX5C", notes);
    let list = match section.member("ClientCredentials") {
        None => &[],
        Some(Value::Array(items)) => items.as_slice(),
        Some(single) => std::slice::from_ref(single),
    };
    match (secret, list) {
        (Some(secret), []) => Some(ClientCredential::secret(secret)),
        (Some(_), _) => {
            let reason = "and ClientCredentials exclude each other; keep the list";
            notes.problem(&section.path("ClientSecret"), reason);
            None
        }
        (None, []) => {
            notes.problem(&section.path("ClientCredentials"), "is missing, and so is ClientSecret");
            None
        }
        (None, list) => {
            let mut all = Vec::new();
            for (index, value) in list.iter().enumerate() {
                let name = section.path(&format!("ClientCredentials[{index}]"));
                all.push(one(Section::new(value, &name, notes), chain, notes));
            }
            loaded(all.into_iter().collect::<Option<Vec<_>>>()?, notes)
        }
    }
}

/// A credential, and why it cannot be used yet: a file may come later, as long as another credential serves.
type Entry = (ClientCredential, Option<String>);

fn loaded(entries: Vec<Entry>, notes: &mut Notes) -> Option<ClientCredential> {
    let (credentials, problems): (Vec<_>, Vec<_>) = entries.into_iter().unzip();
    if problems.iter().all(Option::is_some) {
        problems
            .into_iter()
            .flatten()
            .for_each(|problem| notes.problem("AzureAd.ClientCredentials", &problem));
        return None;
    }
    Some(ClientCredential::first_of(credentials))
}

fn one(mut section: Section<'_>, chain: bool, notes: &mut Notes) -> Option<Entry> {
    let source = source(&section, notes);
    let credential = source.and_then(|(name, _)| made(name, &mut section, chain, notes));
    // Members of other sources are known names in the wrong place.
    let own = source.map_or(&[][..], |(_, members)| members);
    let mut strange: Vec<&str> = SOURCES.iter().flat_map(|(_, members)| *members).copied().collect();
    strange.retain(|member| !own.contains(member));
    strange.sort_unstable();
    strange.dedup();
    for member in strange {
        if section.member(member).is_some() && source.is_some() {
            notes.problem(&section.path(member), "belongs to another SourceType");
        }
    }
    let not_supported = ["TokenExchangeAuthority", "UseBoundCredential", "Algorithm"];
    section.finish(&["Id", "Skip"], &not_supported, notes);
    credential
}

/// `SourceType`, by number or by name.
fn source(
    section: &Section<'_>,
    notes: &mut Notes,
) -> Option<&'static (&'static str, &'static [&'static str])> {
    let found = match section.member("SourceType") {
        None => {
            notes.problem(&section.path("SourceType"), "is missing");
            return None;
        }
        Some(Value::Number(number)) => {
            number.as_u64().and_then(|number| SOURCES.get(usize::try_from(number).ok()?))
        }
        Some(Value::String(name)) => {
            SOURCES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name.trim()))
        }
        Some(_) => None,
    };
    if found.is_none() {
        notes.problem(&section.path("SourceType"), "is not one that Microsoft.Identity.Web knows");
    }
    found
}

fn made(source: &str, section: &mut Section<'_>, chain: bool, notes: &mut Notes) -> Option<Entry> {
    match source {
        "ClientSecret" => ready(ClientCredential::secret(needed("ClientSecret", section, notes)?)),
        "Path" => {
            let path = needed("CertificateDiskPath", section, notes)?;
            let password = section.text("CertificatePassword", notes);
            let file = ClientCertificate::lazily_from_file(super::NAME, path, password.as_deref());
            let problem = file.read_now().err().map(|error| sentence(&error));
            Some((file.send_x5c(chain).into(), problem))
        }
        "Base64Encoded" => {
            let text = needed("Base64EncodedValue", section, notes)?;
            let password = section.text("CertificatePassword", notes).unwrap_or_default();
            let certificate = STANDARD
                .decode(text.split_ascii_whitespace().collect::<String>())
                .map_err(|_| "must be base64".to_owned())
                .and_then(|bytes| certificate(&bytes, &password).map_err(|error| sentence(&error)));
            match certificate {
                Ok(certificate) => ready(certificate.send_x5c(chain).into()),
                Err(problem) => {
                    notes.problem(&section.path("Base64EncodedValue"), &problem);
                    None
                }
            }
        }
        "KeyVault" => {
            let vault = section.url("KeyVaultUrl", notes);
            let name = needed("KeyVaultCertificateName", section, notes);
            let identity = machine(section, notes)?;
            match ClientCertificate::from_key_vault(vault?, name?, identity) {
                Ok(certificate) => ready(certificate.send_x5c(chain).into()),
                Err(error) => {
                    notes.problem(&section.path("KeyVaultUrl"), &sentence(&error));
                    None
                }
            }
        }
        "SignedAssertionFromManagedIdentity" => {
            if section.member("TokenExchangeUrl").is_some() {
                let reason = "is not supported here; the audience follows from the cloud";
                notes.problem(&section.path("TokenExchangeUrl"), reason);
            }
            ready(ClientCredential::managed_identity(machine(section, notes)?))
        }
        "SignedAssertionFilePath" => {
            let named = section.text("SignedAssertionFileDiskPath", notes);
            // As in .NET: without a path, the platform's own variable has it.
            match named.or_else(|| std::env::var("AZURE_FEDERATED_TOKEN_FILE").ok()) {
                Some(path) => ready(ClientCredential::federated_token_file(path)),
                None => needed("SignedAssertionFileDiskPath", section, notes).and(None),
            }
        }
        other => {
            notes.problem(&section.path("SourceType"), &format!("{other} is not supported here"));
            None
        }
    }
}

#[allow(clippy::unnecessary_wraps, reason = "the arms of `made` read alike")]
fn ready(credential: ClientCredential) -> Option<Entry> {
    Some((credential, None))
}

fn certificate(bytes: &[u8], password: &str) -> Result<ClientCertificate, ConfigError> {
    if bytes.starts_with(b"-----") {
        return ClientCertificate::from_pem(bytes);
    }
    ClientCertificate::from_pfx(bytes, password)
}

/// The machine's identity: `ManagedIdentityClientId`, or the one that the system gave it.
fn machine(section: &mut Section<'_>, notes: &mut Notes) -> Option<ManagedIdentity> {
    let id = match section.text("ManagedIdentityClientId", notes) {
        Some(id) => ManagedIdentityId::UserAssignedClientId(id),
        None => ManagedIdentityId::SystemAssigned,
    };
    match Env::from_process().read(|env| ManagedIdentity::from_env(env, id)) {
        Ok(identity) => Some(identity),
        Err(error) => {
            notes.problem(&section.path("SourceType"), &sentence(&error));
            None
        }
    }
}

/// The reasons of an error, without its frame.
fn sentence(error: &ConfigError) -> String {
    error.problems.iter().map(|problem| problem.reason.as_str()).collect::<Vec<_>>().join("; ")
}

/// A member without which this source is nothing.
fn needed(name: &str, section: &mut Section<'_>, notes: &mut Notes) -> Option<String> {
    let before = notes.problems.len();
    let value = section.text(name, notes);
    if value.is_none() && notes.problems.len() == before {
        notes.problem(&section.path(name), "is missing");
    }
    value
}
