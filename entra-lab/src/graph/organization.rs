//! `GET /organization`: the tenant of the token.

use actix_web::HttpResponse;
use serde_json::json;

use crate::graph::call::Call;
use crate::graph::caller::Caller;
use crate::graph::collection;
use crate::graph::errors::GraphError;
use crate::graph::permissions::ORGANIZATION;

/// The one organisation that there is for a caller.
pub fn list(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    let caller = Caller::of(call)?;
    caller.must(&ORGANIZATION, GraphError::directory_denied)?;
    let tenant = caller.tenant()?;
    let domain = json!({ "name": tenant.domain, "isDefault": true, "isInitial": true, "type": "Managed" });
    let item = json!({ "id": tenant.id, "displayName": tenant.name, "verifiedDomains": [domain] });
    collection::page(call, "organization", vec![item])
}
