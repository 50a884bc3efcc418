//! One object of a configuration: what is taken from it, and what is left over when it was read.

use std::cell::RefCell;
use std::collections::HashSet;

use serde_json::Value;
use url::Url;

use super::Notes;

/// An object whose members are taken one by one, whatever the case of their names.
pub(super) struct Section<'a> {
    name: String,
    members: Vec<(&'a str, &'a Value)>,
    taken: RefCell<HashSet<&'a str>>,
}

impl<'a> Section<'a> {
    /// Anything but an object is a problem, and then an empty section.
    pub fn new(value: &'a Value, name: &str, notes: &mut Notes) -> Self {
        let members: Vec<_> = match value {
            Value::Object(members) => members.iter().map(|(name, value)| (name.as_str(), value)).collect(),
            _ => {
                notes.problem(name, "must be an object with members");
                Vec::new()
            }
        };
        let section = Self { name: name.to_owned(), members, taken: RefCell::default() };
        for (index, (member, _)) in section.members.iter().enumerate() {
            if section.members.iter().take(index).any(|(other, _)| other.eq_ignore_ascii_case(member)) {
                notes.problem(&section.path(member), "is there twice, in different spellings");
            }
        }
        section
    }

    /// The name of a member as problems call it.
    pub fn path(&self, member: &str) -> String {
        if self.name.is_empty() { member.to_owned() } else { format!("{}.{member}", self.name) }
    }

    pub fn members(&self) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.members.iter().copied()
    }

    /// A member; `null` counts as absent, as it does in .NET.
    pub fn member(&self, name: &str) -> Option<&'a Value> {
        let (spelled, value) = self.members.iter().find(|(member, _)| member.eq_ignore_ascii_case(name))?;
        self.taken.borrow_mut().insert(spelled);
        (!value.is_null()).then_some(value)
    }

    /// A text; empty counts as absent, and a placeholder of a template is a problem.
    pub fn text(&mut self, name: &str, notes: &mut Notes) -> Option<String> {
        match self.member(name)? {
            Value::String(text) => self.checked(name, text, notes),
            _ => {
                notes.problem(&self.path(name), "must be a text");
                None
            }
        }
    }

    /// A list of texts, or one text in place of a list of one.
    pub fn texts(&mut self, name: &str, notes: &mut Notes) -> Vec<String> {
        let items = match self.member(name) {
            None => return Vec::new(),
            Some(Value::Array(items)) => items.as_slice(),
            Some(single) => std::slice::from_ref(single),
        };
        if !items.iter().all(Value::is_string) {
            notes.problem(&self.path(name), "must be a list of texts");
        }
        items.iter().filter_map(|item| self.checked(name, item.as_str()?, notes)).collect()
    }

    /// True or false; also as text, as environment variables have it in .NET.
    pub fn flag(&mut self, name: &str, notes: &mut Notes) -> bool {
        match self.member(name) {
            None => false,
            Some(Value::Bool(flag)) => *flag,
            Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => true,
            Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => false,
            Some(_) => {
                notes.problem(&self.path(name), "must be true or false");
                false
            }
        }
    }

    pub fn url(&mut self, name: &str, notes: &mut Notes) -> Option<Url> {
        let text = self.text(name, notes)?;
        match Url::parse(&text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => Some(url),
            _ => {
                notes.problem(&self.path(name), "must be an address that starts with https://");
                None
            }
        }
    }

    /// Names what is left: without effect, not supported, or unknown.
    pub fn finish(self, without_effect: &[&str], not_supported: &[&str], notes: &mut Notes) {
        let among = |names: &[&str], member: &str| names.iter().any(|name| name.eq_ignore_ascii_case(member));
        for (member, value) in &self.members {
            // What is switched off anyway asks for nothing.
            let empty = match value {
                Value::Null | Value::Bool(false) => true,
                Value::Array(items) => items.is_empty(),
                Value::String(text) => text.trim().is_empty(),
                _ => false,
            };
            if self.taken.borrow().contains(member) {
                continue;
            }
            if among(without_effect, member) || (empty && among(not_supported, member)) {
                notes.ignored.push(self.path(member));
            } else if among(not_supported, member) {
                notes.problem(
                    &self.path(member),
                    "is not supported here; leave it out, if you can do without",
                );
            } else {
                notes.problem(&self.path(member), "is not a known member; is it misspelled?");
            }
        }
    }

    fn checked(&self, name: &str, text: &str, notes: &mut Notes) -> Option<String> {
        let text = text.trim();
        // Templates of Microsoft: "[Enter the Client Id …]", "Enter_the_Tenant_Id_Here", "YOUR_CLIENT_ID".
        let shouting = text.to_ascii_lowercase();
        if text.starts_with('[') || shouting.starts_with("enter_the_") || shouting.starts_with("your_") {
            notes.problem(&self.path(name), "still holds the placeholder of a template");
            return None;
        }
        (!text.is_empty()).then(|| text.to_owned())
    }
}
