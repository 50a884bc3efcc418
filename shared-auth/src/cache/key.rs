//! What may share a token, and what never may. The only place that builds keys.
//!
//! A partition is named by everything that must be equal before one caller may see another's entry: authority, client,
//! tenant, and then the account or the incoming assertion. A look-up borrows these ([`PartitionRef`]), a request owns
//! them ([`PartitionKey`]), an entry holds them within itself ([`FiledKey`]). Outside of this process a hash stands for
//! them.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use quick_cache::Equivalent;
use smallvec::SmallVec;

use crate::protocol::scope::Scopes;
use crate::secret::{TokenDigest, TokenKind, User, UserAssertion};

/// A name that tells nothing: SHA-256 of what it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Id(pub [u8; ID]);

const ID: usize = 32;

impl Id {
    /// How long its text is.
    pub const TEXT: usize = 43;

    /// Length-prefixed, so that no choice of values makes two different lists of parts read the same.
    pub fn of<P: AsRef<[u8]>>(parts: &[P]) -> Self {
        let mut hash = Context::new(&SHA256);
        for part in parts.iter().map(AsRef::as_ref) {
            hash.update(&(part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let mut id = [0; 32];
        id.copy_from_slice(hash.finish().as_ref());
        Self(id)
    }

    /// The text that stands for it in keys.
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(Self::TEXT);
        self.write_to(&mut text);
        text
    }

    /// Adds that text.
    pub fn write_to(&self, text: &mut String) {
        URL_SAFE_NO_PAD.encode_string(self.0, text);
    }

    /// The other way round.
    #[cfg(any(feature = "redis", feature = "desktop"))]
    #[cfg_attr(not(feature = "redis"), allow(dead_code, reason = "a file sends no messages"))]
    pub fn parse(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }
}

/// Authority and client: the same for every partition of one client, so it is made once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    environment: Box<str>,
    client_id: Box<str>,
    /// Stands for both where partitions are hashed.
    number: u64,
}

impl Owner {
    pub fn new(environment: &str, client_id: &str) -> Arc<Self> {
        let [a, b, c, d, e, f, g, h, ..] = Id::of(&[environment, client_id]).0;
        let number = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        Arc::new(Self { environment: environment.into(), client_id: client_id.into(), number })
    }
}

/// Whose tokens a partition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    App,
    Account,
    Assertion,
    LongRunning,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Kind::App => "app",
            Kind::Account => "account",
            Kind::Assertion => "assertion",
            Kind::LongRunning => "long-running",
        }
    }
}

/// Names a partition by borrowed parts. To be looked up it costs one hash of them, and no allocation.
#[derive(Clone)]
pub(crate) struct PartitionRef<'a> {
    owner: &'a Arc<Owner>,
    kind: Kind,
    tenant: Cow<'a, str>,
    /// The account, or a hash: of an assertion, of the key to a long-running process.
    name: &'a [u8],
}

impl<'a> PartitionRef<'a> {
    /// The tokens of an application for itself.
    pub fn app(owner: &'a Arc<Owner>, tenant: impl Into<Cow<'a, str>>) -> Self {
        Self { owner, kind: Kind::App, tenant: tenant.into(), name: &[] }
    }

    /// The tokens of a signed-in account.
    pub fn account(owner: &'a Arc<Owner>, tenant: impl Into<Cow<'a, str>>, home_account_id: &'a str) -> Self {
        Self { owner, kind: Kind::Account, tenant: tenant.into(), name: home_account_id.as_bytes() }
    }

    /// The tokens that were got on behalf of whoever presented this assertion. Another assertion of the same user is
    /// another partition: it may carry other claims. Its hash, for the key may be logged, and the token must not.
    pub fn assertion(
        owner: &'a Arc<Owner>,
        tenant: impl Into<Cow<'a, str>>,
        assertion: &'a UserAssertion,
    ) -> Self {
        Self { owner, kind: Kind::Assertion, tenant: tenant.into(), name: &assertion.digest().0 }
    }

    /// As [`assertion`](Self::assertion), by the hash alone.
    pub fn assertion_hash(
        owner: &'a Arc<Owner>,
        tenant: impl Into<Cow<'a, str>>,
        hash: &'a TokenDigest,
    ) -> Self {
        Self { owner, kind: Kind::Assertion, tenant: tenant.into(), name: &hash.0 }
    }

    /// The tokens of a long-running process. A hash here too: whoever holds the key may act for the user.
    pub fn long_running(
        owner: &'a Arc<Owner>,
        tenant: impl Into<Cow<'a, str>>,
        key: &'a TokenDigest,
    ) -> Self {
        Self { owner, kind: Kind::LongRunning, tenant: tenant.into(), name: &key.0 }
    }

    /// The key to be kept.
    pub fn to_key(&self) -> PartitionKey {
        let filed = FiledKey::new(self.owner, self.kind, self.tenant.as_bytes(), self.name);
        PartitionKey(Arc::new(Named { filed, id: OnceLock::new() }))
    }
}

impl Hash for PartitionRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash(self.owner, self.kind, self.tenant.as_bytes(), self.name, state);
    }
}

impl<K: TokenKind> Equivalent<FiledKey<K>> for PartitionRef<'_> {
    #[inline]
    fn equivalent(&self, key: &FiledKey<K>) -> bool {
        key.is(self.owner, self.kind, self.tenant.as_bytes(), self.name)
    }
}

/// What tells partitions apart.
#[inline]
fn hash(owner: &Owner, kind: Kind, tenant: &[u8], name: &[u8], state: &mut impl Hasher) {
    state.write(tenant);
    state.write(name);
    state.write_u64(owner.number ^ kind as u64);
}

/// Comparing nothing with nothing is left out: an empty slice may point to no memory, and a processor that compares with
/// masks takes as long over that as over everything else that a hit does.
#[inline]
fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && (one.is_empty() || one == other)
}

/// What is filed in a partition, for who writes it out. Long-running processes are nobody's but their holder's.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Filed<'a> {
    App { tenant: &'a str },
    Account { tenant: &'a str, home_account_id: &'a str },
    Assertion { tenant: &'a str, hash: String },
}

/// Names a partition of a cache. Clones share the name.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PartitionKey(Arc<Named>);

struct Named {
    filed: FiledKey<User>,
    /// Made when it is wanted: once for a partition that lies in a shared level, and never for most others.
    id: OnceLock<Id>,
}

impl PartialEq for Named {
    fn eq(&self, other: &Self) -> bool {
        self.filed == other.filed
    }
}

impl Eq for Named {}

impl PartitionKey {
    /// The key of one request for tokens within the partition.
    pub fn request(&self, scopes: &Scopes) -> String {
        let mut key = String::with_capacity(Id::TEXT + 1 + scopes.as_str().len());
        self.id().write_to(&mut key);
        key.push('|');
        scopes.write_canonical(&mut key);
        key
    }

    /// What the partition is called outside this process: a hash, for the key names the user.
    pub fn id(&self) -> Id {
        *self.0.id.get_or_init(|| self.0.filed.id())
    }

    /// The key as an entry holds it.
    pub fn to_filed<K: TokenKind>(&self) -> FiledKey<K> {
        self.0.filed.with_room_for()
    }
}

impl<K: TokenKind> Equivalent<FiledKey<K>> for PartitionKey {
    fn equivalent(&self, key: &FiledKey<K>) -> bool {
        let own = &self.0.filed;
        key.is(&own.owner, own.kind, own.tenant(), own.name())
    }
}

/// The key that an entry holds, within itself: with many entries, what a look-up takes time for is its way to them.
#[repr(C)]
pub(crate) struct FiledKey<K: TokenKind> {
    owner: Arc<Owner>,
    tenant_starts: u32,
    kind: Kind,
    /// The name ends with the tenant, as that of an account does whose home it is: it is all of the text.
    ends_with_tenant: bool,
    /// Name and tenant.
    text: SmallVec<K::Name>,
}

impl<K: TokenKind> FiledKey<K> {
    fn new(owner: &Arc<Owner>, kind: Kind, tenant: &[u8], name: &[u8]) -> Self {
        let before = name.strip_suffix(tenant);
        let mut text = SmallVec::from_slice(before.unwrap_or(name));
        // A name of gigabytes is found by nobody.
        let tenant_starts = u32::try_from(text.len()).unwrap_or_default();
        text.extend_from_slice(tenant);
        Self { owner: Arc::clone(owner), tenant_starts, kind, ends_with_tenant: before.is_some(), text }
    }

    /// The same, as long as the names of another kind are.
    fn with_room_for<Other: TokenKind>(&self) -> FiledKey<Other> {
        let (owner, text) = (Arc::clone(&self.owner), SmallVec::from_slice(&self.text));
        let Self { tenant_starts, kind, ends_with_tenant, .. } = *self;
        FiledKey { owner, tenant_starts, kind, ends_with_tenant, text }
    }

    #[inline]
    fn is(&self, owner: &Arc<Owner>, kind: Kind, tenant: &[u8], name: &[u8]) -> bool {
        self.kind == kind
            && same(self.name(), name)
            && same(self.tenant(), tenant)
            && (Arc::ptr_eq(&self.owner, owner) || self.owner == *owner)
    }

    fn name(&self) -> &[u8] {
        let (before, _) = self.text.split_at(self.tenant_starts as usize);
        if self.ends_with_tenant { &self.text } else { before }
    }

    fn tenant(&self) -> &[u8] {
        let (_, tenant) = self.text.split_at(self.tenant_starts as usize);
        tenant
    }

    /// What is filed here: the tenant, and whose.
    pub fn filed(&self) -> Option<Filed<'_>> {
        let (tenant, name) = (std::str::from_utf8(self.tenant()).ok()?, self.name());
        Some(match self.kind {
            Kind::App => Filed::App { tenant },
            Kind::Account => Filed::Account { tenant, home_account_id: std::str::from_utf8(name).ok()? },
            Kind::Assertion => Filed::Assertion { tenant, hash: URL_SAFE_NO_PAD.encode(name) },
            Kind::LongRunning => return None,
        })
    }

    /// What the partition is called outside this process.
    pub fn id(&self) -> Id {
        let Owner { environment, client_id, .. } = &*self.owner;
        let (kind, environment, client_id) =
            (self.kind.name().as_bytes(), environment.as_bytes(), client_id.as_bytes());
        Id::of(&[kind, environment, self.tenant(), client_id, self.name()])
    }

    /// Bytes beside the entry, for the memory limit.
    pub fn len(&self) -> usize {
        if self.text.spilled() { self.text.len() } else { 0 }
    }
}

impl<K: TokenKind> Clone for FiledKey<K> {
    fn clone(&self) -> Self {
        self.with_room_for()
    }
}

impl<K: TokenKind> PartialEq for FiledKey<K> {
    fn eq(&self, other: &Self) -> bool {
        self.is(&other.owner, other.kind, other.tenant(), other.name())
    }
}

impl<K: TokenKind> Hash for FiledKey<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash(&self.owner, self.kind, self.tenant(), self.name(), state);
    }
}

impl<K: TokenKind> fmt::Debug for FiledKey<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FiledKey").field(&self.kind.name()).field(&self.id().text()).finish()
    }
}

impl Hash for PartitionKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.filed.hash(state);
    }
}

impl fmt::Debug for PartitionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PartitionKey").field(&self.0.filed.kind.name()).field(&self.id().text()).finish()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;
    use quick_cache::DefaultHashBuilder;
    use std::hash::BuildHasher;

    use super::*;
    use crate::secret::App;

    fn account(environment: &str, tenant: &str, client: &str, user: &str) -> PartitionKey {
        PartitionRef::account(&Owner::new(environment, client), tenant, user).to_key()
    }

    fn of_assertion(text: &str) -> PartitionKey {
        let assertion = UserAssertion::new(text, Timestamp::MAX);
        PartitionRef::assertion(&Owner::new("e", "c"), "t", &assertion).to_key()
    }

    /// Checklist 54.
    #[test]
    fn another_authority_tenant_client_or_user_is_another_partition_here_and_outside() {
        let key = |parts: [&str; 4]| account(parts[0], parts[1], parts[2], parts[3]);
        let base = ["login", "tenant", "client", "user"];

        for changed in 0..base.len() {
            let mut other = base;
            other[changed] = "other";
            assert_ne!(key(base), key(other));
            assert_ne!(key(base).id(), key(other).id());
        }
        assert_eq!(key(base), key(base));
        assert_eq!(key(base).id(), key(base).id());
    }

    /// Checklist 95.
    #[test]
    fn a_look_up_finds_the_partition_of_its_own_client_and_no_other() {
        let (owner, again) = (Owner::new("login", "client"), Owner::new("login", "client"));
        let key = PartitionRef::app(&owner, "tenant").to_key();
        let hasher = DefaultHashBuilder::default();

        for same in [PartitionRef::app(&owner, "tenant"), PartitionRef::app(&again, "tenant")] {
            assert!(same.equivalent(&key.to_filed::<User>()));
            assert_eq!(hasher.hash_one(&same), hasher.hash_one(&key));
        }
        let home = PartitionRef::account(&owner, "tenant", "user.tenant").to_key().to_filed::<User>();
        for (name, found) in [("user.tenant", true), ("user.", false), ("user.tenants", false), ("", false)] {
            assert_eq!(PartitionRef::account(&owner, "tenant", name).equivalent(&home), found, "{name}");
        }
        for other in [("login", "other"), ("other", "client")] {
            assert!(
                !PartitionRef::app(&Owner::new(other.0, other.1), "tenant")
                    .equivalent(&key.to_filed::<User>())
            );
        }
        let filed = key.to_filed::<User>();
        assert!(key.equivalent(&filed) && filed.id() == key.id());
        assert!(!PartitionRef::app(&owner, "other").equivalent(&filed));
        assert!(!PartitionRef::account(&owner, "tenant", "").equivalent(&filed), "an application is nobody");
        assert!(!PartitionRef::account(&owner, "ten", "ant").equivalent(&filed));
    }

    /// Checklist 95.
    #[test]
    fn another_assertion_is_another_partition() {
        assert_ne!(of_assertion("a.b.c"), of_assertion("a.b.d"));
        assert_eq!(of_assertion("a.b.c"), of_assertion("a.b.c"));
    }

    #[test]
    fn neither_the_assertion_nor_the_user_is_in_what_is_shown() {
        let shown = format!("{:?} {:?}", of_assertion("s3cret"), account("e", "t", "c", "s3cret"));

        assert!(!shown.contains("s3cret"));
    }

    /// Checklist 95.
    #[test]
    fn a_hash_of_an_assertion_names_the_same_partition_as_the_assertion() {
        // The hash as MSAL.NET, msal-node (without padding) and MSAL Go (with it) write it.
        for text in
            ["hF4wRIgJ4ryJWOsCW_x5UjXROwd6U9DDq70jhRcNybg", "hF4wRIgJ4ryJWOsCW_x5UjXROwd6U9DDq70jhRcNybg="]
        {
            let hash = TokenDigest::parse(text).unwrap();
            let key = PartitionRef::assertion_hash(&Owner::new("e", "c"), "t", &hash).to_key();
            assert_eq!(key, of_assertion("a.b.c"));
            let hash = text.trim_end_matches('=').to_owned();
            assert_eq!(key.to_filed::<User>().filed(), Some(Filed::Assertion { tenant: "t", hash }));
        }
        assert_eq!(TokenDigest::parse("a session key"), None);
    }

    #[test]
    fn a_key_tells_what_is_filed_under_it() {
        let filed = Filed::Account { tenant: "tenant", home_account_id: "u.t" };
        assert_eq!(account("e", "tenant", "c", "u.t").to_filed::<User>().filed(), Some(filed));

        let owner = Owner::new("e", "c");
        let app = PartitionRef::app(&owner, "t").to_key();
        assert_eq!(app.to_filed::<App>().filed(), Some(Filed::App { tenant: "t" }));
        let process = PartitionRef::long_running(&owner, "t", &TokenDigest::of("key")).to_key();
        assert_eq!(process.to_filed::<User>().filed(), None);
    }

    proptest! {
        #[test]
        fn no_two_lists_of_parts_read_the_same(a in "[a|:0-9]{0,6}", b in "[a|:0-9]{0,6}", c in "[a|:0-9]{0,6}", d in "[a|:0-9]{0,6}") {
            prop_assume!((&a, &b) != (&c, &d));
            let (one, two) = (account("x", &a, "y", &b), account("x", &c, "y", &d));
            prop_assert_ne!(&one, &two);
            prop_assert_ne!(one.id(), two.id());
        }
    }
}
