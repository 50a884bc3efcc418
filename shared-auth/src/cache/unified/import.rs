//! From a document to the caches of a client.
//!
//! First everything is read and decided, then it is taken over: a document that cannot be read changes nothing. An entry
//! counts as ours only if its authority's host and its client id are; it is then filed by the same keys as our own
//! tokens, so it can serve no request that they could not. What is later, wins. Everything else is set aside.

#![allow(
    clippy::mutable_key_type,
    reason = "what a key makes when it is wanted is no part of what it is compared by"
)]

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;
use quick_cache::DefaultHashBuilder;
use secrecy::SecretString;
use smallvec::SmallVec;

use super::document::{Document, Section};
use super::entity::{Entity, Entry, Field};
use super::ledger::{Aside, Kept, More, Person, SET_ASIDE_LIMIT, utid};
use super::{MsalCacheError, MsalImport};
use crate::cache::key::{Id, PartitionKey, PartitionRef};
use crate::cache::record::CLOCKS_APART;
use crate::cache::shared::milliseconds;
use crate::cache::token::CachedToken;
use crate::client::{Account, ConfidentialClient, Inner};
use crate::protocol::scope::Scopes;
use crate::protocol::token_response::is_header_safe;
use crate::secret::{AccessToken, App, RefreshToken, TokenDigest, TokenKind, User};

impl ConfidentialClient {
    /// Takes over the token cache of another MSAL program: `SerializableTokenCache.serialize()` of MSAL Python,
    /// `tokenCache.serialize()` of msal-node, `SerializeMsalV3()` of MSAL.NET, `Marshal()` of MSAL Go. What is here
    /// already stays, and the later token wins.
    ///
    /// Only entries of this client id and this authority (under any of its names) are used. Entries of others are kept
    /// for the next export and never looked at. Where the tenant was configured by its domain, let
    /// [`connect`](Self::connect) come first: documents name tenants by their ids.
    ///
    /// ```no_run
    /// # async fn example(client: shared_auth::ConfidentialClient) -> Result<(), Box<dyn std::error::Error>> {
    /// let imported = client.import_msal_cache(std::fs::read("token_cache.json")?)?;
    /// for account in &imported.accounts {
    ///     let token = client.acquire_token_silent(account, "User.Read").await?;
    ///     println!("{} from {}", account.username, token.source);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`MsalCacheError`] where it is no token cache. Nothing was changed then.
    pub fn import_msal_cache(&self, cache: impl AsRef<[u8]>) -> Result<MsalImport, MsalCacheError> {
        let document = Document::parse(cache.as_ref())?;
        let mut plan = Plan::new(&self.inner);
        plan.read(&document);
        plan.carry_out(&document)
    }
}

/// By keys out of a document, so with a hash that nobody can foresee; a faster one than the usual.
type Map<K, V> = HashMap<K, V, DefaultHashBuilder>;
/// By home account id, one for each tenant.
type People<'d> = Map<&'d str, Vec<Known>>;

/// What is to be done with a document.
struct Plan<'a, 'd> {
    client: &'a Inner,
    now: Timestamp,
    people: People<'d>,
    apps: Map<PartitionKey, Vec<Arc<CachedToken<App>>>>,
    /// Tokens of users elsewhere than where they are known.
    users: Map<PartitionKey, Held>,
    aside: Vec<(Section, &'d str, Kept)>,
    more: Vec<(Id, More)>,
    done: MsalImport,
}

/// A user in a tenant.
struct Known {
    account: Account,
    /// Of the user's tokens there.
    partition: PartitionKey,
    held: Held,
    /// There may be tokens of users without an entry for the user.
    person: Option<Person>,
}

impl Known {
    fn new(client: &Inner, account: Account, person: Option<Person>) -> Self {
        let partition = client.account_partition(&account, None).to_key();
        Self { account, partition, held: Held::default(), person }
    }

    /// True where the user's tokens for this realm are filed.
    fn is_in(&self, client: &Inner, realm: &str) -> bool {
        match client.authority.is_multi_tenant() {
            true => self.account.tenant_id.eq_ignore_ascii_case(realm),
            false => client.authority.realm() == realm,
        }
    }
}

/// What comes into a partition of users' tokens.
#[derive(Default)]
struct Held {
    user: Option<Arc<str>>,
    tokens: Vec<Arc<CachedToken<User>>>,
    refresh_token: Option<(RefreshToken, u64)>,
}

impl<'a, 'd> Plan<'a, 'd> {
    fn new(client: &'a Inner) -> Self {
        Self {
            client,
            now: client.clock.now(),
            people: Map::default(),
            apps: Map::default(),
            users: Map::default(),
            aside: Vec::new(),
            more: Vec::new(),
            done: MsalImport::default(),
        }
    }

    fn read(&mut self, document: &'d Document<'_>) {
        // Accounts first: the others refer to them.
        let order = [
            Section::Account,
            Section::AccessToken,
            Section::RefreshToken,
            Section::IdToken,
            Section::AppMetadata,
        ];
        self.people.reserve(document.section(Section::Account).len());
        for section in order {
            for (key, entry) in document.section(section) {
                let taken = match entry {
                    Entry::Other(_) => false,
                    Entry::Entity(entity) if !self.is_here(entity) => false,
                    Entry::Entity(entity) => match section {
                        Section::Account => self.account(entity),
                        _ if !self.is_this_client(entity) => false,
                        Section::AccessToken => self.access_token(entity),
                        Section::RefreshToken => self.refresh_token(entity),
                        Section::IdToken => self.id_token(entity),
                        Section::AppMetadata => false, // Kept as it is: it says who is in a family.
                    },
                };
                if !taken {
                    self.set_aside(section, key, entry);
                }
            }
        }
    }

    fn account(&mut self, entity: &'d Entity<'_>) -> bool {
        let (Some(home), Some(realm)) = (entity.get(Field::HomeAccountId), entity.get(Field::Realm)) else {
            return false;
        };
        let account = Account {
            home_account_id: home.to_owned(),
            tenant_id: tenant_of(realm, home).to_owned(),
            username: entity.get(Field::Username).unwrap_or_default().to_owned(),
        };
        let person = Person::new(home, &account.tenant_id, entity.written);
        let known = Known::new(self.client, account, Some(person));
        self.people.entry(home).or_insert_with(|| Vec::with_capacity(1)).push(known);
        true
    }

    fn access_token(&mut self, entity: &'d Entity<'_>) -> bool {
        let (Some(secret), Some(realm)) = (entity.get(Field::Secret), entity.get(Field::Realm)) else {
            return false;
        };
        let home = entity.get(Field::HomeAccountId);
        let target = entity.get(Field::Target).unwrap_or_default();
        let Some(realm) = self.realm(realm, home) else { return false };
        if entity.is_bound() || !is_header_safe(secret) || target.trim_ascii().is_empty() {
            return false;
        }
        let client = self.client;
        let owner = &client.owner;
        let Some(home_or_hash) = assertion_hash(entity).or(home) else {
            let (key, scopes) =
                (PartitionRef::app(owner, &*realm).to_key(), client.app_tokens.cache.scopes(target));
            let Some(token) = token::<App>(entity, secret, scopes, self.now) else { return false };
            if self.counts(entity, &token) {
                self.apps.entry(key).or_default().push(Arc::new(token));
            }
            return true;
        };
        let scopes = client.user_tokens.cache.scopes(target);
        let hash = assertion_hash(entity).map(TokenDigest::parse);
        let Some(mut token) = token::<User>(entity, secret, scopes, self.now).filter(|_| hash != Some(None))
        else {
            return false;
        };
        if !self.counts(entity, &token) {
            return true;
        }
        let held = match hash.flatten() {
            Some(hash) => {
                // Where an authority is for several tenants, on-behalf-of is filed under its name.
                let several = client.authority.is_multi_tenant();
                let realm = if several { client.authority.realm() } else { &*realm };
                self.users.entry(PartitionRef::assertion_hash(owner, realm, &hash).to_key()).or_default()
            }
            None => match everywhere(client, &mut self.people, home_or_hash)
                .iter_mut()
                .find(|known| known.is_in(client, &realm))
            {
                Some(known) => &mut known.held,
                None => {
                    let key = PartitionRef::account(owner, &*realm, home_or_hash).to_key();
                    self.users.entry(key).or_default()
                }
            },
        };
        token.home_account_id = home.map(|home| Arc::clone(held.user.get_or_insert_with(|| home.into())));
        held.tokens.push(Arc::new(token));
        true
    }

    fn refresh_token(&mut self, entity: &'d Entity<'_>) -> bool {
        let (Some(secret), Some(home)) = (entity.get(Field::Secret), entity.get(Field::HomeAccountId)) else {
            return false;
        };
        // That of a long-running process is named by a key that only the process knows.
        if entity.is_bound() || assertion_hash(entity).is_some() {
            return false;
        }
        // Of one whose age nobody knows, one that we have is the successor.
        let at = entity.time(Field::LastModificationTime).map_or(1, |time| milliseconds(time.min(self.now)));
        let token = RefreshToken::new(secret);
        for Known { person, held, .. } in everywhere(self.client, &mut self.people, home) {
            if let (Some(person), Some(family)) = (person, entity.get(Field::FamilyId)) {
                person.family_id = Some(family.into());
            }
            held.user.get_or_insert_with(|| home.into());
            if held.refresh_token.as_ref().is_none_or(|(_, before)| *before < at) {
                held.refresh_token = Some((token.clone(), at));
            }
        }
        self.keep_more(entity, secret);
        self.done.refresh_tokens += 1;
        true
    }

    fn id_token(&mut self, entity: &'d Entity<'_>) -> bool {
        let (Some(secret), Some(home)) = (entity.get(Field::Secret), entity.get(Field::HomeAccountId)) else {
            return false;
        };
        let realm = tenant_of(entity.get(Field::Realm).unwrap_or_default(), home);
        let people =
            self.people.get_mut(home).into_iter().flatten().filter_map(|known| known.person.as_mut());
        let Some(person) = people.into_iter().find(|person| person.realm(home).eq_ignore_ascii_case(realm))
        else {
            return false;
        };
        person.id_token = Some(SecretString::from(secret));
        self.keep_more(entity, secret);
        true
    }

    /// Counts an access token that is ours. False where it is of no use any more.
    fn counts<K: TokenKind>(&mut self, entity: &Entity<'_>, token: &CachedToken<K>) -> bool {
        let usable = token.is_usable(self.now);
        if usable {
            self.done.access_tokens += 1;
            self.keep_more(entity, token.access_token.expose_secret());
        } else {
            self.done.ended += 1;
        }
        usable
    }

    fn keep_more(&mut self, entity: &Entity<'_>, secret: &str) {
        let more = entity.more.iter().filter(|(_, value)| !value.is_null());
        let more: More = more.map(|(name, value)| (name.as_ref().into(), value.clone())).collect();
        if !more.is_empty() {
            self.more.push((Id::of(&[secret]), more));
        }
    }

    fn set_aside(&mut self, section: Section, key: &'d str, entry: &Entry<'_>) {
        let kept = match entry {
            Entry::Entity(entity) => {
                let ours =
                    self.is_here(entity) && (section == Section::Account || self.is_this_client(entity));
                let user = entity.get(Field::HomeAccountId).filter(|_| ours).map(Into::into);
                Kept { json: entity.json(), user }
            }
            // Writing a value to memory does not fail.
            Entry::Other(value) => {
                Kept { json: serde_json::to_vec(value).unwrap_or_default().into(), user: None }
            }
        };
        self.aside.push((section, key, kept));
        self.done.set_aside += 1;
    }

    /// The part of our keys that stands for a tenant; `None` where it is none of this authority's.
    fn realm<'r>(&self, realm: &'r str, home: Option<&str>) -> Option<Cow<'r, str>>
    where
        'a: 'r,
    {
        let authority = &self.client.authority;
        let own = || Some(Cow::Borrowed(authority.realm()));
        let is_own = realm.eq_ignore_ascii_case(authority.tenant())
            || authority.tenant_id().is_some_and(|id| id.eq_ignore_ascii_case(realm));
        if let Some(policy) = authority.policy() {
            // Tokens of several policies differ in the user's id only.
            let uid = home.and_then(|home| Some(home.rsplit_once('.')?.0.to_ascii_lowercase()));
            let of_policy = uid.is_none_or(|uid| uid.ends_with(&format!("-{}", policy.to_ascii_lowercase())));
            return if is_own && of_policy { own() } else { None };
        }
        if authority.is_multi_tenant() {
            let tenant = match home {
                Some(home) => tenant_of(realm, home).to_owned(),
                None if crate::authority::is_several(realm) => return None,
                None => realm.to_owned(),
            };
            return Some(Cow::Owned(tenant.to_ascii_lowercase()));
        }
        match () {
            () if is_own => own(),
            () if authority.has_tenants() && !crate::authority::is_several(realm) => {
                Some(Cow::Owned(realm.to_ascii_lowercase()))
            }
            () => None,
        }
    }

    fn is_here(&self, entity: &Entity<'_>) -> bool {
        entity.get(Field::Environment).is_some_and(|environment| self.client.authority.is_called(environment))
    }

    fn is_this_client(&self, entity: &Entity<'_>) -> bool {
        entity
            .get(Field::ClientId)
            .is_some_and(|id| id == self.client.client_id || id.eq_ignore_ascii_case(&self.client.client_id))
    }

    fn carry_out(mut self, document: &Document<'_>) -> Result<MsalImport, MsalCacheError> {
        self.keep_aside(document)?;
        let elsewhere: HashSet<&str, DefaultHashBuilder> =
            self.users.values().filter_map(|held| held.user.as_deref()).collect();
        for (home, people) in self.people {
            let has_tokens = elsewhere.contains(home) || people.iter().any(|known| known.held.user.is_some());
            let mut accounts: SmallVec<[(PartitionKey, Account); 1]> = SmallVec::new();
            for Known { account, partition, held, person } in people {
                if let Some(person) = person {
                    self.client.ledger.add(home, person);
                }
                if let Some(user) = &held.user {
                    let (tokens, refresh_token) = (held.tokens, held.refresh_token);
                    self.client.user_tokens.take_over(partition.clone(), tokens, refresh_token, Some(user));
                }
                match accounts.iter_mut().find(|(known, _)| *known == partition) {
                    Some((_, known)) if speaks_for(self.client, &account, known) => *known = account,
                    Some(_) => {}
                    None => accounts.push((partition, account)),
                }
            }
            if has_tokens {
                self.done.accounts.extend(accounts.into_iter().map(|(_, account)| account));
            }
        }
        self.done.accounts.sort_by(|a, b| a.home_account_id.cmp(&b.home_account_id));
        for (key, tokens) in self.apps {
            self.client.app_tokens.take_over(key, tokens, None, None);
        }
        for (key, held) in self.users {
            self.client.user_tokens.take_over(key, held.tokens, held.refresh_token, held.user.as_ref());
        }
        Ok(self.done)
    }

    fn keep_aside(&mut self, document: &Document<'_>) -> Result<(), MsalCacheError> {
        if self.aside.is_empty() && self.more.is_empty() && document.unknown.is_empty() {
            return Ok(());
        }
        let mut aside = self.client.ledger.aside();
        let mut changed: Aside = aside.clone();
        for (section, key, kept) in self.aside.drain(..) {
            changed.keep(section, key, kept);
        }
        for (name, value) in &document.unknown {
            changed.keep_unknown(name, serde_json::to_vec(value).unwrap_or_default());
        }
        for (token, more) in self.more.drain(..) {
            changed.keep_more(token, more);
        }
        if changed.is_too_much() {
            return Err(MsalCacheError::TooMuchSetAside { limit: SET_ASIDE_LIMIT });
        }
        *aside = changed;
        Ok(())
    }
}

/// The token, where its times are times.
fn token<K: TokenKind>(
    entity: &Entity<'_>,
    secret: &str,
    scopes: Scopes,
    now: Timestamp,
) -> Option<CachedToken<K>> {
    let mut cached_at = entity.time(Field::CachedAt)?;
    if cached_at > now && cached_at.duration_since(now) <= CLOCKS_APART {
        cached_at = now; // Written by a machine whose clock is a little ahead.
    }
    let token = CachedToken::new(AccessToken::new(secret), scopes, entity.time(Field::ExpiresOn)?, cached_at)
        .refreshed_at(entity.time(Field::RefreshOn));
    Some(match entity.time(Field::AssertionExpiresOn) {
        Some(end) => token.ending_with(end),
        None => token,
    })
}

/// Where one partition is for all tenants of a user: the tenant that is configured counts, then the user's home, then the first
/// in the order of names. Of two entries for one tenant it is the later one, as for whatever is kept of it.
fn speaks_for(client: &Inner, account: &Account, before: &Account) -> bool {
    let place = |account: &Account| {
        let is = |tenant: &str| account.tenant_id.eq_ignore_ascii_case(tenant);
        let elsewhere = (!is(client.authority.tenant()), !is(utid(&account.home_account_id)));
        (elsewhere, account.tenant_id.to_ascii_lowercase())
    };
    place(account) <= place(before)
}

/// A user in every tenant, the one at home at least.
fn everywhere<'p, 'd>(client: &Inner, people: &'p mut People<'d>, home: &'d str) -> &'p mut [Known] {
    people.entry(home).or_insert_with(|| {
        let (home_account_id, tenant_id) = (home.to_owned(), utid(home).to_owned());
        vec![Known::new(client, Account { home_account_id, tenant_id, username: String::new() }, None)]
    })
}

/// By which assertion a token was got; two spellings.
fn assertion_hash<'e>(entity: &'e Entity<'_>) -> Option<&'e str> {
    entity.get(Field::UserAssertionHash).or(entity.get(Field::UserAssertionHashOfNode))
}

/// The tenant of a user's entry: where it names several, the user's home.
fn tenant_of<'r>(realm: &'r str, home: &'r str) -> &'r str {
    if realm.is_empty() || crate::authority::is_several(realm) { utid(home) } else { realm }
}
