//! One entry of a document: the members that have a meaning here, each as the text it was, and all the others.
//!
//! A member that every library writes as text is taken from a number too; `null` means absent (MSAL Python writes it for
//! an application's home account). Nothing is lost: what is read can be written again.

use std::borrow::Cow;

use serde_json::Value;
use zeroize::Zeroizing;

use super::reader::{Broken, Reader};

macro_rules! fields {
    ($($variant:ident = $name:literal,)*) => {
        /// The members that have a meaning here, by the names that the libraries give them.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Field { $($variant,)* }

        impl Field {
            pub const ALL: &[Field] = &[$(Field::$variant,)*];

            pub fn name(self) -> &'static str {
                match self { $(Field::$variant => $name,)* }
            }

            fn of(name: &str) -> Option<Self> {
                match name { $($name => Some(Field::$variant),)* _ => None }
            }
        }
    };
}

fields! {
    CredentialType = "credential_type",
    HomeAccountId = "home_account_id",
    Environment = "environment",
    ClientId = "client_id",
    Secret = "secret",
    Realm = "realm",
    Target = "target",
    TokenType = "token_type",
    CachedAt = "cached_at",
    ExpiresOn = "expires_on",
    ExtendedExpiresOn = "extended_expires_on",
    RefreshOn = "refresh_on",
    UserAssertionHash = "user_assertion_hash",
    UserAssertionHashOfNode = "userAssertionHash",
    AssertionExpiresOn = "assertion_expires_on",
    FamilyId = "family_id",
    LastModificationTime = "last_modification_time",
    LocalAccountId = "local_account_id",
    Username = "username",
    AuthorityType = "authority_type",
    AccountSource = "account_source",
}

const FIELDS: usize = Field::ALL.len();

/// Members by which a library keeps a token apart from those that any request may have: keys it is bound to, and
/// parameters it was asked for with.
const BINDING: [&str; 9] = [
    "key_id",
    "keyid",
    "kid",
    "ext_cache_key",
    "additionalCacheKeyComponents",
    "ext",
    "persisted_cache_parameters",
    "requestedClaims",
    "requestedClaimsHash",
];

/// How the kind of such a token ends.
const WITH_SCHEME: &str = "_with_authscheme";

/// An entry.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Entity<'a> {
    /// All of it, as it was written. Empty for one that was made here.
    pub written: &'a str,
    known: [Option<Cow<'a, str>>; FIELDS],
    /// Members without a meaning here, and known ones that are not text.
    pub more: Vec<(Cow<'a, str>, Value)>,
}

impl<'a> Entity<'a> {
    /// A member; empty counts as absent.
    pub fn get(&self, field: Field) -> Option<&str> {
        self.known[field as usize].as_deref().filter(|text| !text.is_empty())
    }

    pub fn set(&mut self, field: Field, text: impl Into<Cow<'a, str>>) {
        self.known[field as usize] = Some(text.into());
    }

    pub fn clear(&mut self, field: Field) {
        self.known[field as usize] = None;
    }

    /// As [`set`](Self::set), for building an entry in one go.
    pub fn with(mut self, field: Field, text: impl Into<Cow<'a, str>>) -> Self {
        self.set(field, text);
        self
    }

    /// A moment in whole seconds.
    pub fn time(&self, field: Field) -> Option<jiff::Timestamp> {
        jiff::Timestamp::from_second(self.get(field)?.parse().ok()?).ok()
    }

    /// True where only requests that name the same key or the same parameters may have the token.
    pub fn is_bound(&self) -> bool {
        let bearer = self.get(Field::TokenType).is_none_or(|kind| kind.eq_ignore_ascii_case("bearer"));
        let kind = self.get(Field::CredentialType).unwrap_or_default();
        let binds = |(name, value): &(Cow<'_, str>, Value)| {
            BINDING.contains(&name.as_ref())
                && match value {
                    Value::Null => false,
                    Value::String(text) => !text.is_empty(),
                    Value::Object(members) => !members.is_empty(),
                    _ => true,
                }
        };
        let scheme = kind.len().checked_sub(WITH_SCHEME.len()).and_then(|at| kind.get(at..));
        !bearer
            || scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(WITH_SCHEME))
            || self.more.iter().any(binds)
    }

    /// As JSON, wiped when it is dropped, for it may hold a token.
    pub fn json(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.plain_json())
    }

    /// As JSON, of an entry without a token.
    pub fn text(&self) -> String {
        // serde_json writes UTF-8 and nothing else.
        String::from_utf8(self.plain_json()).unwrap_or_default()
    }

    /// As JSON. Dates stay text, and a member that is not known to be anything is not written: MSAL.NET and MSAL Go
    /// refuse a whole document for one date that is none.
    fn plain_json(&self) -> Vec<u8> {
        let texts = || {
            Field::ALL
                .iter()
                .filter_map(|&field| Some((field.name(), self.known[field as usize].as_deref()?)))
        };
        let long: usize = texts().map(|(name, text)| name.len() + text.len() + 6).sum();
        // With room enough from the start: a buffer that grows leaves copies of tokens behind.
        let mut json = Vec::with_capacity(2 * long + 64 * self.more.len());
        json.push(b'{');
        for (name, text) in texts() {
            name_of_member(&mut json, name);
            let _ = serde_json::to_writer(&mut json, text);
        }
        for (name, value) in &self.more {
            name_of_member(&mut json, name);
            let _ = serde_json::to_writer(&mut json, value);
        }
        json.push(b'}');
        json
    }
}

/// Begins a member of an object that was opened.
pub(super) fn name_of_member(json: &mut Vec<u8>, name: &str) {
    if json.last() != Some(&b'{') {
        json.push(b',');
    }
    // Writing text to memory does not fail.
    let _ = serde_json::to_writer(&mut *json, name);
    json.push(b':');
}

/// What stands under a key: an entry, or something that is none and is only kept.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Entry<'a> {
    Entity(Box<Entity<'a>>),
    Other(Value),
}

impl<'a> Entry<'a> {
    pub fn read(reader: &mut Reader<'a>) -> Result<Self, Broken> {
        if !reader.is_at(b'{') {
            return Ok(Self::Other(reader.value()?));
        }
        let mut entity = Box::<Entity<'a>>::default();
        (entity.written, ()) = reader.written(|reader| {
            reader.object(|reader, name| {
                let field = Field::of(&name);
                if reader.is_at(b'"') {
                    let text = reader.text()?;
                    match field {
                        Some(field) => entity.known[field as usize] = Some(text),
                        None => entity.more.push((name, text.into_owned().into())),
                    }
                    return Ok(());
                }
                match (field, reader.value()?) {
                    (Some(field), Value::Number(number)) => {
                        entity.known[field as usize] = Some(number.to_string().into());
                    }
                    (_, value) => entity.more.push((name, value)),
                }
                Ok(())
            })
        })?;
        Ok(Self::Entity(entity))
    }
}
