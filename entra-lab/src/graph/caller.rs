//! Who calls Graph: the bearer token, checked, and what it allows.
//!
//! The order is Graph's: first the token (401), then whether there is a user at all (400 at `/me`),
//! then the permission (403), and only then whether the thing exists (404). So nobody learns without
//! permission who is in the directory.

use std::sync::Arc;

use actix_web::http::header;
use uuid::Uuid;

use crate::directory::{Directory, GRAPH_URI, Tenant, User};
use crate::graph::call::Call;
use crate::graph::errors::GraphError;
use crate::graph::permissions::Accepts;
use crate::recorder::note;
use crate::tokens::verify::{self, AccessClaims, TokenFault};

/// Graph's names as an audience. Trailing slashes make no difference.
const AUDIENCES: [&str; 2] = [GRAPH_URI, "00000003-0000-0000-c000-000000000000"];

/// A checked token and the directory it speaks about.
pub struct Caller {
    claims: AccessClaims,
    directory: Arc<Directory>,
}

impl Caller {
    /// Checks the bearer token of a call.
    pub fn of(call: &Call<'_>) -> Result<Self, GraphError> {
        let token = bearer(call)?;
        let claims = verify::access_token(call.state, token, &AUDIENCES).map_err(GraphError::bad_token)?;
        note(call.req, |n| n.client_id = Some(claims.client_id));
        // Continuous access evaluation: only for clients that said they can handle it.
        let policies = &call.state.policies;
        if claims.capable && !claims.app_only && claims.strength.epoch < policies.epoch(claims.object_id) {
            let at = policies.revoked_at(claims.object_id).unwrap_or_default();
            return Err(GraphError::revoked(at));
        }
        Ok(Self { claims, directory: call.state.directory() })
    }

    /// The same for `/me`, which needs a user.
    pub fn with_user(call: &Call<'_>) -> Result<Self, GraphError> {
        let caller = Self::of(call)?;
        if caller.claims.app_only {
            return Err(GraphError::nobody_is_me());
        }
        Ok(caller)
    }

    pub fn is_app(&self) -> bool {
        self.claims.app_only
    }

    /// Object id of the caller: a user or a service principal.
    pub fn id(&self) -> Uuid {
        self.claims.object_id
    }

    pub fn may(&self, accepts: &Accepts) -> bool {
        if self.claims.app_only {
            self.claims.has_any_role(accepts.application)
        } else {
            self.claims.has_any_scope(accepts.delegated)
        }
    }

    /// The permission check; `denied` words the refusal of this kind of resource.
    pub fn must(&self, accepts: &Accepts, denied: fn(&[&str]) -> GraphError) -> Result<(), GraphError> {
        if self.may(accepts) {
            return Ok(());
        }
        Err(denied(if self.claims.app_only { accepts.application } else { accepts.delegated }))
    }

    pub fn tenant(&self) -> Result<&Tenant, GraphError> {
        // The token was checked against the same directory, so this is only for the compiler.
        self.directory
            .tenant_by_id(self.claims.tenant)
            .ok_or_else(|| GraphError::bad_token(TokenFault::Issuer))
    }

    pub fn me(&self) -> Result<&User, GraphError> {
        let id = self.claims.object_id;
        self.tenant()?.user(id).ok_or_else(|| GraphError::unknown_user(&id.to_string()))
    }

    /// Whether the path names the caller, by id or by sign-in name.
    pub fn is_me(&self, id_or_upn: &str) -> bool {
        !self.claims.app_only && self.user(id_or_upn).is_ok_and(|user| user.id == self.claims.object_id)
    }

    pub fn user(&self, id_or_upn: &str) -> Result<&User, GraphError> {
        let tenant = self.tenant()?;
        let by_id = Uuid::try_parse(id_or_upn).ok().and_then(|id| tenant.user(id));
        by_id.or_else(|| tenant.user_by_upn(id_or_upn)).ok_or_else(|| GraphError::unknown_user(id_or_upn))
    }
}

fn bearer<'a>(call: &Call<'a>) -> Result<&'a str, GraphError> {
    let mut values = call.req.headers().get_all(header::AUTHORIZATION);
    let value = values.next().ok_or_else(GraphError::no_token)?;
    // Two headers could mean two callers.
    if values.next().is_some() {
        return Err(GraphError::bad_token(TokenFault::Malformed));
    }
    let text = value.to_str().map_err(|_| GraphError::bad_token(TokenFault::Malformed))?;
    let (scheme, token) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
    if !scheme.eq_ignore_ascii_case("bearer") || token.trim().is_empty() {
        return Err(GraphError::no_token());
    }
    Ok(token.trim())
}
