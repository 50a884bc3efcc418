//! Microsoft Graph, mounted under `/v1.0`: people, mail, photos and groups for reading, and what a registration tool
//! writes: applications, service principals, grants and role assignments.
//!
//! `routes` is the table. `call` gives every answer its ids and headers, `caller` checks the bearer token,
//! `permissions` says what it must carry, `query` reads `$top`, `$select` and their kin, `collection` pages through
//! JSON, and the remaining files are the resources.

mod applications;
mod ask;
pub mod avatar;
mod batch;
mod call;
mod caller;
mod collection;
mod credentials;
mod entity;
mod errors;
mod groups;
mod manifest;
mod messages;
mod organization;
mod people;
mod permission_grants;
mod permissions;
mod person;
mod photo;
mod query;
mod role_assignments;
mod routes;
mod service_principals;
mod sessions;

use actix_web::{Error, HttpRequest, HttpResponse, web};

use crate::state::LabState;
use ask::Ask;
use errors::GraphError;

/// Adds Graph.
pub fn configure(cfg: &mut web::ServiceConfig) {
    cfg.default_service(web::to(answer));
}

async fn answer(
    req: HttpRequest,
    state: web::Data<LabState>,
    body: Result<web::Bytes, Error>,
) -> HttpResponse {
    let too_long = body.is_err();
    let ask = Ask::of(&req, body.unwrap_or_default());
    call::answer(&req, &state, &ask, |call| {
        if too_long {
            return Err(GraphError::bad_request("The body is too long or cannot be read."));
        }
        call.dispatch()
    })
}
