//! What may share a token, and what never may. The only place that builds keys.
//!
//! A partition is named by everything that must be equal before one caller may see another's entry: authority, tenant,
//! client, and then the account or the incoming assertion. Parts are length-prefixed, so that no choice of values makes
//! two different lists of parts read the same.

use std::sync::Arc;

use aws_lc_rs::digest::{Context, SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::protocol::scope::Scopes;
use crate::secret::UserAssertion;

/// A name that tells nothing: SHA-256 of what it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Id(pub [u8; 32]);

impl Id {
    /// Length-prefixed, as everything here.
    pub fn of(parts: &[&str]) -> Self {
        let mut hash = Context::new(&SHA256);
        for part in parts {
            hash.update(&(part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let mut id = [0; 32];
        id.copy_from_slice(hash.finish().as_ref());
        Self(id)
    }

    /// The text that stands for it in keys.
    pub fn text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// The other way round.
    #[cfg(feature = "redis")]
    pub fn parse(text: &str) -> Option<Self> {
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok().map(Self)
    }
}

/// Names a partition of a cache.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PartitionKey(Arc<str>);

impl PartitionKey {
    /// The tokens of an application for itself.
    pub fn app(environment: &str, tenant: &str, client_id: &str) -> Self {
        Self::new("app", &[environment, tenant, client_id])
    }

    /// The tokens of a signed-in account.
    pub fn account(environment: &str, tenant: &str, client_id: &str, home_account_id: &str) -> Self {
        Self::new("account", &[environment, tenant, client_id, home_account_id])
    }

    /// The tokens that were got on behalf of whoever presented this assertion. Another assertion of the same user is
    /// another partition: it may carry other claims.
    pub fn assertion(environment: &str, tenant: &str, client_id: &str, assertion: &UserAssertion) -> Self {
        // A hash: the key may be logged or leave the process, the token must not.
        let hash = URL_SAFE_NO_PAD.encode(assertion.digest().0);
        Self::new("assertion", &[environment, tenant, client_id, &hash])
    }

    /// The tokens of a long-running process.
    pub fn long_running(environment: &str, tenant: &str, client_id: &str, key: &str) -> Self {
        // A hash here too: whoever holds the key may act for the user.
        let hash = URL_SAFE_NO_PAD.encode(digest(&SHA256, key.as_bytes()));
        Self::new("long-running", &[environment, tenant, client_id, &hash])
    }

    /// The key of one request for tokens within the partition.
    pub fn request(&self, scopes: &Scopes) -> String {
        format!("{}|{}", self.0, scopes.canonical())
    }

    /// What the partition is called outside this process: a hash, for the key names the user.
    pub fn id(&self) -> Id {
        Id::of(&[self.0.as_ref()])
    }

    /// Bytes, for the memory limit.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    fn new(kind: &str, parts: &[&str]) -> Self {
        let mut key = kind.to_owned();
        for part in parts {
            key.push_str(&format!("|{}:{part}", part.len()));
        }
        Self(key.into())
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn another_authority_tenant_client_or_user_is_another_partition() {
        let key = |parts: [&str; 4]| PartitionKey::account(parts[0], parts[1], parts[2], parts[3]);
        let base = ["login", "tenant", "client", "user"];

        for changed in 0..base.len() {
            let mut other = base;
            other[changed] = "other";
            assert_ne!(key(base), key(other));
        }
    }

    #[test]
    fn another_assertion_is_another_partition() {
        let key = |text| PartitionKey::assertion("e", "t", "c", &UserAssertion::new(text, Timestamp::MAX));

        assert_ne!(key("a.b.c"), key("a.b.d"));
        assert_eq!(key("a.b.c"), key("a.b.c"));
    }

    #[test]
    fn the_assertion_itself_is_not_in_the_key() {
        let key = PartitionKey::assertion("e", "t", "c", &UserAssertion::new("s3cret", Timestamp::MAX));

        assert!(!format!("{key:?}").contains("s3cret"));
    }

    proptest! {
        #[test]
        fn no_two_lists_of_parts_read_the_same(a in "[a|:0-9]{0,6}", b in "[a|:0-9]{0,6}", c in "[a|:0-9]{0,6}", d in "[a|:0-9]{0,6}") {
            prop_assume!((&a, &b) != (&c, &d));
            prop_assert_ne!(PartitionKey::app(&a, &b, "x"), PartitionKey::app(&c, &d, "x"));
        }
    }
}
