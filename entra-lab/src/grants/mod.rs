//! The grant types of the token endpoint: one file each, one row each in the table below.
//!
//! `endpoints/token.rs` reads the request and authenticates the client; a grant only answers what is
//! special about it. To add a grant, write its file and add its row.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::authority::Authority;
use crate::client_auth::Proof;
use crate::directory::{Application, Directory, Tenant, User};
use crate::errors::{GRANT_INVALID, UNKNOWN_TENANT};
use crate::issued::SignIn;
use crate::params::Params;
use crate::policy::claims_request::ClaimsRequest;
use crate::refusal::Refusal;
use crate::state::LabState;
use crate::tokens::mint::{ForUser, TokenAnswer};

mod authorization_code;
mod client_credentials;
pub mod cross_origin;
mod device_code;
mod on_behalf_of;
pub mod password;
mod refresh_token;

/// A token request whose client has proved itself.
#[derive(Debug)]
pub struct TokenRequest<'a> {
    pub state: &'a LabState,
    pub directory: &'a Directory,
    pub authority: Authority,
    pub base_url: &'a str,
    pub client: &'a Application,
    pub params: &'a Params,
    pub now: i64,
    /// It came to the version 1 endpoint, so the ID token is of version 1.
    pub version1: bool,
    pub proof: Proof,
    pub claims: ClaimsRequest,
}

/// One grant type.
pub struct Grant {
    /// The value of `grant_type`.
    pub name: &'static str,
    pub answer: fn(&TokenRequest<'_>) -> Result<TokenAnswer, Refusal>,
}

/// Every grant that the lab knows.
static GRANTS: [Grant; 7] = [
    Grant { name: "authorization_code", answer: authorization_code::answer },
    Grant { name: "refresh_token", answer: refresh_token::answer },
    Grant { name: "client_credentials", answer: client_credentials::answer },
    Grant { name: "urn:ietf:params:oauth:grant-type:jwt-bearer", answer: on_behalf_of::answer },
    Grant { name: "urn:ietf:params:oauth:grant-type:device_code", answer: device_code::answer },
    // msal-node leaves the namespace away.
    Grant { name: "device_code", answer: device_code::answer },
    Grant { name: "password", answer: password::answer },
];

/// The grant with this name.
pub fn find(name: &str) -> Option<&'static Grant> {
    GRANTS.iter().find(|g| g.name == name)
}

impl std::fmt::Debug for Grant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl<'a> TokenRequest<'a> {
    /// What a user flow answers with, but for what is special to a grant. Only a code carries a nonce (OpenID Connect
    /// Core 12.2: an ID token from a refresh has none).
    fn for_user(
        &self,
        tenant: &'a Tenant,
        user: &'a User,
        oidc: BTreeSet<String>,
        sign_in: SignIn,
    ) -> ForUser<'a> {
        ForUser {
            state: self.state,
            base_url: self.base_url,
            tenant,
            client: self.client,
            user,
            sign_in,
            nonce: None,
            wants_auth_time: false,
            wants_refresh_token: oidc.contains("offline_access"),
            wants_client_info: self.wants_client_info(),
            proof: self.proof,
            claims: self.claims.clone(),
            version1: self.version1,
            front_channel: false,
            oidc,
        }
    }

    /// The person that a code, refresh token or assertion is about, if the directory still has them.
    fn person(&self, tenant: Uuid, user: Uuid) -> Result<(&'a Tenant, &'a User), Refusal> {
        let tenant = self.directory.tenant_by_id(tenant).ok_or(UNKNOWN_TENANT)?;
        let user = tenant.user(user).ok_or_else(|| GRANT_INVALID.about("Its user is gone."))?;
        Ok((tenant, user))
    }

    fn wants_client_info(&self) -> bool {
        self.params.get("client_info") == Some("1")
    }
}
