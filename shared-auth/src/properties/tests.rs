//! The properties in the normal suite: the seeds of the fuzz targets, seeds with changes, and noise.

use std::path::Path;

use proptest::prelude::*;

type Property = fn(&[u8]);

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|_| panic!("{} is missing", folder.display()));
    files.map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
}

/// A seed with a few bytes replaced, cut, and perhaps a piece of another one behind it.
fn changed(seed: &[u8], changes: &[(usize, u8)], cut: usize, tail: &[u8]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for (at, byte) in changes {
        let length = bytes.len().max(1);
        if let Some(place) = bytes.get_mut(at % length) {
            *place = *byte;
        }
    }
    bytes.truncate(bytes.len() - cut % (bytes.len() + 1));
    bytes.extend_from_slice(tail);
    bytes
}

macro_rules! properties {
    ($($(#[$gate:meta])? $name:ident),+ $(,)?) => {
        $(
            $(#[$gate])?
            mod $name {
                use super::*;

                const NAME: &str = stringify!($name);
                const PROPERTY: Property = crate::properties::$name;

                #[test]
                fn it_is_a_fuzz_target() {
                    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
                    let manifest = std::fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
                    let target = fuzz.join(format!("fuzz_targets/{NAME}.rs"));
                    let target = std::fs::read_to_string(target).unwrap();
                    assert!(manifest.contains(&format!("name = \"{NAME}\"")));
                    assert!(target.contains(&format!("shared_auth::properties::{NAME}(")));
                }

                #[test]
                fn every_seed_keeps_it() {
                    for seed in seeds(NAME) {
                        println!("{}", seed.escape_ascii()); // Shown where it fails.
                        PROPERTY(&seed);
                    }
                }

                proptest! {
                    /// Checklist 30.
                    #[test]
                    fn noise_keeps_it(
                        noise in proptest::collection::vec(any::<u8>(), 0..200),
                        text in "\\PC{0,100}",
                    ) {
                        PROPERTY(&noise);
                        PROPERTY(text.as_bytes());
                    }

                    /// Checklist 30.
                    #[test]
                    fn changed_seeds_keep_it(
                        which in any::<prop::sample::Index>(),
                        other in any::<prop::sample::Index>(),
                        changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 0..4),
                        cut in prop_oneof![Just(0), any::<usize>()],
                    ) {
                        let seeds = seeds(NAME);
                        let (seed, tail) = (which.get(&seeds), other.get(&seeds));
                        let tail = if cut == 0 { &[][..] } else { &tail[tail.len() / 2..] };
                        PROPERTY(&changed(seed, &changes, cut, tail));
                    }
                }
            }
        )+
    };
}

properties!(
    #[cfg(feature = "actix")]
    authorization_header,
    cache_entry,
    challenge,
    discovery,
    jwks,
    msal_cache,
    scopes,
    settings,
    sign_in,
    token,
    token_endpoint,
);
