//! JSON objects without a second meaning: a member that appears twice is an error (RFC 7515 §4, RFC 7519 §4).
//!
//! Parsers differ in which of two equal members wins. Where one parser checks a token and another one reads it, that
//! difference is an attack; so there is no such token here.

use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Reads an object. The error names the fault and its place, never a value.
pub(crate) fn object(bytes: &[u8]) -> Result<Map<String, Value>, String> {
    serde_json::from_slice::<NoDuplicates>(bytes)
        .and_then(|NoDuplicates| serde_json::from_slice(bytes))
        .map_err(|error| match error.classify() {
            serde_json::error::Category::Data if error.to_string().starts_with(DUPLICATE) => {
                error.to_string()
            }
            // serde_json's sentence about a wrong type quotes the value.
            serde_json::error::Category::Data => "it is JSON, but not an object".to_owned(),
            _ => format!("it is not JSON (line {}, column {})", error.line(), error.column()),
        })
}

/// The word for the JSON type of a value, for messages.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

const DUPLICATE: &str = "a member appears twice";

/// Any JSON in which no object has two members of the same name, however deep.
struct NoDuplicates;

impl<'de> Deserialize<'de> for NoDuplicates {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NoDuplicates)
    }
}

impl<'de> Visitor<'de> for NoDuplicates {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<NoDuplicates>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            if !names.insert(name) {
                return Err(A::Error::custom(DUPLICATE));
            }
            members.next_value::<NoDuplicates>()?;
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_member_that_appears_twice_is_refused_at_any_depth() {
        for json in [r#"{"a":1,"a":1}"#, r#"{"a":1,"\u0061":2}"#, r#"{"b":[{"c":{"d":1,"d":2}}]}"#] {
            assert!(object(json.as_bytes()).unwrap_err().starts_with(DUPLICATE), "{json}");
        }
        assert!(object(br#"{"a":{"b":1},"c":{"b":2},"d":[{"b":1},{"b":1}]}"#).is_ok());
    }

    #[test]
    fn only_one_object_and_nothing_after_it() {
        let deep = "[".repeat(6000);
        for json in [
            "[]",
            "null",
            "1",
            "\"{}\"",
            "",
            "{}{}",
            "{\"a\":NaN}",
            "{\"a\":1e999}",
            "\u{feff}{}",
            deep.as_str(),
        ] {
            assert!(object(json.as_bytes()).is_err(), "{json}");
        }
        assert!(object(b"{\"a\":\"\xff\"}").is_err());
    }

    #[test]
    fn the_error_does_not_repeat_what_it_found() {
        let error = object(br#""s3cret""#).unwrap_err();

        assert!(!error.contains("s3cret"), "{error}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = object(&bytes);
        }
    }
}
