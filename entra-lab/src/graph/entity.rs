//! Graph's JSON: an object whose members keep their order, and a page of such objects.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

/// One resource with the members that were asked for.
#[derive(Debug, Default)]
pub struct Entity(Vec<(&'static str, Value)>);

impl Entity {
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.push((name, value.into()));
        self
    }

    /// The same with `@odata.context` in front, for an answer that is one resource.
    pub fn in_context(mut self, context: String) -> Self {
        self.0.insert(0, ("@odata.context", context.into()));
        self
    }

    /// Keeps annotations (`@odata…`) and what `wanted` agrees to.
    pub fn keep(mut self, wanted: impl Fn(&str) -> bool) -> Self {
        self.0.retain(|(name, _)| name.starts_with('@') || wanted(name));
        self
    }
}

impl Serialize for Entity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// A page of a collection. Without a link it is the last one.
#[derive(Debug, serde::Serialize)]
pub struct Page {
    #[serde(rename = "@odata.context")]
    pub context: String,
    #[serde(rename = "@odata.nextLink", skip_serializing_if = "Option::is_none")]
    pub next_link: Option<String>,
    pub value: Vec<Entity>,
}
