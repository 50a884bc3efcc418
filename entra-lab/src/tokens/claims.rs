//! The claim sets: access tokens of version 1 and 2, for users and for applications, and ID tokens.
//!
//! The API decides the format of its access tokens (`access_token_version`); ID tokens are always
//! version 2. Values that only Microsoft can read (`aio`, `rh`) are random here.

use std::collections::BTreeSet;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::client_auth::Proof;
use crate::directory::{Application, GRAPH, OptionalClaim, Tenant, User};
use crate::policy::decide::Strength;
use crate::random;
use crate::state::LabState;
use crate::tokens::person;

/// Tokens are stamped five minutes back, so a client with a slow clock accepts them.
pub const BACKDATED_SECONDS: i64 = 300;
/// Default lifetimes of access tokens are random, so clients must read `expires_in`.
const ACCESS_SECONDS: (i64, i64) = (3600, 5400);
/// For clients that handle claims challenges.
const CAE_SECONDS: (i64, i64) = (72_000, 100_800);
const ID_SECONDS: i64 = 3600;

/// When a token is made and how long it lives.
#[derive(Debug, Clone, Copy)]
pub struct Lifetime {
    pub issued: i64,
    pub expires: i64,
    /// One second short of the truth, as Entra reports it.
    pub expires_in: i64,
}

impl Lifetime {
    /// Graph can end a token early, so a client that copes with that gets long ones.
    pub fn access(now: i64, api: &Application, capable: bool) -> Self {
        let (low, high) = if capable && api.id == GRAPH { CAE_SECONDS } else { ACCESS_SECONDS };
        Self::of(now, random::between(low, high))
    }

    /// The half of the lifetime, if that is two hours or more.
    pub fn refresh_in(&self) -> Option<i64> {
        (self.expires_in + 1 >= 7200).then_some(self.expires_in / 2)
    }

    pub fn id(now: i64) -> Self {
        Self::of(now, ID_SECONDS)
    }

    pub fn of(now: i64, seconds: i64) -> Self {
        Self { issued: now - BACKDATED_SECONDS, expires: now + seconds, expires_in: seconds - 1 }
    }
}

impl std::fmt::Debug for OnBehalf<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OnBehalf").field("user", &self.user.id).finish_non_exhaustive()
    }
}

/// Who a token is for and where it comes from; the same for every kind of token.
#[derive(Debug)]
pub struct Issue<'a> {
    pub base_url: &'a str,
    pub tenant: &'a Tenant,
    pub client: &'a Application,
    pub lifetime: Lifetime,
    pub proof: Proof,
    /// The client handles claims challenges ("cp1").
    pub capable: bool,
}

/// The user's side of an access token.
pub struct OnBehalf<'a> {
    pub user: &'a User,
    pub scopes: &'a BTreeSet<String>,
    pub sid: Uuid,
    pub auth_time: i64,
    pub strength: &'a Strength,
    /// The tokens for this application, or its own, name the user's groups.
    pub name_groups: &'a dyn Fn(Uuid) -> bool,
    /// They come straight from the authorization endpoint.
    pub front_channel: bool,
}

impl Issue<'_> {
    /// An access token with a user.
    pub fn user_access(&self, api: &Application, asked_as: &str, of: &OnBehalf<'_>) -> Map<String, Value> {
        let user = of.user;
        let mut claims = self.access(api, asked_as);
        put(&mut claims, "name", json!(user.display_name));
        put(&mut claims, "oid", json!(user.id));
        put(&mut claims, "sub", json!(pairwise(self.tenant.id, user.id, api.id)));
        put(&mut claims, "scp", json!(join(of.scopes)));
        put(&mut claims, "sid", json!(of.sid));
        put_roles(&mut claims, self.tenant.roles_of(user.id, api.id));
        // Opaque to everybody but the lab: which sign-in the token stems from, and what was proved.
        let mfa = u8::from(of.strength.mfa);
        put(&mut claims, "rh", json!(format!("1.{}.{}.{mfa}", random::handle(1), of.strength.epoch)));
        if api.wants_claim(OptionalClaim::IdtypOfUsers) {
            put(&mut claims, "idtyp", json!("user"));
        }
        put_contexts(&mut claims, of.strength);
        person::put_all(&mut claims, self, api, &api.optional_claims, of);
        if api.access_token_version == 2 {
            put(&mut claims, "preferred_username", json!(user.upn));
        } else {
            put(&mut claims, "acr", json!("1"));
            put(&mut claims, "amr", if of.strength.mfa { json!(["pwd", "mfa"]) } else { json!(["pwd"]) });
            put(&mut claims, "ipaddr", json!(person::ADDRESS));
            put(&mut claims, "upn", json!(user.upn));
            put(&mut claims, "unique_name", json!(user.upn));
            put_some(&mut claims, "given_name", user.given_name.as_deref());
            put_some(&mut claims, "family_name", user.surname.as_deref());
        }
        claims
    }

    /// An access token without a user: the service principal speaks for itself.
    pub fn app_access(&self, api: &Application, asked_as: &str) -> Map<String, Value> {
        let mut claims = self.access(api, asked_as);
        put(&mut claims, "oid", json!(self.client.object_id));
        put(&mut claims, "sub", json!(self.client.object_id));
        if api.wants_claim(OptionalClaim::Idtyp) {
            put(&mut claims, "idtyp", json!("app"));
        }
        put_roles(&mut claims, self.tenant.roles_of(self.client.object_id, api.id));
        if api.access_token_version != 2 {
            put(&mut claims, "idp", json!(LabState::issuer_v1(self.tenant.id)));
        }
        claims
    }

    /// An ID token; what it says about the user depends on the OpenID Connect scopes.
    pub fn id_token(
        &self,
        of: &OnBehalf<'_>,
        oidc: &BTreeSet<String>,
        nonce: Option<&str>,
        wants_auth_time: bool,
    ) -> Map<String, Value> {
        let user = of.user;
        let mut claims = self.common();
        put(&mut claims, "aud", json!(self.client.id));
        put(&mut claims, "iss", json!(LabState::issuer(self.base_url, self.tenant.id)));
        put(&mut claims, "sub", json!(pairwise(self.tenant.id, user.id, self.client.id)));
        put(&mut claims, "ver", json!("2.0"));
        put_some(&mut claims, "nonce", nonce);
        if oidc.contains("profile") {
            put(&mut claims, "name", json!(user.display_name));
            put(&mut claims, "oid", json!(user.id));
            put(&mut claims, "preferred_username", json!(user.upn));
        }
        if oidc.contains("email") {
            put_some(&mut claims, "email", user.mail.as_deref());
        }
        if wants_auth_time {
            put(&mut claims, "auth_time", json!(of.auth_time));
        }
        put_roles(&mut claims, self.tenant.roles_of(user.id, self.client.id));
        put_contexts(&mut claims, of.strength);
        person::put_all(&mut claims, self, self.client, &self.client.optional_id_claims, of);
        claims
    }

    /// The same ID token in the format of the version 1 endpoint.
    pub fn as_version1(&self, mut claims: Map<String, Value>, of: &OnBehalf<'_>) -> Map<String, Value> {
        claims.remove("preferred_username");
        put(&mut claims, "iss", json!(LabState::issuer_v1(self.tenant.id)));
        put(&mut claims, "ver", json!("1.0"));
        put(&mut claims, "amr", if of.strength.mfa { json!(["pwd", "mfa"]) } else { json!(["pwd"]) });
        put(&mut claims, "upn", json!(of.user.upn));
        put(&mut claims, "unique_name", json!(of.user.upn));
        put_some(&mut claims, "given_name", of.user.given_name.as_deref());
        put_some(&mut claims, "family_name", of.user.surname.as_deref());
        put(&mut claims, "ipaddr", json!(person::ADDRESS));
        claims
    }

    /// What every access token has; the format decides the names.
    fn access(&self, api: &Application, asked_as: &str) -> Map<String, Value> {
        let mut claims = self.common();
        // How the client proved itself: 0 not at all, 1 with a secret, 2 with a certificate.
        let proof = self.proof.claim();
        if self.capable && api.wants_claim(OptionalClaim::XmsCc) {
            put(&mut claims, "xms_cc", json!(["cp1"]));
        }
        if api.access_token_version == 2 {
            put(&mut claims, "aud", json!(api.id));
            put(&mut claims, "iss", json!(LabState::issuer(self.base_url, self.tenant.id)));
            put(&mut claims, "azp", json!(self.client.id));
            put(&mut claims, "azpacr", json!(proof));
            put(&mut claims, "ver", json!("2.0"));
        } else {
            put(&mut claims, "aud", json!(self.v1_audience(api, asked_as)));
            put(&mut claims, "iss", json!(LabState::issuer_v1(self.tenant.id)));
            put(&mut claims, "appid", json!(self.client.id));
            put(&mut claims, "appidacr", json!(proof));
            put(&mut claims, "app_displayname", json!(self.client.name));
            put(&mut claims, "ver", json!("1.0"));
        }
        claims
    }

    /// A version 1 audience repeats how the client named the API.
    fn v1_audience(&self, api: &Application, asked_as: &str) -> String {
        if asked_as.is_empty() {
            return api.identifier_uris.first().cloned().unwrap_or_else(|| api.id.to_string());
        }
        asked_as.to_owned()
    }

    fn common(&self) -> Map<String, Value> {
        let mut claims = Map::new();
        put(&mut claims, "iat", json!(self.lifetime.issued));
        put(&mut claims, "nbf", json!(self.lifetime.issued));
        put(&mut claims, "exp", json!(self.lifetime.expires));
        put(&mut claims, "tid", json!(self.tenant.id));
        put(&mut claims, "uti", json!(random::handle(1)));
        put(&mut claims, "aio", json!(random::handle(2)));
        put(&mut claims, "rh", json!(format!("1.{}", random::handle(1))));
        claims
    }
}

/// The same person has another subject at every application, always the same one there.
pub fn pairwise(tenant: Uuid, user: Uuid, app: Uuid) -> String {
    let text = format!("{tenant}/{user}/{app}");
    URL_SAFE_NO_PAD.encode(digest(&SHA256, text.as_bytes()))
}

pub fn put(claims: &mut Map<String, Value>, name: &str, value: Value) {
    claims.insert(name.to_owned(), value);
}

fn put_some(claims: &mut Map<String, Value>, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        put(claims, name, json!(value));
    }
}

fn put_contexts(claims: &mut Map<String, Value>, strength: &Strength) {
    if strength.mfa && !strength.contexts.is_empty() {
        put(claims, "acrs", json!(strength.contexts));
    }
}

fn put_roles(claims: &mut Map<String, Value>, roles: BTreeSet<String>) {
    if !roles.is_empty() {
        put(claims, "roles", json!(roles));
    }
}

/// `scp` is one string; `offline_access` never stands in it.
fn join(scopes: &BTreeSet<String>) -> String {
    let shown: Vec<&str> = scopes.iter().map(String::as_str).filter(|s| *s != "offline_access").collect();
    shown.join(" ")
}
