//! `ClientSecret` and `ClientCredentials[]`: where the proof of a client comes from.

use serde_json::Value;

use super::Notes;
use super::section::Section;
use crate::credential::ClientCredential;

/// Kinds of sources by number, as Microsoft.Identity.Web counts them, with the members that belong to each.
const SOURCES: &[(&str, &[&str])] = &[
    ("Certificate", &[]),
    ("KeyVault", &["KeyVaultUrl", "KeyVaultCertificateName"]),
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
    let list = match section.member("ClientCredentials") {
        None => &[],
        Some(Value::Array(items)) => items.as_slice(),
        Some(single) => std::slice::from_ref(single),
    };
    match (secret, list) {
        (Some(secret), []) => Some(ClientCredential::secret(secret)),
        (Some(_), _) => {
            notes.problem(
                &section.path("ClientSecret"),
                "and ClientCredentials exclude each other; keep the list",
            );
            None
        }
        (None, []) => {
            notes.problem(&section.path("ClientCredentials"), "is missing, and so is ClientSecret");
            None
        }
        (None, list) => {
            let mut credentials = Vec::new();
            for (index, value) in list.iter().enumerate() {
                let name = section.path(&format!("ClientCredentials[{index}]"));
                credentials.push(one(Section::new(value, &name, notes), notes));
            }
            Some(ClientCredential::first_of(credentials.into_iter().collect::<Option<Vec<_>>>()?))
        }
    }
}

fn one(mut section: Section<'_>, notes: &mut Notes) -> Option<ClientCredential> {
    let source = source(&section, notes);
    let credential = source.and_then(|(name, _)| made(name, &mut section, notes));
    // Members of other sources are known names in the wrong place.
    let own = source.map_or(&[][..], |(_, members)| members);
    for member in SOURCES.iter().flat_map(|(_, members)| *members).filter(|member| !own.contains(*member)) {
        if section.member(member).is_some() && source.is_some() {
            notes.problem(&section.path(member), "belongs to another SourceType");
        }
    }
    section.finish(&["Id", "Skip"], &["TokenExchangeAuthority", "UseBoundCredential", "Algorithm"], notes);
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

fn made(source: &str, section: &mut Section<'_>, notes: &mut Notes) -> Option<ClientCredential> {
    match source {
        "ClientSecret" => Some(ClientCredential::secret(needed("ClientSecret", section, notes)?)),
        other => {
            notes.problem(&section.path("SourceType"), &format!("{other} is not supported here"));
            None
        }
    }
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
