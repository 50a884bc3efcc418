//! A file, and memory in front of it.

use std::sync::Arc;

use jiff::SignedDuration;

use super::level::place_of_a_view;
use super::two_levels::TwoLevels;
use super::{KEY, Outside, Place, View, clock, everywhere, from_outside, keys, tests};
use crate::cache::file::FileCache;
use crate::cache::seal::KeyRing;
use crate::clock::ManualClock;

pub(super) struct InAFile {
    folder: tempfile::TempDir,
    clock: ManualClock,
    view: View,
}

everywhere!(file: super::InAFile);
everywhere!(two_levels_with_a_file: super::TwoLevels<super::InAFile>);
from_outside!(file_from_outside: super::InAFile);

fn view(folder: &tempfile::TempDir, keys: &KeyRing, clock: &ManualClock) -> View {
    let cache = FileCache::with_keys(folder.path(), keys);
    let level = cache.level("login", "tenant", "client", Arc::new(clock.clone()));
    let backend = Arc::clone(&level.backend);
    View { level, backend, keys: keys.clone(), refused: Box::new(move || cache.state().set_aside) }
}

impl Place for InAFile {
    async fn begin() -> Self {
        let (folder, clock) = (tempfile::tempdir().unwrap(), clock());
        let view = view(&folder, &keys(KEY), &clock);
        Self { folder, clock, view }
    }

    place_of_a_view!();
}

impl Outside for InAFile {
    fn view(&self, keys: &KeyRing) -> View {
        view(&self.folder, keys, &self.clock)
    }

    async fn everything(&self) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        for file in std::fs::read_dir(self.folder.path()).unwrap() {
            let file = file.unwrap();
            all.push(file.file_name().into_encoded_bytes());
            all.push(std::fs::read(file.path()).unwrap());
        }
        all
    }

    async fn passes(&self, time: SignedDuration) {
        self.clock.advance(time);
    }
}
