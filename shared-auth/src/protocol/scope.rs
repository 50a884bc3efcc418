//! Scopes (RFC 6749 §3.3) as Entra reads them: blank-separated, compared without regard to case, each naming its
//! resource up to the last slash, Microsoft Graph where there is none.

use std::fmt;
use std::sync::Arc;

use smallvec::SmallVec;

/// Scopes that belong to OpenID Connect and not to a resource; they are asked for but never looked up.
const RESERVED: [&str; 3] = ["openid", "profile", "offline_access"];

/// A set of scopes, in the order in which they were named. Clones share the text: make one and keep it where the same
/// scopes are asked for again and again.
///
/// ```
/// use shared_auth::Scopes;
///
/// let granted = Scopes::from("User.Read Mail.Read");
/// assert!(granted.contains_all(&Scopes::from("mail.read")));
/// assert_eq!(Scopes::from("https://graph.microsoft.com/.default").to_string(), "https://graph.microsoft.com/.default");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Scopes(Arc<str>);

impl Scopes {
    /// The scopes, one by one.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split_ascii_whitespace()
    }

    /// All of them, with blanks between.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// True where no scope is named.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True where every scope of `wanted` is among these, whatever its case. Reserved scopes do not count.
    pub fn contains_all(&self, wanted: &Scopes) -> bool {
        self.serve(&wanted.0)
    }

    /// As [`contains_all`](Self::contains_all), for scopes as somebody wrote them.
    pub(crate) fn serve(&self, wanted: &str) -> bool {
        *self.0 == *wanted
            || resource_scopes(wanted).all(|scope| self.iter().any(|own| own.eq_ignore_ascii_case(scope)))
    }

    /// True where the two sets share a scope.
    pub(crate) fn intersects(&self, other: &Scopes) -> bool {
        other.resource_scopes().any(|scope| self.resource_scopes().any(|own| own.eq_ignore_ascii_case(scope)))
    }

    /// These and those of `more` that are not among them yet.
    #[must_use]
    pub fn with(&self, more: &Scopes) -> Scopes {
        self.iter().chain(more.iter()).collect()
    }

    /// Those of these that are not among `others`. Reserved scopes and `.default` are never granted by name.
    #[must_use]
    pub(crate) fn without(&self, others: &Scopes) -> Scopes {
        self.resource_scopes()
            .filter(|scope| {
                !scope.ends_with("/.default") && !others.iter().any(|own| own.eq_ignore_ascii_case(scope))
            })
            .collect()
    }

    /// These with what every user flow asks for: an ID token, the profile claims and a refresh token.
    #[must_use]
    pub(crate) fn with_openid(&self) -> Scopes {
        self.iter().chain(RESERVED).collect()
    }

    /// True where each scope is a `{resource}/.default`, the only form that client credentials take.
    pub(crate) fn is_default_only(&self) -> bool {
        !self.is_empty() && self.iter().all(|scope| scope.ends_with("/.default"))
    }

    /// The scopes of the first resource that is named. A code or refresh token buys a token for one resource at a
    /// time (AADSTS70011, 28000), while a sign-in may ask consent for several.
    pub(crate) fn first_resource(&self) -> Scopes {
        let Some(first) = self.resource_scopes().next().map(resource) else { return self.clone() };
        self.resource_scopes().filter(|scope| resource(scope) == first).collect()
    }

    /// A spelling that is the same for equal sets: lower case, sorted, without the reserved ones. For keys.
    pub(crate) fn canonical(&self) -> String {
        let mut text = String::with_capacity(self.0.len());
        self.write_canonical(&mut text);
        text
    }

    /// Adds that spelling to a key.
    pub(crate) fn write_canonical(&self, key: &mut String) {
        let lower = self.0.to_ascii_lowercase();
        let mut all: SmallVec<[&str; 8]> = resource_scopes(&lower).collect();
        all.sort_unstable();
        all.dedup();
        for (place, scope) in all.into_iter().enumerate() {
            if place > 0 {
                key.push(' ');
            }
            key.push_str(scope);
        }
    }

    fn resource_scopes(&self) -> impl Iterator<Item = &str> {
        resource_scopes(&self.0)
    }
}

fn resource_scopes(scopes: &str) -> impl Iterator<Item = &str> {
    let is_reserved = |scope: &&str| RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(scope));
    scopes.split_ascii_whitespace().filter(move |scope| !is_reserved(scope))
}

/// What stands before the last slash; nothing means Microsoft Graph. A scheme's slashes are no separator.
fn resource(scope: &str) -> String {
    const GRAPH: &str = "https://graph.microsoft.com";
    match scope.rsplit_once('/') {
        Some((resource, _)) if !resource.ends_with(':') && !resource.ends_with(":/") => {
            resource.to_ascii_lowercase()
        }
        _ => GRAPH.to_owned(),
    }
}

impl From<&str> for Scopes {
    fn from(text: &str) -> Self {
        let mut scopes = text.split_ascii_whitespace();
        match (scopes.next(), scopes.next()) {
            (Some(one), None) => Scopes(one.into()),
            _ => text.split_ascii_whitespace().collect(),
        }
    }
}

impl std::str::FromStr for Scopes {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Scopes::from(text))
    }
}

impl From<String> for Scopes {
    fn from(text: String) -> Self {
        Scopes::from(text.as_str())
    }
}

impl From<&Scopes> for Scopes {
    fn from(scopes: &Scopes) -> Self {
        scopes.clone()
    }
}

/// The scopes of one request, borrowed where they are kept or written: who finds a token in the cache copies nothing.
///
/// ```
/// use shared_auth::{AskedScopes, Scopes};
///
/// let kept = Scopes::from("User.Read");
/// let asked = [AskedScopes::from("User.Read"), AskedScopes::from(&kept), AskedScopes::from(kept.clone())];
/// assert!(asked.iter().all(|asked| asked.to_scopes() == kept));
/// ```
#[derive(Debug, Clone)]
pub struct AskedScopes<'a>(Asked<'a>);

#[derive(Debug, Clone)]
enum Asked<'a> {
    Borrowed(&'a str),
    Owned(Scopes),
}

impl AskedScopes<'_> {
    /// As a set of their own.
    pub fn to_scopes(&self) -> Scopes {
        match &self.0 {
            Asked::Borrowed(text) => Scopes::from(*text),
            Asked::Owned(scopes) => scopes.clone(),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        match &self.0 {
            Asked::Borrowed(text) => text,
            Asked::Owned(scopes) => scopes.as_str(),
        }
    }
}

impl<'a> From<&'a str> for AskedScopes<'a> {
    fn from(text: &'a str) -> Self {
        Self(Asked::Borrowed(text))
    }
}

impl<'a> From<&'a String> for AskedScopes<'a> {
    fn from(text: &'a String) -> Self {
        Self(Asked::Borrowed(text))
    }
}

impl<'a> From<&'a Scopes> for AskedScopes<'a> {
    fn from(scopes: &'a Scopes) -> Self {
        Self(Asked::Borrowed(&scopes.0))
    }
}

impl From<Scopes> for AskedScopes<'_> {
    fn from(scopes: Scopes) -> Self {
        Self(Asked::Owned(scopes))
    }
}

impl From<String> for AskedScopes<'_> {
    fn from(text: String) -> Self {
        Self(Asked::Owned(text.into()))
    }
}

impl From<Scopes> for String {
    fn from(scopes: Scopes) -> Self {
        scopes.to_string()
    }
}

impl<S: AsRef<str>> FromIterator<S> for Scopes {
    /// An item may name several, separated by blanks. Repeated ones are left out.
    fn from_iter<I: IntoIterator<Item = S>>(scopes: I) -> Self {
        let mut all = String::new();
        for scope in scopes {
            for scope in scope.as_ref().split_ascii_whitespace() {
                if !all.split(' ').any(|own| own.eq_ignore_ascii_case(scope)) {
                    if !all.is_empty() {
                        all.push(' ');
                    }
                    all.push_str(scope);
                }
            }
        }
        Scopes(all.into())
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reserved_scopes_never_decide_a_lookup() {
        assert!(
            Scopes::from("User.Read").contains_all(&Scopes::from("openid profile offline_access user.read"))
        );
        assert!(!Scopes::from("openid").contains_all(&Scopes::from("User.Read")));
    }

    /// Checklist 140.
    #[test]
    fn equal_sets_have_one_canonical_spelling() {
        assert_eq!(Scopes::from("b A openid").canonical(), Scopes::from("a B").canonical());
    }

    #[test]
    fn a_code_is_redeemed_for_the_first_resource() {
        let scopes =
            Scopes::from("openid api://x/read User.Read api://x/write https://graph.microsoft.com/Mail.Read");

        assert_eq!(scopes.first_resource().to_string(), "api://x/read api://x/write");
        assert_eq!(
            Scopes::from("User.Read https://graph.microsoft.com/Mail.Read api://x/y")
                .first_resource()
                .iter()
                .count(),
            2
        );
    }

    /// Checklist 140.
    #[test]
    fn only_default_scopes_count_as_default() {
        assert!(Scopes::from("api://x/.default").is_default_only());
        assert!(!Scopes::from("api://x/.default api://x/read").is_default_only());
        assert!(!Scopes::from("").is_default_only());
    }

    #[test]
    fn a_list_whose_items_hold_several_scopes_is_a_list_of_all_of_them() {
        assert_eq!(["a b", "\tc\n", ""].iter().collect::<Scopes>(), Scopes::from("a b c"));
    }

    proptest! {
        #[test]
        fn printing_and_parsing_keeps_the_set(text in "[ a-zA-Z./:-]{0,60}") {
            let scopes = Scopes::from(text.as_str());
            prop_assert_eq!(Scopes::from(scopes.to_string()), scopes);
        }
    }
}
