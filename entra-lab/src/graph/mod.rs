//! Microsoft Graph, mounted under `/v1.0`: people, mail and photos, for reading only.
//!
//! This is the route table. `call` gives every answer its ids and headers, `caller` checks the bearer
//! token, `permissions` says what it must carry, `query` reads `$top`, `$select` and their kin, and
//! the remaining files are the resources.

pub mod avatar;
mod call;
mod caller;
mod entity;
mod errors;
mod messages;
mod people;
mod permissions;
mod person;
mod photo;
mod query;

use actix_web::{HttpRequest, HttpResponse, Resource, guard, web};

use crate::state::LabState;
use call::Call;
use errors::GraphError;

/// What answers one kind of read request.
type Handler = fn(&Call<'_>) -> Result<HttpResponse, GraphError>;

/// Adds Graph's routes.
pub fn configure(cfg: &mut web::ServiceConfig) {
    cfg.service(read("/me", people::me))
        .service(read("/me/messages", messages::mine))
        .service(read("/me/photo", photo::my_metadata))
        .service(read("/me/photo/$value", photo::my_image))
        .service(read("/users", people::list))
        .service(read("/users/{user}", people::one))
        .service(read("/users/{user}/messages", messages::of_user))
        .service(read("/users/{user}/photo", photo::metadata_of_user))
        .service(read("/users/{user}/photo/$value", photo::image_of_user))
        .default_service(web::to(|req, state| refuse(req, state, GraphError::unknown_path)));
}

/// A resource that can be read. HEAD is GET without the body, every other verb is refused.
fn read(path: &str, handler: Handler) -> Resource {
    let reads = guard::Any(guard::Get()).or(guard::Head());
    web::resource(path)
        .route(web::route().guard(reads).to(move |req: HttpRequest, state: web::Data<LabState>| async move {
            call::answer(&req, &state, handler)
        }))
        .default_service(web::to(|req, state| refuse(req, state, |_| GraphError::wrong_verb())))
}

async fn refuse(
    req: HttpRequest,
    state: web::Data<LabState>,
    error: fn(&HttpRequest) -> GraphError,
) -> HttpResponse {
    call::answer(&req, &state, |call| Err(error(call.req)))
}
