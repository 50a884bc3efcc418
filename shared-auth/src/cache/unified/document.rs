//! The whole document: five sections of entries under keys, and whatever else stands beside them.
//!
//! Reading believes an entry's members and never its key: the libraries do not agree on keys. Writing uses MSAL Python's.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;
use zeroize::Zeroizing;

use super::MsalCacheError;
use super::entity::{Entity, Entry, name_of_member};
use super::reader::{Broken, Reader};

/// A member of the root that holds entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Section {
    AccessToken,
    Account,
    IdToken,
    RefreshToken,
    AppMetadata,
}

impl Section {
    pub const ALL: [Section; 5] =
        [Self::AccessToken, Self::Account, Self::IdToken, Self::RefreshToken, Self::AppMetadata];

    pub fn name(self) -> &'static str {
        match self {
            Self::AccessToken => "AccessToken",
            Self::Account => "Account",
            Self::IdToken => "IdToken",
            Self::RefreshToken => "RefreshToken",
            Self::AppMetadata => "AppMetadata",
        }
    }
}

/// A document that was read. Borrows its texts from where it was read.
#[derive(Debug, Default)]
pub(super) struct Document<'a> {
    sections: [Vec<(Cow<'a, str>, Entry<'a>)>; 5],
    /// Other members of the root.
    pub unknown: Vec<(Cow<'a, str>, Value)>,
    /// A section that is something else.
    no_object: Option<Section>,
}

impl<'a> Document<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Self, MsalCacheError> {
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
        if bytes.trim_ascii_start().first() != Some(&b'{') {
            return Err(MsalCacheError::Protected);
        }
        // Many bytes at a time; where that fails, the other one knows where.
        let text =
            simdutf8::basic::from_utf8(bytes).or_else(|_| std::str::from_utf8(bytes)).map_err(|error| {
                let (before, _) = bytes.split_at(error.valid_up_to());
                let line_begins = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
                let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
                MsalCacheError::NotJson { line, column: before.len() - line_begins + 1 }
            })?;
        let mut document = Self::default();
        if document.read(&mut Reader::new(text)).is_err() {
            return Err(MsalCacheError::not_json(text));
        }
        match document.no_object {
            Some(section) => Err(MsalCacheError::NotACache(section.name())),
            None => Ok(document),
        }
    }

    fn read(&mut self, reader: &mut Reader<'a>) -> Result<(), Broken> {
        reader.object(|reader, name| {
            match Section::ALL.into_iter().find(|section| section.name() == name) {
                Some(section) if reader.is_at(b'{') => {
                    let entries = &mut self.sections[section as usize];
                    reader.object(|reader, key| {
                        entries.push((key, Entry::read(reader)?));
                        Ok(())
                    })?;
                }
                Some(section) => {
                    if !reader.value()?.is_null() {
                        self.no_object = Some(section);
                    }
                }
                None => self.unknown.push((name, reader.value()?)),
            }
            Ok(())
        })?;
        reader.end()
    }

    pub fn section(&self, section: Section) -> &[(Cow<'a, str>, Entry<'a>)] {
        &self.sections[section as usize]
    }
}

/// A document that is being written: each entry as JSON, in the order of the keys. What was put first, stays.
#[derive(Debug, Default)]
pub(super) struct Writer {
    sections: [BTreeMap<String, Zeroizing<Vec<u8>>>; 5],
    unknown: BTreeMap<String, Vec<u8>>,
}

impl Writer {
    pub fn put(&mut self, section: Section, key: String, entity: &Entity<'_>) {
        self.sections[section as usize].entry(key).or_insert_with(|| entity.json());
    }

    /// An entry as it was set aside.
    pub fn keep(&mut self, section: Section, key: &str, json: &[u8]) {
        let kept = || Zeroizing::new(json.to_vec());
        self.sections[section as usize].entry(key.to_owned()).or_insert_with(kept);
    }

    pub fn keep_unknown(&mut self, name: &str, json: &[u8]) {
        self.unknown.insert(name.to_owned(), json.to_vec());
    }

    pub fn finish(self) -> Zeroizing<String> {
        let long = |(key, json): (&String, usize)| 2 * key.len() + json + 4;
        let entries = self.sections.iter().flatten().map(|(key, json)| (key, json.len()));
        let others = self.unknown.iter().map(|(name, json)| (name, json.len()));
        let room: usize = entries.chain(others).map(long).sum();
        let mut json = Zeroizing::new(Vec::with_capacity(room + 128));
        json.push(b'{');
        for section in Section::ALL {
            name_of_member(&mut json, section.name());
            json.push(b'{');
            for (key, entity) in &self.sections[section as usize] {
                name_of_member(&mut json, key);
                json.extend_from_slice(entity);
            }
            json.push(b'}');
        }
        for (name, value) in &self.unknown {
            name_of_member(&mut json, name);
            json.extend_from_slice(value);
        }
        json.push(b'}');
        // serde_json writes UTF-8 and nothing else.
        Zeroizing::new(String::from_utf8(std::mem::take(&mut *json)).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// JSON of every shape, not too deep.
    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "\\PC{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(2, 8, 3, |inner| {
            let list = prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from);
            let object = prop::collection::btree_map("\\PC{0,6}", inner, 0..3);
            prop_oneof![
                list,
                object.prop_map(|members| members.into_iter().collect::<serde_json::Map<_, _>>().into())
            ]
        })
    }

    /// An entry with known and unknown members; those that are written as text are text.
    fn any_entry() -> impl Strategy<Value = Value> {
        let names =
            prop::sample::select(vec!["secret", "target", "expires_on", "userAssertionHash", "username"]);
        let known = prop::collection::btree_map(names.prop_map(str::to_owned), "\\PC{0,12}", 0..4);
        let unknown = prop::collection::btree_map("[a-z_]{1,3}", any_json(), 0..3);
        (known, unknown).prop_map(|(known, unknown)| {
            let known = known.into_iter().map(|(name, text)| (name, Value::from(text)));
            Value::Object(known.chain(unknown).collect())
        })
    }

    fn written(document: &Document<'_>) -> Value {
        let mut writer = Writer::default();
        for section in Section::ALL {
            for (key, entry) in document.section(section) {
                match entry {
                    Entry::Entity(entity) => writer.put(section, key.to_string(), entity),
                    Entry::Other(value) => writer.keep(section, key, value.to_string().as_bytes()),
                }
            }
        }
        for (name, value) in &document.unknown {
            writer.keep_unknown(name, value.to_string().as_bytes());
        }
        serde_json::from_str(&writer.finish()).unwrap()
    }

    #[test]
    fn missing_and_empty_sections_are_empty() {
        for text in ["{}", r#"{"AccessToken":null}"#, r#"{"AccessToken":{}}"#, "\u{feff} {}"] {
            let document = Document::parse(text.as_bytes()).unwrap();
            assert!(Section::ALL.iter().all(|section| document.section(*section).is_empty()), "{text}");
        }
    }

    #[test]
    fn a_broken_section_is_named() {
        for text in
            [r#"{"IdToken":[1,{"a":2}]}"#, r#"{"IdToken":"x"}"#, r#"{"IdToken":true}"#, r#"{"IdToken":1.5}"#]
        {
            let error = Document::parse(text.as_bytes()).unwrap_err();
            assert_eq!(error, MsalCacheError::NotACache("IdToken"), "{text}");
        }
    }

    proptest! {
        #[test]
        fn reading_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "\\PC{0,200}") {
            let _ = Document::parse(&bytes);
            let _ = Document::parse(text.as_bytes());
            let _ = Document::parse(format!("{{\"AccessToken\":{{\"a\":{text}}}}}").as_bytes());
        }

        #[test]
        fn what_is_json_is_for_serde_json_to_say(json in any_json(), cut in 0..40usize, byte in any::<u8>(), pretty: bool) {
            let root = json!({ "AccessToken": { "k": json }, "other": json });
            let text = if pretty { serde_json::to_string_pretty(&root) } else { serde_json::to_string(&root) }.unwrap();
            let mut bytes = text.into_bytes();
            let at = cut % bytes.len();
            prop_assert!(Document::parse(&bytes).is_ok());
            bytes[at] = byte;
            let is_json = serde_json::from_slice::<Value>(&bytes).is_ok_and(|value| value.is_object());
            prop_assert_eq!(!matches!(Document::parse(&bytes), Err(MsalCacheError::NotJson { .. } | MsalCacheError::Protected)), is_json);
            bytes.truncate(at);
            prop_assert!(Document::parse(&bytes).is_err());
        }

        #[test]
        fn what_was_read_is_written_as_it_was(
            entries in prop::collection::btree_map("\\PC{0,8}", prop_oneof![any_entry(), any_json()], 0..4),
            unknown in prop::collection::btree_map("[a-z]{1,4}", any_json(), 0..3),
        ) {
            let mut root: serde_json::Map<String, Value> = unknown.into_iter().collect();
            for section in Section::ALL {
                root.insert(section.name().to_owned(), json!(entries));
            }
            let root = Value::Object(root);
            let text = root.to_string();
            prop_assert_eq!(written(&Document::parse(text.as_bytes()).unwrap()), root);
        }
    }
}
