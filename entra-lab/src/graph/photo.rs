//! `/me/photo` and `/users/{id}/photo`: what is known about a photo, and under `$value` its bytes.
//!
//! There is one size. A user without a photo is an everyday case: 404 `ImageNotFound`.

use actix_web::HttpResponse;
use actix_web::http::header::{ETAG, IF_NONE_MATCH};

use crate::directory::User;
use crate::graph::avatar::{self, Avatar};
use crate::graph::call::Call;
use crate::graph::caller::Caller;
use crate::graph::entity::Entity;
use crate::graph::errors::GraphError;
use crate::graph::permissions::{OWN_PHOTO, PHOTOS};

/// `GET /me/photo`
pub fn my_metadata(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    let caller = Caller::with_user(call)?;
    caller.must(&OWN_PHOTO, GraphError::mailbox_denied)?;
    metadata(call, caller.me()?)
}

/// `GET /me/photo/$value`
pub fn my_image(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    let caller = Caller::with_user(call)?;
    caller.must(&OWN_PHOTO, GraphError::mailbox_denied)?;
    image(call, caller.me()?)
}

/// `GET /users/{id or sign-in name}/photo`
pub fn metadata_of_user(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    let caller = Caller::of(call)?;
    metadata(call, permitted(call, &caller)?)
}

/// `GET /users/{id or sign-in name}/photo/$value`
pub fn image_of_user(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    let caller = Caller::of(call)?;
    image(call, permitted(call, &caller)?)
}

fn permitted<'c>(call: &Call<'_>, caller: &'c Caller) -> Result<&'c User, GraphError> {
    let wanted = call.path_part("user");
    let accepts = if caller.is_me(wanted) { &OWN_PHOTO } else { &PHOTOS };
    caller.must(accepts, GraphError::mailbox_denied)?;
    caller.user(wanted)
}

fn metadata(call: &Call<'_>, user: &User) -> Result<HttpResponse, GraphError> {
    let avatar = Avatar::of(user).ok_or_else(GraphError::no_photo)?;
    let size = avatar::SIZE;
    let entity = Entity::default()
        .with("@odata.mediaContentType", avatar::CONTENT_TYPE)
        .with("@odata.mediaEtag", avatar.etag.as_str())
        .with("id", format!("{size}X{size}"))
        .with("height", size)
        .with("width", size);
    Ok(call.json(&entity.in_context(call.context(&format!("users('{}')/photo/$entity", user.id)))))
}

fn image(call: &Call<'_>, user: &User) -> Result<HttpResponse, GraphError> {
    let avatar = Avatar::of(user).ok_or_else(GraphError::no_photo)?;
    let known = call.req.headers().get(IF_NONE_MATCH).and_then(|v| v.to_str().ok());
    let mut response = HttpResponse::Ok();
    response.insert_header((ETAG, avatar.etag.as_str()));
    if known.is_some_and(|list| list.split(',').any(|etag| etag.trim() == avatar.etag)) {
        return Ok(response.status(actix_web::http::StatusCode::NOT_MODIFIED).finish());
    }
    Ok(response.content_type(avatar::CONTENT_TYPE).body(avatar.jpeg.clone()))
}
