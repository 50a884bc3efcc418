//! What an AADSTS code means, what usually causes it, and what helps: a table that needs no network.
//!
//! The same table is the first half of `docs/troubleshooting.md`; a test holds the two together. The texts are our own.
//! Nothing decides by them: decisions are made by `error`, `suberror` and the numbers (see [`crate::Error`]).

mod application;
mod grants;
mod people;

/// The tables under the headings of `docs/troubleshooting.md`: tenant and application, request, scopes, credential; user,
/// consent, more proof; grants, device code, the service itself.
const GROUPS: [&[Diagnosis]; 10] = [
    application::TENANT,
    application::REQUEST,
    application::SCOPES,
    application::CREDENTIAL,
    people::USER,
    people::CONSENT,
    people::POLICY,
    grants::GRANTS,
    grants::DEVICE,
    grants::SERVICE,
];

/// One AADSTS code, explained for the person who has to fix it.
///
/// ```
/// use shared_auth::Diagnosis;
///
/// let diagnosis = Diagnosis::of(7000215).unwrap();
/// assert!(diagnosis.meaning.contains("secret"));
/// assert!(Diagnosis::of(1).is_none());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnosis {
    /// The number behind `AADSTS`.
    pub code: u32,
    /// What it means.
    pub meaning: &'static str,
    /// When one usually meets it.
    pub cause: &'static str,
    /// What helps, short enough to stand in a log line.
    pub fix: &'static str,
}

impl Diagnosis {
    /// The entry for a code.
    pub fn of(code: u32) -> Option<&'static Diagnosis> {
        Self::all().find(|diagnosis| diagnosis.code == code)
    }

    /// The whole table, in the order of `docs/troubleshooting.md`.
    ///
    /// ```
    /// assert!(shared_auth::Diagnosis::all().count() >= 60);
    /// ```
    pub fn all() -> impl Iterator<Item = &'static Diagnosis> {
        GROUPS.iter().flat_map(|codes| codes.iter())
    }

    /// The first of several codes that is known; Entra names the most telling one first.
    pub(crate) fn first_of(codes: &[u32]) -> Option<&'static Diagnosis> {
        codes.iter().find_map(|code| Self::of(*code))
    }
}

const fn d(code: u32, meaning: &'static str, cause: &'static str, fix: &'static str) -> Diagnosis {
    Diagnosis { code, meaning, cause, fix }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_code_stands_twice_and_every_text_is_a_sentence() {
        let mut seen = std::collections::HashSet::new();
        for Diagnosis { code, meaning, cause, fix } in Diagnosis::all().copied() {
            assert!(seen.insert(code), "AADSTS{code} stands twice");
            for text in [meaning, cause, fix] {
                assert!(text.ends_with('.') && text.len() >= 12, "AADSTS{code}: {text}");
                assert!(!text.contains("  ") && !text.contains('\n'), "AADSTS{code}: {text}");
            }
            assert!(fix.len() <= 220, "AADSTS{code}: the fix has to fit into a log line");
        }
    }

    #[test]
    fn the_most_telling_code_is_the_first_that_is_known() {
        assert_eq!(Diagnosis::first_of(&[1, 65001, 50076]).map(|diagnosis| diagnosis.code), Some(65001));
        assert_eq!(Diagnosis::first_of(&[]), None);
    }
}
