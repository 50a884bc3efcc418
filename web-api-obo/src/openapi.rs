//! The description of this API at `/openapi.json`, written from the handlers and their types.
//!
//! What each route needs and refuses stands at its handler; what all routes share stands here.

use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{IntoResponses, Modify, OpenApi, ToSchema};

/// The document.
#[derive(OpenApi)]
#[openapi(
    info(title = "web-api-obo", description = "Calls Microsoft Graph on behalf of its callers."),
    paths(crate::profile, crate::photo, crate::messages, crate::reports::start, crate::reports::status, crate::directory),
    components(schemas(Problem)),
    modifiers(&BearerToken)
)]
pub struct Document;

struct BearerToken;

impl Modify for BearerToken {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some("An access token of Microsoft Entra ID for this API."))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("entra", SecurityScheme::Http(scheme));
    }
}

/// How every protected route says no.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "only describes what the guards and `ApiError` answer")]
pub enum Refusals {
    /// The `Authorization` header is there twice, or is not one scheme and one token.
    #[response(status = 400)]
    BadRequest(Problem),
    /// No token, or one that was refused; `WWW-Authenticate` says what the caller can do about it.
    #[response(status = 401)]
    Unauthorized(Problem),
    /// The token is good and lacks the permission of this route.
    #[response(status = 403)]
    Forbidden(Problem),
    /// Too many tokens from this address were missing or refused; `Retry-After` says when to ask again.
    #[response(status = 429)]
    TooManyRequests(Problem),
    /// Entra or Microsoft Graph refused this API itself; its log says why.
    #[response(status = 502)]
    BadGateway(Problem),
    /// Entra or Microsoft Graph cannot be reached; `Retry-After` says when to ask again.
    #[response(status = 503)]
    ServiceUnavailable(Problem),
}

/// The body of every error.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[allow(dead_code, reason = "only describes what the guards and `ApiError` answer")]
pub struct Problem {
    /// The class of the error, for programs.
    error: String,
    /// A sentence for people.
    message: String,
    /// The id under which the log of this API has the details.
    correlation_id: String,
}
