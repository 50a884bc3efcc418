//! `POST /me/revokeSignInSessions`, and the same for somebody else: refresh tokens and browser sessions end now.

use actix_web::HttpResponse;
use serde_json::json;
use uuid::Uuid;

use crate::graph::call::Call;
use crate::graph::caller::Caller;
use crate::graph::errors::GraphError;
use crate::graph::permissions::SESSIONS;

/// One's own.
pub fn revoke_mine(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    let caller = Caller::with_user(call)?;
    caller.must(&SESSIONS, GraphError::directory_denied)?;
    end(call, caller.me()?.id)
}

/// Somebody's.
pub fn revoke(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    let caller = Caller::of(call)?;
    caller.must(&SESSIONS, GraphError::directory_denied)?;
    end(call, caller.user(call.path_part("user"))?.id)
}

fn end(call: &Call<'_>, user: Uuid) -> Result<HttpResponse, GraphError> {
    call.state.policies.revoke(user, call.state.clock.seconds());
    let context = call.context("Edm.Boolean");
    Ok(call.json(&json!({ "@odata.context": context, "value": true })))
}
