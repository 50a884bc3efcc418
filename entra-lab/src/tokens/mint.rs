//! Puts together the answer of the token endpoint for a user.
//!
//! The grants differ in what they accept; what they hand out for a user is the same and stands here.

use std::collections::BTreeSet;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::client_auth::Proof;
use crate::directory::{Application, GRAPH, Home, Tenant, User};
use crate::errors::UNKNOWN_RESOURCE;
use crate::issued::SignIn;
use crate::keys::SigningKey;
use crate::loops;
use crate::permissions;
use crate::policy::Switch;
use crate::policy::claims_request::ClaimsRequest;
use crate::refusal::Refusal;
use crate::scopes::ResourceScopes;
use crate::state::LabState;
use crate::tokens::claims::{Issue, Lifetime, OnBehalf, put};
use crate::tokens::signed::sign;

/// The success body of the token endpoint, members in Entra's order.
#[derive(Serialize)]
pub struct TokenAnswer {
    pub token_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    pub expires_in: i64,
    pub ext_expires_in: i64,
    /// When to get a new token although the old one is good, for tokens of two hours or more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_in: Option<i64>,
    pub access_token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// Only single-page applications are told, whose refresh tokens do not live longer by being used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token_expires_in: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_info: Option<String>,
    /// The family whose members may use the refresh token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub foci: Option<&'static str>,
}

impl std::fmt::Debug for TokenAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenAnswer").field("scope", &self.scope).finish_non_exhaustive()
    }
}

/// What a user's tokens are made from.
#[derive(Debug)]
pub struct ForUser<'a> {
    pub state: &'a LabState,
    pub base_url: &'a str,
    pub tenant: &'a Tenant,
    pub client: &'a Application,
    pub user: &'a User,
    pub sign_in: SignIn,
    pub oidc: BTreeSet<String>,
    pub nonce: Option<String>,
    pub wants_auth_time: bool,
    pub wants_refresh_token: bool,
    pub wants_client_info: bool,
    pub proof: Proof,
    pub claims: ClaimsRequest,
    pub version1: bool,
    /// Straight from the authorization endpoint, without a code in between.
    pub front_channel: bool,
}

impl ForUser<'_> {
    /// The answer with a token for this resource, if the user has agreed to it.
    pub fn answer(self, entry: &ResourceScopes) -> Result<TokenAnswer, Refusal> {
        let api = self.tenant.app(entry.resource).ok_or(UNKNOWN_RESOURCE)?;
        let now = self.state.clock.seconds();
        let facts = (&self.sign_in.strength, self.sign_in.auth_time);
        self.state.policies.must_allow(self.tenant, self.user, self.client, api.id, facts, now)?;
        let request = loops::Request {
            tenant: self.tenant.id,
            client: self.client.id,
            user: Some(self.user.id),
            resource: api.id,
            scope: entry.written.join(" "),
        };
        self.state.loops.must_not_loop(request, now)?;
        let scopes = permissions::granted(self.state, self.tenant, self.user, self.client, entry)?;
        let key = self.state.keys.active()?;
        let names_groups = |app| self.state.policies.is_on(Switch::GroupClaims, app);
        let of = self.on_behalf(&scopes, &names_groups);
        let lifetime = Lifetime::access(now, api, self.claims.capable);
        let claims = self.issue(lifetime).user_access(api, &entry.prefix, &of);
        let id_token = self.oidc.contains("openid").then(|| self.id_token(&of));
        Ok(TokenAnswer {
            token_type: "Bearer",
            scope: Some(granted_text(entry, &scopes)),
            expires_in: lifetime.expires_in,
            ext_expires_in: lifetime.expires_in,
            refresh_in: lifetime.refresh_in(),
            access_token: sign(&key, &claims, api.access_token_version)?,
            id_token: id_token.map(|claims| self.sign_id_token(&key, &claims)).transpose()?,
            client_info: self.wants_client_info.then(|| client_info(self.user, self.tenant.id)),
            foci: (self.wants_refresh_token && self.client.family).then_some("1"),
            refresh_token_expires_in: self
                .sign_in
                .ends
                .filter(|_| self.wants_refresh_token)
                .map(|ends| ends - now - 1),
            refresh_token: self
                .wants_refresh_token
                .then(|| self.state.issued.refresh_token(self.sign_in, now)),
        })
    }

    /// An ID token without an access token beside it in the answer of the token endpoint; it names by their hashes what
    /// travels with it (OpenID Connect Core 3.3.2.11).
    pub fn front_channel_id_token(
        &self,
        code: Option<&str>,
        access_token: Option<&str>,
    ) -> Result<String, Refusal> {
        let names_groups = |app| self.state.policies.is_on(Switch::GroupClaims, app);
        let mut claims = self.id_token(&self.on_behalf(&BTreeSet::new(), &names_groups));
        for (name, value) in [("c_hash", code), ("at_hash", access_token)] {
            if let Some(value) = value {
                put(&mut claims, name, json!(half_of_the_hash(value)));
            }
        }
        self.sign_id_token(&*self.state.keys.active()?, &claims)
    }

    fn on_behalf<'o>(
        &'o self,
        scopes: &'o BTreeSet<String>,
        name_groups: &'o dyn Fn(Uuid) -> bool,
    ) -> OnBehalf<'o> {
        OnBehalf {
            user: self.user,
            scopes,
            sid: self.sign_in.sid,
            auth_time: self.sign_in.auth_time,
            strength: &self.sign_in.strength,
            name_groups,
            front_channel: self.front_channel,
        }
    }

    fn issue(&self, lifetime: Lifetime) -> Issue<'_> {
        Issue {
            base_url: self.base_url,
            tenant: self.tenant,
            client: self.client,
            lifetime,
            proof: self.proof,
            capable: self.claims.capable,
        }
    }

    fn id_token(&self, of: &OnBehalf<'_>) -> Map<String, Value> {
        let issue = self.issue(Lifetime::id(self.state.clock.seconds()));
        let claims = issue.id_token(of, &self.oidc, self.nonce.as_deref(), self.wants_auth_time);
        if self.version1 { issue.as_version1(claims, of) } else { claims }
    }

    fn sign_id_token(&self, key: &SigningKey, claims: &Map<String, Value>) -> Result<String, Refusal> {
        sign(key, claims, if self.version1 { 1 } else { 2 })
    }
}

fn half_of_the_hash(value: &str) -> String {
    let hash = digest(&SHA256, value.as_bytes());
    URL_SAFE_NO_PAD.encode(&hash.as_ref()[..hash.as_ref().len() / 2])
}

/// The `scope` member: what was asked for as it was written, then what else is granted, then for
/// Graph the OpenID Connect scopes, then `/.default`. Never `offline_access`.
fn granted_text(entry: &ResourceScopes, granted: &BTreeSet<String>) -> String {
    let written = |name: &str| match (entry.prefix.as_str(), entry.resource == GRAPH) {
        ("", _) => name.to_owned(),
        // OpenID Connect's names stay short even beside full ones.
        (_, true) if crate::directory::OIDC_SCOPES.contains(&name) => name.to_owned(),
        (prefix, _) => format!("{prefix}/{name}"),
    };
    let mut list = entry.written.clone();
    let more = granted.iter().filter(|g| !entry.names.contains(*g) && g.as_str() != "offline_access");
    list.extend(more.map(|g| written(g)));
    list.extend(entry.default.clone());
    list.join(" ")
}

/// Lets MSAL name the account: user and home tenant. A guest is at home elsewhere.
pub fn client_info(user: &User, tenant: Uuid) -> String {
    let home = user.home.unwrap_or(Home { tenant, object_id: user.id });
    URL_SAFE_NO_PAD.encode(json!({ "uid": home.object_id, "utid": home.tenant }).to_string())
}
