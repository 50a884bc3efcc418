//! From the caches of a client to a document that every MSAL reads.
//!
//! MSAL Python's keys; every date as text; the tenant by its id. An application's own token is written twice, because MSAL
//! Python finds it only where `home_account_id` is null, and msal-node only where it is empty. No two entries fit the
//! same request of a user: msal-node would throw both away.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde_json::Value;

use super::document::{Section, Writer};
use super::entity::{Entity, Entry, Field};
use super::ledger::{Aside, Person};
use super::reader::Reader;
use super::{MsalCache, MsalExport};
use crate::authority::AuthorityKind;
use crate::cache::key::{Filed, Id};
use crate::cache::token::CachedToken;
use crate::client::{ConfidentialClient, Inner};
use crate::protocol::scope::Scopes;
use crate::secret::{RefreshToken, TokenKind};

impl ConfidentialClient {
    /// The token cache of this process in MSAL's format, for MSAL Python (`deserialize`), msal-node (`deserialize`),
    /// MSAL.NET (`DeserializeMsalV3`), MSAL Go (`Unmarshal`), or another [`import_msal_cache`](Self::import_msal_cache).
    ///
    /// It holds the access tokens that are still good, refresh tokens, ID tokens and accounts, and what was set aside
    /// when something was imported. Long-running processes stay here: nobody else could name them.
    ///
    /// ```no_run
    /// # fn example(client: shared_auth::ConfidentialClient) {
    /// use shared_auth::MsalExport;
    ///
    /// let for_python_and_dotnet = client.export_msal_cache(&MsalExport::new());
    /// let for_node = client.export_msal_cache(&MsalExport::new().environment("localhost:8443"));
    /// # }
    /// ```
    pub fn export_msal_cache(&self, how: &MsalExport) -> MsalCache {
        let client = &*self.inner;
        let export = Export {
            client,
            environment: how.environment.as_deref().unwrap_or(client.authority.host_name()),
            now: client.clock.now(),
            aside: client.ledger.aside().clone(),
            in_use: HashSet::new(),
            writer: Writer::default(),
        };
        MsalCache(export.run(how.on_behalf_of))
    }
}

struct Export<'a> {
    client: &'a Inner,
    environment: &'a str,
    now: Timestamp,
    aside: Aside,
    in_use: HashSet<Id>,
    writer: Writer,
}

/// The refresh token of a user: the latest, where there are several for several tenants.
type RefreshTokens = HashMap<String, (RefreshToken, u64)>;

impl Export<'_> {
    fn run(mut self, on_behalf_of: bool) -> zeroize::Zeroizing<String> {
        let client = self.client;
        client.app_tokens.cache.for_each(|partition| {
            if let Some(Filed::App { tenant }) = partition.key.filed() {
                let tenant = self.tenant(tenant, "");
                partition.tokens().for_each(|token| self.app_token(&tenant, token));
            }
        });
        let mut refresh_tokens = RefreshTokens::new();
        client.user_tokens.cache.for_each(|partition| match partition.key.filed() {
            Some(Filed::Account { tenant, home_account_id }) => {
                // As Entra spelled it, where we know.
                let home = partition.user().map_or(home_account_id, |user| user);
                let tenant = self.tenant(tenant, home);
                partition.tokens().for_each(|token| self.user_token(&tenant, home, None, token));
                if let Some((token, at)) = partition.refresh_token()
                    && refresh_tokens.get(home).is_none_or(|(_, before)| before < at)
                {
                    refresh_tokens.insert(home.to_owned(), (token.clone(), *at));
                }
                self.person(&tenant, home);
            }
            Some(Filed::Assertion { tenant, hash }) if on_behalf_of => {
                let home = partition.user().map_or("", |user| user);
                let tenant = self.tenant(tenant, home);
                partition.tokens().for_each(|token| self.user_token(&tenant, home, Some(&hash), token));
            }
            _ => partition.tokens().for_each(|token| self.is_in_use(token.access_token.expose_secret())),
        });
        for (home, (token, at)) in &refresh_tokens {
            self.refresh_token(home, token, *at);
        }
        self.what_was_set_aside();
        self.writer.finish()
    }

    fn access_token<K: TokenKind>(
        &mut self,
        tenant: &str,
        home: &str,
        token: &CachedToken<K>,
    ) -> Entity<'static> {
        let text = token.access_token.expose_secret();
        let times = token.times();
        let mut entity = self
            .entity("AccessToken", home, text)
            .with(Field::Realm, tenant.to_owned())
            .with(Field::Target, sorted(&token.scopes))
            .with(Field::TokenType, "Bearer")
            .with(Field::CachedAt, seconds(times.cached_at()))
            .with(Field::ExpiresOn, seconds(token.expires_at))
            .with(Field::ExtendedExpiresOn, seconds(token.expires_at));
        if let Some(at) = times.refresh_at() {
            entity.set(Field::RefreshOn, seconds(at));
        }
        self.with_more(&mut entity, text);
        entity
    }

    fn app_token<K: TokenKind>(&mut self, tenant: &str, token: &CachedToken<K>) {
        if token.expires_at <= self.now {
            return;
        }
        let entity = self.access_token(tenant, "", token);
        let key = self.key([
            "",
            self.environment,
            "accesstoken",
            &self.client.client_id,
            tenant,
            &sorted(&token.scopes),
        ]);
        let mut of_python = entity.clone();
        of_python.clear(Field::HomeAccountId);
        of_python.more.push((Field::HomeAccountId.name().into(), Value::Null));
        self.writer.put(Section::AccessToken, format!("{key}-"), &entity);
        self.writer.put(Section::AccessToken, key, &of_python);
    }

    fn user_token<K: TokenKind>(
        &mut self,
        tenant: &str,
        home: &str,
        hash: Option<&str>,
        token: &CachedToken<K>,
    ) {
        if token.expires_at <= self.now {
            return;
        }
        let mut entity = self.access_token(tenant, home, token);
        let scopes = sorted(&token.scopes);
        let mut key =
            self.key([home, self.environment, "accesstoken", &self.client.client_id, tenant, &scopes]);
        if let Some(hash) = hash {
            entity.set(Field::UserAssertionHash, hash.to_owned());
            entity.set(Field::AssertionExpiresOn, seconds(token.times().usable_until()));
            key = format!("{key}-{}", hash.to_ascii_lowercase());
        }
        self.writer.put(Section::AccessToken, key, &entity);
    }

    fn refresh_token(&mut self, home: &str, token: &RefreshToken, at: u64) {
        let mut entity = self.entity("RefreshToken", home, token.expose());
        if at > 1 {
            entity.set(Field::LastModificationTime, (at / 1000).to_string());
        }
        if let Some(family) =
            self.client.ledger.people(home).iter().find_map(|person| person.family_id.clone())
        {
            entity.set(Field::FamilyId, family.into_string());
        }
        self.with_more(&mut entity, token.expose());
        let key = self.key([home, self.environment, "refreshtoken", &self.client.client_id, "", ""]);
        self.writer.put(Section::RefreshToken, key, &entity);
    }

    /// The account, and the ID token. Who is known by tokens alone gets an account at home.
    fn person(&mut self, tenant: &str, home: &str) {
        let mut people = self.client.ledger.people(home).to_vec();
        if people.is_empty()
            && let Some((object_id, home_tenant)) = home.rsplit_once('.')
            && home_tenant == tenant
        {
            let account = Entity::default()
                .with(Field::HomeAccountId, home.to_owned())
                .with(Field::Realm, tenant.to_owned())
                .with(Field::LocalAccountId, object_id.to_owned())
                .with(Field::Username, "");
            people.push(Person::new(home, tenant, account.text()));
        }
        for person in people {
            let Ok(Entry::Entity(mut account)) = Entry::read(&mut Reader::new(&person.account)) else {
                continue;
            };
            account.set(Field::Environment, self.environment.to_owned());
            if account.get(Field::AuthorityType).is_none() {
                let kind = match self.client.authority.kind() {
                    AuthorityKind::Adfs => "ADFS",
                    AuthorityKind::Oidc => "Generic",
                    _ => "MSSTS",
                };
                account.set(Field::AuthorityType, kind);
            }
            let realm = person.realm(home);
            let key = format!("{home}-{}-{realm}", self.environment).to_lowercase();
            self.writer.put(Section::Account, key, &account);
            if let Some(id_token) = &person.id_token {
                let text = id_token.expose_secret();
                let mut entity = self.entity("IdToken", home, text).with(Field::Realm, realm.to_owned());
                self.with_more(&mut entity, text);
                let client_id = &self.client.client_id;
                let key = self.key([home, self.environment, "idtoken", client_id, realm, ""]);
                self.writer.put(Section::IdToken, key, &entity);
            }
        }
    }

    fn what_was_set_aside(&mut self) {
        for ((section, key), kept) in &self.aside.entries {
            self.writer.keep(*section, key, &kept.json);
        }
        for (name, json) in &self.aside.unknown {
            self.writer.keep_unknown(name, json);
        }
        let (environment, client_id) = (self.environment, self.client.client_id.as_str());
        let metadata = Entity::default()
            .with(Field::Environment, environment.to_owned())
            .with(Field::ClientId, client_id.to_owned());
        let key = format!("appmetadata-{environment}-{client_id}").to_lowercase();
        self.writer.put(Section::AppMetadata, key, &metadata);
        self.client.ledger.aside().retain_more(&self.in_use);
    }

    /// What every credential has.
    fn entity(&self, kind: &'static str, home: &str, secret: &str) -> Entity<'static> {
        Entity::default()
            .with(Field::CredentialType, kind)
            .with(Field::HomeAccountId, home.to_owned())
            .with(Field::Environment, self.environment.to_owned())
            .with(Field::ClientId, self.client.client_id.clone())
            .with(Field::Secret, secret.to_owned())
    }

    /// The members that the token came with and that mean nothing here.
    fn with_more(&mut self, entity: &mut Entity<'_>, secret: &str) {
        if let Some(more) = self.aside.more.get(&Id::of(&[secret])) {
            entity.more.extend(more.iter().map(|(name, value)| (name.to_string().into(), value.clone())));
        }
        self.is_in_use(secret);
    }

    /// The members that a token came with are kept for as long as the token is here.
    fn is_in_use(&mut self, secret: &str) {
        if !self.aside.more.is_empty() {
            self.in_use.insert(Id::of(&[secret]));
        }
    }

    /// A key as MSAL Python builds it.
    fn key(&self, parts: [&str; 6]) -> String {
        parts.join("-").to_lowercase()
    }

    /// The tenant's id, where it is known.
    fn tenant(&self, tenant: &str, home: &str) -> String {
        let authority = &self.client.authority;
        // With B2C the realm of a user flow is the tenant and the flow; another flow's tenant is the same one.
        let other_flow = authority.policy().is_some() && tenant.contains('/');
        if tenant != authority.realm() && !other_flow {
            return tenant.to_owned();
        }
        match authority.tenant_id() {
            Some(id) => id,
            None => match &*self.client.ledger.people(home) {
                [only] if !only.realm(home).is_empty() => only.realm(home).to_owned(),
                _ => authority.tenant().to_owned(),
            },
        }
    }
}

fn sorted(scopes: &Scopes) -> String {
    let mut all: Vec<&str> = scopes.iter().collect();
    all.sort_unstable();
    all.join(" ")
}

fn seconds(time: Timestamp) -> String {
    time.as_second().to_string()
}
