//! JSON objects without a second meaning: a member that appears twice is an error (RFC 7515 §4, RFC 7519 §4).
//!
//! Parsers differ in which of two equal members wins, and some do not tell `aud` from `AUD`. Where one parser checks a
//! token and another one reads it, that difference is an attack; so there is no such token here. Text stays where it
//! is and is borrowed: a token is read once, and most of it is never needed.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Any JSON in which no object has two members of the same name, however deep.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json<'a> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'a, str>),
    Array(Vec<Json<'a>>),
    Object(Object<'a>),
}

/// The members. There are about twenty, among which looking at one after the other is the fastest way.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Object<'a>(Vec<Member<'a>>);

#[derive(Debug, Clone, PartialEq)]
struct Member<'a> {
    tag: u64,
    name: Cow<'a, str>,
    value: Json<'a>,
}

impl Member<'_> {
    fn is_called(&self, tag: u64, name: &str) -> bool {
        self.tag == tag && self.name == name
    }
}

/// The length of a name and how it begins. Most names differ in it, and numbers are compared faster than texts.
fn tag(name: &str) -> u64 {
    let mut tag = [0; 8];
    tag.iter_mut().zip(name.bytes()).for_each(|(place, byte)| *place = byte);
    u64::from_le_bytes(tag).rotate_left(5) ^ name.len() as u64
}

/// Reads an object. The error names the fault and its place, never a value.
pub(crate) fn object(bytes: &[u8]) -> Result<Object<'_>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    let mut reader = serde_json::Deserializer::from_str(text);
    // Claims have some forty bytes each; what is known of the size is said, so that they are not moved while they are read.
    let whole = AnyJson { room: text.len() / 32 };
    match reader.deserialize_any(whole).and_then(|json| reader.end().map(|()| json)) {
        Ok(Json::Object(object)) => Ok(object),
        Ok(_) => Err("it is JSON, but not an object".to_owned()),
        Err(error) if error.is_data() => Err(error.to_string()), // Our own sentence: there is no other kind of it.
        Err(error) => Err(format!("it is not JSON (line {}, column {})", error.line(), error.column())),
    }
}

impl<'a> Object<'a> {
    pub fn get(&self, name: &str) -> Option<&Json<'a>> {
        let tag = tag(name);
        self.0.iter().find(|member| member.is_called(tag, name)).map(|member| &member.value)
    }

    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Which of the `known` names is there in another spelling of upper and lower case, for whoever does not tell them
    /// apart. Letters that only become ASCII when their case is changed (`ſ`, the sign for kelvin) are no way around.
    pub fn odd_spelling<'k>(&self, known: &[&'k str]) -> Option<&'k str> {
        let names = self.0.iter().map(|member| &member.name);
        let odd = names
            .filter(|name| !name.bytes().all(|byte| byte.is_ascii_graphic() && !byte.is_ascii_uppercase()));
        odd.map(|name| name.trim().to_uppercase().to_lowercase())
            .find_map(|folded| known.iter().copied().find(|known| *known == folded))
    }

    /// The same as an owned map, for those who want all of it.
    pub fn into_map(self) -> Map<String, Value> {
        self.0.into_iter().map(|member| (member.name.into_owned(), member.value.into())).collect()
    }
}

impl Json<'_> {
    /// The word for the JSON type, for messages.
    pub fn type_name(&self) -> &'static str {
        match self {
            Json::Null => "null",
            Json::Bool(_) => "a boolean",
            Json::Number(_) => "a number",
            Json::Text(_) => "a string",
            Json::Array(_) => "an array",
            Json::Object(_) => "an object",
        }
    }
}

impl From<Json<'_>> for Value {
    fn from(json: Json<'_>) -> Self {
        match json {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(value),
            Json::Number(value) => Value::Number(value),
            Json::Text(value) => Value::String(value.into_owned()),
            Json::Array(items) => Value::Array(items.into_iter().map(Value::from).collect()),
            Json::Object(object) => Value::Object(object.into_map()),
        }
    }
}

const DUPLICATE: &str = "a member appears twice";

impl<'de> Deserialize<'de> for Json<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyJson { room: 4 })
    }
}

struct AnyJson {
    /// For so many members there is room at once.
    room: usize,
}

impl<'de> Visitor<'de> for AnyJson {
    type Value = Json<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Number::from_f64(value).map_or(Json::Null, Json::Number))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Json::Text(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Json::Text(value.to_owned().into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element()? {
            all.push(item);
        }
        Ok(Json::Array(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::with_capacity(self.room);
        let mut filter = Filter::default();
        while let Some((Name(name), value)) = members.next_entry()? {
            let tag = tag(&name);
            if filter.may_hold(tag)
                && all.len() < MANY
                && all.iter().any(|member: &Member<'_>| member.is_called(tag, &name))
            {
                return Err(A::Error::custom(DUPLICATE));
            }
            all.push(Member { tag, name, value });
        }
        match all.len() > MANY && has_duplicate(&all) {
            true => Err(A::Error::custom(DUPLICATE)),
            false => Ok(Json::Object(Object(all))),
        }
    }
}

/// Members up to which each new name is looked for among those before.
const MANY: usize = 32;

/// The tags that were there before, or most of them: what it does not hold was not there.
#[derive(Default)]
struct Filter([u64; 4]);

impl Filter {
    /// Whether a tag may have been there before; from now on it was.
    fn may_hold(&mut self, tag: u64) -> bool {
        let place = tag.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56;
        let (word, bit) = (&mut self.0[(place >> 6) as usize], 1 << (place & 63));
        let before = *word & bit != 0;
        *word |= bit;
        before
    }
}

/// The same for any number of them.
fn has_duplicate(members: &[Member<'_>]) -> bool {
    // Thousands of members (a header is read before its signature is checked) must not cost more for each.
    let mut names: Vec<&str> = members.iter().map(|member| member.name.as_ref()).collect();
    names.sort_unstable();
    names.windows(2).any(|pair| matches!(pair, [one, other] if one == other))
}

/// The name of a member, borrowed where it has no escapes.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(AnyName)
    }
}

struct AnyName;

impl<'de> Visitor<'de> for AnyName {
    type Value = Name<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Name(name.into()))
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Name(name.to_owned().into()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Checklist 29.
    #[test]
    fn a_member_that_appears_twice_is_refused_at_any_depth() {
        for json in [r#"{"a":1,"a":1}"#, r#"{"a":1,"\u0061":2}"#, r#"{"b":[{"c":{"d":1,"d":2}}]}"#] {
            assert!(object(json.as_bytes()).unwrap_err().starts_with(DUPLICATE), "{json}");
        }
        assert!(object(br#"{"a":{"b":1},"c":{"b":2},"d":[{"b":1},{"b":1}]}"#).is_ok());
        for members in [2, 32, 33, 2_000] {
            let all: Vec<String> = (0..members).map(|at| format!("\"{at}\":0")).collect();
            assert!(object(format!("{{{}}}", all.join(",")).as_bytes()).is_ok(), "{members}");
            let last = format!("{{{},\"{}\":1}}", all.join(","), members / 2);
            assert!(object(last.as_bytes()).unwrap_err().starts_with(DUPLICATE), "{members}");
        }
    }

    /// Checklist 29.
    #[test]
    fn a_known_name_in_other_letters_is_noticed() {
        let odd = |json: &str| object(json.as_bytes()).unwrap().odd_spelling(&["aud", "kid", "sub"]);

        assert_eq!(odd(r#"{"aud":1,"AUD":1}"#), Some("aud"));
        assert_eq!(odd(r#"{"Aud":1}"#), Some("aud"));
        assert_eq!(odd("{\"\u{212a}id\":1}"), Some("kid"));
        assert_eq!(odd("{\"\u{17f}ub\":1}"), Some("sub"));
        assert_eq!(odd(r#"{"aud ":1}"#), Some("aud"));
        assert_eq!(odd(r#"{"aud":1,"employeeId":1,"Größe":2,"":3}"#), None);
    }

    /// Checklist 30, 153.
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
        /// Checklist 30.
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = object(&bytes);
        }

        #[test]
        fn what_is_read_is_what_others_read(members in proptest::collection::btree_map("[a-zA-Z\\\\\"é]{0,6}", any::<i64>(), 0..40)) {
            let written = serde_json::to_string(&members).unwrap();
            let read = object(written.as_bytes()).unwrap();
            for (name, value) in &members {
                prop_assert_eq!(read.get(name), Some(&Json::Number((*value).into())));
            }
            let map: Map<String, Value> = serde_json::from_str(&written).unwrap();
            prop_assert_eq!(read.into_map(), map);
        }
    }
}
