//! Values that leave the process are sealed: AES-256-GCM under a ring of keys, bound to the place they are kept in.
//!
//! `version (1) | key id (4) | nonce (12) | ciphertext and tag`. The newest key seals, every key of the ring opens, so a key
//! is changed by putting the new one first and dropping the old one when its values have ended. The place (which entry
//! of which partition) is associated data: a value that was moved, cut, forged or sealed by somebody else does not
//! open. That is a miss, counted and said once in a while, never an error for the user.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest::{Context, SHA256};
#[cfg(feature = "actix")]
use aws_lc_rs::hkdf;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use smallvec::SmallVec;
use zeroize::Zeroizing;

use crate::env::Env;
use crate::secret::WipedBytes;
use crate::telemetry::{Counter, SEALED_VALUES_REFUSED};

const VERSION: u8 = 1;
const ID: usize = 4;
const HEAD: usize = 1 + ID + NONCE_LEN;
/// Tokens and sessions are smaller; what is larger was not written by us, and is not worth the work of opening it.
const LARGEST: usize = 1024 * 1024;
/// One line in this many tells of values that do not open: a damaged store must not fill the log.
const SAY_ONE_IN: u64 = 1_000;

/// The keys that seal what is shared outside the process, newest first. Clones share them.
///
/// A key is 32 random bytes in base64: `openssl rand -base64 32`. Several are separated by commas or blanks.
///
/// ```
/// use shared_auth::KeyRing;
///
/// let old = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
/// let new = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
/// let ring: KeyRing = format!("{new},{old}").parse()?;
/// assert!("too short".parse::<KeyRing>().is_err());
/// # Ok::<(), &'static str>(())
/// ```
#[derive(Clone)]
pub struct KeyRing {
    keys: Arc<[SealingKey]>,
    unreadable: Counter,
}

struct SealingKey {
    id: [u8; ID],
    key: RandomizedNonceKey,
}

impl SealingKey {
    fn new(bytes: &[u8]) -> Option<Self> {
        // Which key it is, not what it is: the id stands beside every value.
        let mut hash = Context::new(&SHA256);
        hash.update(b"cache key id|");
        hash.update(bytes);
        let mut id = [0; ID];
        id.copy_from_slice(&hash.finish().as_ref()[..ID]);
        let key = RandomizedNonceKey::new(&AES_256_GCM, bytes).ok()?;
        Some(Self { id, key })
    }
}

/// What was sealed, in the buffer in which it came. It is wiped when it is dropped.
pub(crate) struct Opened {
    buffer: WipedBytes,
    begins: usize,
}

impl Deref for Opened {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.buffer.get(self.begins..).unwrap_or_default()
    }
}

/// Sealing failed: the system's random generator does not answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NoRandomness;

impl KeyRing {
    /// Reads `CACHE_KEYS`, or the file that `CACHE_KEYS_FILE` names. The outer `None` means that a problem was noted.
    #[allow(clippy::option_option, reason = "absent and malformed are different answers")]
    pub fn from_env(env: &mut Env) -> Option<Option<Self>> {
        const FILE: &str = "CACHE_KEYS_FILE";
        let keys = env.optional::<KeyRing>("CACHE_KEYS");
        let Some(path) = env.optional::<String>(FILE)? else { return keys };
        if !matches!(keys, Some(None)) {
            env.note(FILE, "is set beside CACHE_KEYS; set one of the two");
            return None;
        }
        let problem = match std::fs::read_to_string(&path).map(Zeroizing::new) {
            Ok(text) => match text.parse() {
                Ok(ring) => return Some(Some(ring)),
                Err(reason) => format!("names a file that cannot be used: {reason}"),
            },
            Err(error) => format!("names a file that cannot be read: {error}"),
        };
        env.note(FILE, problem);
        None
    }

    /// A ring of one key for a `purpose` of its own, made of a secret that serves others too (RFC 5869).
    #[cfg(feature = "actix")]
    pub(crate) fn derived(secret: &[u8], purpose: &[u8]) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(secret);
        let filled = secret.expand(&[purpose], hkdf::HKDF_SHA256).and_then(|key| key.fill(bytes.as_mut()));
        // A ring without a key, if that could fail, would seal and open nothing.
        Self::of(filled.ok().and_then(|()| SealingKey::new(bytes.as_ref())).into_iter().collect())
    }

    fn of(keys: Arc<[SealingKey]>) -> Self {
        Self { keys, unreadable: Counter::named(SEALED_VALUES_REFUSED) }
    }

    /// Seals `plain` for `place`.
    pub(crate) fn seal(&self, place: &[&[u8]], plain: &[u8]) -> Result<Vec<u8>, NoRandomness> {
        let SealingKey { id, key } = self.keys.first().ok_or(NoRandomness)?;
        // In one buffer, which holds only ciphertext when it is handed out.
        let mut sealed = Zeroizing::new(Vec::with_capacity(HEAD + plain.len() + 16));
        sealed.push(VERSION);
        sealed.extend_from_slice(id);
        sealed.extend_from_slice(&[0; NONCE_LEN]);
        sealed.extend_from_slice(plain);
        let (nonce, tag) = key
            .seal_in_place_separate_tag(Aad::from(associated(place)), &mut sealed[HEAD..])
            .map_err(|_| NoRandomness)?;
        sealed[1 + ID..HEAD].copy_from_slice(nonce.as_ref());
        sealed.extend_from_slice(tag.as_ref());
        Ok(std::mem::take(&mut *sealed))
    }

    /// Opens what was sealed for `place`. `None` for anything else, whatever is wrong with it.
    #[cfg_attr(
        not(feature = "redis"),
        allow(dead_code, reason = "everything else opens values in their own buffer")
    )]
    pub(crate) fn open(&self, place: &[&[u8]], sealed: &[u8]) -> Option<Opened> {
        self.open_after(0, place, sealed.to_vec())
    }

    /// As [`open`](Self::open), for a value that begins with something else, and in its own buffer: nothing is copied.
    pub(super) fn open_after(&self, begins: usize, place: &[&[u8]], value: Vec<u8>) -> Option<Opened> {
        let plain = self.try_open(place, value, begins, LARGEST);
        if plain.is_none() && self.unreadable.add().is_multiple_of(SAY_ONE_IN) {
            tracing::warn!(
                so_far = self.unreadable(),
                "a shared value could not be opened; it counts as absent (an old key that was dropped, or somebody else's value)"
            );
        }
        plain
    }

    /// As [`open`](Self::open), for what anybody may have sent: what does not open says nothing about a store.
    #[cfg(feature = "actix")]
    pub(crate) fn open_sent(&self, place: &[&[u8]], sealed: Vec<u8>) -> Option<Opened> {
        self.try_open(place, sealed, 0, LARGEST)
    }

    /// As [`open`](Self::open), for a whole file: larger, and what does not open is counted by whoever set it aside.
    #[cfg(feature = "desktop")]
    pub(super) fn open_file(&self, place: &[&[u8]], sealed: &[u8]) -> Option<Opened> {
        self.try_open(place, sealed.to_vec(), 0, usize::MAX)
    }

    /// True where the key that sealed the value is one of the ring.
    #[cfg(feature = "desktop")]
    pub(super) fn has_key_of(&self, sealed: &[u8]) -> bool {
        let id = sealed.get(1..=ID);
        self.keys.iter().any(|key| id == Some(key.id.as_slice()))
    }

    /// A ring of one new key, and the text to keep it by.
    #[cfg(feature = "desktop")]
    pub(super) fn generate() -> Result<(Self, Zeroizing<String>), NoRandomness> {
        let mut bytes = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(bytes.as_mut()).map_err(|_| NoRandomness)?;
        let text = Zeroizing::new(STANDARD.encode(bytes.as_ref()));
        Ok((text.parse().map_err(|_| NoRandomness)?, text))
    }

    /// How many values could not be opened since the start.
    pub fn unreadable(&self) -> u64 {
        self.unreadable.get()
    }

    fn try_open(&self, place: &[&[u8]], value: Vec<u8>, begins: usize, largest: usize) -> Option<Opened> {
        let mut buffer = WipedBytes(value);
        let sealed = buffer.0.get_mut(begins..).filter(|sealed| sealed.len() <= largest)?;
        let (head, body) = sealed.split_at_mut_checked(HEAD)?;
        let (version, head) = head.split_first()?;
        let (id, nonce) = head.split_at_checked(ID)?;
        let key = self.keys.iter().find(|key| *version == VERSION && key.id == id)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let length = key.key.open_in_place(nonce, Aad::from(associated(place)), body).ok()?.len();
        let begins = begins + HEAD;
        buffer.0.truncate(begins + length);
        Some(Opened { buffer, begins })
    }
}

/// Length-prefixed, so that no two places read the same. Of a token's place there is no more than this.
fn associated(place: &[&[u8]]) -> SmallVec<[u8; 128]> {
    let mut text = SmallVec::new();
    for part in place {
        text.extend_from_slice(&(part.len() as u64).to_be_bytes());
        text.extend_from_slice(part);
    }
    text
}

impl FromStr for KeyRing {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const HELP: &str = "each key must be 32 random bytes in base64, newest first, separated by commas: openssl rand -base64 32";
        let keys = text.split([',', ' ', '\t', '\r', '\n']).filter(|key| !key.is_empty()).map(|key| {
            let bytes = Zeroizing::new(STANDARD.decode(key).map_err(|_| HELP)?);
            SealingKey::new(&bytes).ok_or(HELP)
        });
        let keys = keys.collect::<Result<Arc<[_]>, _>>()?;
        if keys.is_empty() { Err(HELP) } else { Ok(Self::of(keys)) }
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({} keys)", self.keys.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(byte: u8) -> String {
        STANDARD.encode([byte; 32])
    }

    fn ring(text: &str) -> KeyRing {
        text.parse().unwrap()
    }

    const PLACE: &[&[u8]] = &[b"partition", b"field"];

    #[test]
    fn a_sealed_value_opens_at_its_place_and_shows_nothing() {
        let ring = ring(&key(1));

        let sealed = ring.seal(PLACE, b"s3cret").unwrap();

        assert!(!sealed.windows(6).any(|window| window == b"s3cret"));
        assert_eq!(&*ring.open(PLACE, &sealed).unwrap(), b"s3cret");
        assert_ne!(sealed, ring.seal(PLACE, b"s3cret").unwrap(), "a nonce is used once");
        assert!(!format!("{ring:?}").contains('A'));
    }

    /// Checklist 98.
    #[test]
    fn a_value_that_was_moved_does_not_open() {
        let ring = ring(&key(1));
        let sealed = ring.seal(PLACE, b"of alice").unwrap();

        for elsewhere in [
            &[b"partition".as_slice(), b"other"][..],
            &[b"other", b"field"],
            &[b"partitio", b"nfield"],
            &[b"partitionfield"],
            &[],
        ] {
            assert!(ring.open(elsewhere, &sealed).is_none());
        }
        assert_eq!(ring.unreadable(), 5);
    }

    /// Checklist 98.
    #[test]
    fn a_value_that_was_cut_lengthened_or_changed_does_not_open() {
        let ring = ring(&key(1));
        let sealed = ring.seal(PLACE, b"text").unwrap();

        for length in 0..sealed.len() {
            assert!(ring.open(PLACE, &sealed[..length]).is_none(), "{length} bytes");
        }
        assert!(ring.open(PLACE, &[sealed.as_slice(), b"x"].concat()).is_none());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(ring.open(PLACE, &changed).is_none(), "byte {at}");
        }
    }

    /// Checklist 100.
    #[test]
    fn a_new_key_seals_while_the_old_one_still_opens() {
        let (before, during, after) =
            (ring(&key(1)), ring(&format!("{}, {}\n", key(2), key(1))), ring(&key(2)));
        let (old, new) = (before.seal(PLACE, b"old").unwrap(), during.seal(PLACE, b"new").unwrap());

        assert_eq!(&*during.open(PLACE, &old).unwrap(), b"old");
        assert_eq!(&*after.open(PLACE, &new).unwrap(), b"new");
        assert!(after.open(PLACE, &old).is_none(), "the old key is gone");
        assert!(before.open(PLACE, &new).is_none(), "a foreign key");
    }

    #[test]
    #[cfg(feature = "actix")]
    fn a_derived_key_is_that_of_its_secret_and_its_purpose_alone() {
        let sealed = KeyRing::derived(&[7; 64], b"a").seal(PLACE, b"text").unwrap();
        let opened = |secret: u8, purpose: &[u8]| {
            KeyRing::derived(&[secret; 64], purpose).open_sent(PLACE, sealed.clone())
        };

        assert_eq!(&*opened(7, b"a").unwrap(), b"text");
        assert!(opened(8, b"a").is_none() && opened(7, b"b").is_none());
    }

    #[test]
    fn keys_of_a_wrong_size_are_refused_without_being_repeated() {
        for text in [
            "",
            " , ",
            "s3cret",
            &STANDARD.encode([1; 31]),
            &format!("{},{}", key(1), STANDARD.encode([2; 33])),
        ] {
            let reason = text.parse::<KeyRing>().unwrap_err();
            assert!(!reason.contains("s3cret") && reason.contains("32 random bytes"), "{text}");
        }
    }

    #[test]
    fn the_ring_comes_from_a_variable_or_from_a_file_but_not_from_both() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), format!("{}\n{}\n", key(2), key(1))).unwrap();
        let path = file.path().to_str().unwrap().to_owned();
        let read = |pairs: &[(&str, &str)]| Env::from_pairs(pairs.iter().copied()).read(KeyRing::from_env);

        assert_eq!(read(&[("CACHE_KEYS_FILE", &path)]).unwrap().unwrap().keys.len(), 2);
        assert_eq!(read(&[("CACHE_KEYS", &key(1))]).unwrap().unwrap().keys.len(), 1);
        assert!(read(&[]).unwrap().is_none());
        assert!(read(&[("CACHE_KEYS", &key(1)), ("CACHE_KEYS_FILE", &path)]).is_err());
        assert!(read(&[("CACHE_KEYS_FILE", "/does/not/exist")]).is_err());
    }

    proptest! {
        /// Checklist 98.
        #[test]
        fn garbage_never_opens_and_never_panics(garbage in proptest::collection::vec(any::<u8>(), 0..200), known in any::<bool>()) {
            let ring = ring(&key(1));
            let mut garbage = garbage;
            if known && garbage.len() > ID {
                garbage[0] = VERSION;
                let id = ring.keys[0].id;
                garbage[1..=ID].copy_from_slice(&id);
            }
            prop_assert!(ring.open(PLACE, &garbage).is_none());
        }

        #[test]
        fn whatever_is_sealed_opens_again(plain in proptest::collection::vec(any::<u8>(), 0..200), a in "\\PC{0,8}", b in "\\PC{0,8}") {
            let ring = ring(&key(1));
            let place = [a.as_bytes(), b.as_bytes()];
            let sealed = ring.seal(&place, &plain).unwrap();
            let opened = ring.open(&place, &sealed).unwrap();
            prop_assert_eq!(&*opened, plain.as_slice());
        }
    }
}
