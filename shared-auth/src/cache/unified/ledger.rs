//! What a document holds and the caches do not: who the users are, their ID tokens, and entries that are not ours.
//!
//! Nothing here answers a request for a token. Users are bounded in bytes, and the least used give way; what was set
//! aside has a limit of its own, and an import that would go beyond it is refused.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use memchr::memrchr;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use zeroize::Zeroizing;

use super::document::Section;
use super::entity::{Entity, Field};
use crate::cache::key::Id;
use crate::client::Account;

/// What may be set aside, in bytes of JSON.
pub(super) const SET_ASIDE_LIMIT: usize = 16 * 1024 * 1024;
const USUAL_USERS: usize = 10_000;

/// The ledger of one client.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// By home account id in lower case.
    people: Cache<Box<str>, Arc<[Person]>, Bytes>,
    aside: Mutex<Aside>,
}

/// A user in one tenant.
#[derive(Debug, Clone)]
pub(super) struct Person {
    /// `None` where it is the user's home.
    away: Option<Box<str>>,
    /// The entry of the section `Account`, as JSON.
    pub account: Box<str>,
    pub id_token: Option<SecretString>,
    /// Of the refresh token: the family of applications that may share it.
    pub family_id: Option<Box<str>>,
}

/// Members of an entry that mean nothing here.
pub(super) type More = Box<[(Box<str>, Value)]>;

/// Entries and members that mean nothing to this client.
#[derive(Debug, Default, Clone)]
pub(super) struct Aside {
    pub entries: BTreeMap<(Section, Box<str>), Kept>,
    /// Other members of the root, as JSON.
    pub unknown: BTreeMap<Box<str>, Vec<u8>>,
    /// Members of tokens that are in the caches, by a hash of the token.
    pub more: HashMap<Id, More>,
    bytes: usize,
}

#[derive(Debug, Clone)]
pub(super) struct Kept {
    pub json: Zeroizing<Vec<u8>>,
    /// Whose it is, where signing out removes it.
    pub user: Option<Box<str>>,
}

impl Person {
    /// By the home account id and the tenant.
    pub fn new(home: &str, realm: &str, account: impl Into<Box<str>>) -> Self {
        let away = (!realm.eq_ignore_ascii_case(utid(home))).then(|| realm.into());
        Self { away, account: account.into(), id_token: None, family_id: None }
    }

    /// The tenant, of a user with this home account id.
    pub fn realm<'a>(&'a self, home: &'a str) -> &'a str {
        self.away.as_deref().unwrap_or(utid(home))
    }
}

/// The home tenant in a home account id.
pub(super) fn utid(home: &str) -> &str {
    memrchr(b'.', home.as_bytes()).and_then(|dot| home.get(dot + 1..)).unwrap_or_default()
}

impl Ledger {
    pub fn new(limit_bytes: u64) -> Self {
        Self { people: Cache::with_weighter(USUAL_USERS, limit_bytes, Bytes), aside: Mutex::default() }
    }

    /// A user signed in.
    pub fn signed_in(&self, account: &Account, object_id: &str, name: Option<&str>, id_token: &str) {
        let mut entity = Entity::default()
            .with(Field::HomeAccountId, account.home_account_id.as_str())
            .with(Field::Realm, account.tenant_id.as_str())
            .with(Field::LocalAccountId, object_id)
            .with(Field::Username, account.username.as_str());
        if let Some(name) = name {
            entity.more.push(("name".into(), name.into()));
        }
        let id_token = Some(SecretString::from(id_token));
        let person = Person::new(&account.home_account_id, &account.tenant_id, entity.text());
        self.add(&account.home_account_id, Person { id_token, ..person });
    }

    /// A new ID token of a user who is known.
    pub fn renewed(&self, home: &str, tenant: &str, id_token: &str) {
        if let Some(known) = self.person(home, tenant) {
            let id_token = Some(SecretString::from(id_token));
            self.add(home, Person { id_token, ..known });
        }
    }

    pub(super) fn person(&self, home: &str, realm: &str) -> Option<Person> {
        self.people(home).iter().find(|person| person.realm(home).eq_ignore_ascii_case(realm)).cloned()
    }

    /// A user in every tenant.
    pub(super) fn people(&self, home: &str) -> Arc<[Person]> {
        self.people.get(home.to_ascii_lowercase().as_str()).unwrap_or_else(|| Arc::new([]))
    }

    pub(super) fn add(&self, home: &str, person: Person) {
        let home: Box<str> = home.to_ascii_lowercase().into();
        let all: Arc<[Person]> = match self.people.get(&home) {
            // Moved and not copied: an ID token is wiped wherever it was.
            None => Arc::new([person]),
            Some(before) => {
                let realm = person.realm(&home);
                let differs = |other: &&Person| !other.realm(&home).eq_ignore_ascii_case(realm);
                let others: Vec<Person> = before.iter().filter(differs).cloned().collect();
                others.into_iter().chain([person]).collect()
            }
        };
        self.people.insert(home, all);
    }

    /// Forgets a user, whatever the tenant.
    pub fn forget(&self, home: &str) {
        self.people.remove(home.to_ascii_lowercase().as_str());
        self.aside().remove_user(home);
    }

    pub(super) fn aside(&self) -> MutexGuard<'_, Aside> {
        self.aside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Aside {
    pub fn keep(&mut self, section: Section, key: &str, kept: Kept) {
        self.bytes += key.len() + kept.json.len();
        if let Some(before) = self.entries.insert((section, key.into()), kept) {
            self.bytes -= key.len() + before.json.len();
        }
    }

    pub fn keep_unknown(&mut self, name: &str, json: Vec<u8>) {
        self.bytes += name.len() + json.len();
        if let Some(before) = self.unknown.insert(name.into(), json) {
            self.bytes -= name.len() + before.len();
        }
    }

    pub fn keep_more(&mut self, token: Id, more: More) {
        if self.more.insert(token, more).is_none() {
            self.bytes += 256;
        }
    }

    /// Members of tokens that are gone are nobody's.
    pub fn retain_more(&mut self, in_use: &HashSet<Id>) {
        let before = self.more.len();
        self.more.retain(|token, _| in_use.contains(token));
        self.bytes -= 256 * (before - self.more.len());
    }

    pub fn is_too_much(&self) -> bool {
        self.bytes > SET_ASIDE_LIMIT
    }

    fn remove_user(&mut self, home: &str) {
        let bytes = &mut self.bytes;
        self.entries.retain(|(_, key), kept| {
            let theirs = kept.user.as_deref().is_some_and(|user| user.eq_ignore_ascii_case(home));
            if theirs {
                *bytes -= key.len() + kept.json.len();
            }
            !theirs
        });
    }
}

/// Weighs users by the memory that they take.
#[derive(Debug, Clone)]
struct Bytes;

impl Weighter<Box<str>, Arc<[Person]>> for Bytes {
    fn weight(&self, home: &Box<str>, people: &Arc<[Person]>) -> u64 {
        const PER_PERSON: usize = 160;
        let people = people.iter().map(|person| {
            let id_token = person.id_token.as_ref().map_or(0, |token| token.expose_secret().len());
            let away = person.away.as_ref().map_or(0, |realm| realm.len());
            away + person.account.len() + id_token + PER_PERSON
        });
        (home.len() + people.sum::<usize>() + PER_PERSON) as u64
    }
}
