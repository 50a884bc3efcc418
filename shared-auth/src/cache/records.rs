//! Small records beside the tokens, such as who has signed in: sealed like these, in lists, each under a name.
//!
//! They stay until they are removed. Names are hashed, as everything is that leaves the process.

use std::sync::Arc;
use std::time::Duration;

use super::key::Id;
use super::seal::Opened;
use super::shared::{SharedLevel, Write, Written, head, milliseconds};

/// Longer than anybody waits.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

impl SharedLevel {
    /// What a list holds, the latest first. `None` where the backend is away.
    pub async fn records(&self, list: &str) -> Option<Vec<Opened>> {
        let id = list_id(list);
        let raw = self.backend.read(id).await.ok()?;
        let opened = raw.fields.into_iter().filter_map(|(field, value)| self.unseal(id, &field, value));
        let mut records: Vec<_> = opened.collect();
        records.sort_by_key(|(stamp, _)| std::cmp::Reverse(*stamp));
        Some(records.into_iter().map(|(_, record)| record).collect())
    }

    /// Puts a record into a list, in place of an older one of this name. False where the backend did not take it.
    pub async fn put_record(&self, list: &str, name: &str, record: &[u8]) -> bool {
        let (id, field, now) = (list_id(list), field_of(name), self.clock.now());
        let Ok(raw) = self.backend.read(id).await else { return false };
        // Later than all that is there, even where two are put in one millisecond.
        let latest = raw.fields.into_iter().filter_map(|(field, value)| self.unseal(id, &field, value));
        let latest = latest.map(|(stamp, _)| stamp).max().unwrap_or_default();
        let Some(value) = self.seal(id, &field, milliseconds(now).max(latest + 1), record) else {
            return false;
        };
        let write = Write { puts: vec![(field, value)], ..self.nothing(id) };
        matches!(self.backend.write(write).await, Ok(Written::Kept(_)))
    }

    /// Takes a record out of a list. The caller does not wait; a backend that is away is tried again.
    pub fn remove_record(&self, list: &str, name: &str) {
        let (level, id, name) = (Arc::new(self.clone()), list_id(list), field_of(name));
        self.until_done(move || {
            let (level, name) = (Arc::clone(&level), name.clone());
            Box::pin(async move {
                let fields = level.backend.read(id).await?.fields;
                let drops: Vec<_> = fields
                    .into_iter()
                    .filter(|(field, _)| *field == name)
                    .map(|(field, value)| (field, head(&value).to_vec()))
                    .collect();
                if drops.is_empty() {
                    return Ok(());
                }
                level.backend.write(Write { drops, ..level.nothing(id) }).await.map(|_| ())
            })
        });
    }

    /// A write that changes nothing yet.
    fn nothing(&self, partition: Id) -> Write {
        Write {
            partition,
            knew_removal: None,
            puts: Vec::new(),
            drops: Vec::new(),
            ttl: FOR_EVER,
            user: None,
            now: self.clock.now(),
            announce: false,
            release: None,
        }
    }
}

fn list_id(list: &str) -> Id {
    Id::of(&["list", list])
}

fn field_of(name: &str) -> String {
    let mut field = Id::of(&["record", name]).text();
    field.truncate(22);
    field.insert(0, 'n');
    field
}
