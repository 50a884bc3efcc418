//! A protected web API: it checks its callers' tokens and calls Microsoft Graph on their behalf.
//!
//! 1. A request arrives with a bearer token.
//! 2. The token is checked: signature, issuer, audience, lifetime, tenant.
//! 3. The guard on the route asks for its scope, or for its role where services call.
//! 4. The user-token cache is asked, by the hash of the incoming token.
//! 5. Nothing there: the incoming token is exchanged for a Graph token at Entra.
//! 6. The Graph token is stored, never for longer than the incoming one lives.
//! 7. Graph is called.
//! 8. The answer goes back, or Entra's refusal as a challenge that the caller can act on.
//!
//! Run everything with `cargo demo`; this API alone, beside `cargo lab`:
//! `cd web-api-obo && cp .env.example .env && cargo run`.

mod graph;
mod openapi;
mod reports;
mod settings;

use std::process::ExitCode;

use actix_web::middleware::from_fn;
use actix_web::{App, HttpResponse, Responder, web};
use shared_auth::actix::{self, ApiError, AppCaller, BearerAuth, UserCaller};
use shared_auth::service::{self, Health, Service};
use shared_auth::{ConfidentialClient, Deployment, DownstreamApi};
use url::Url;
use utoipa::OpenApi;

use crate::graph::{Colleague, Directory, Mail, Messages, Page, Profile, User};
use crate::openapi::{Document, Refusals};
use crate::settings::Settings;

const NAME: &str = "web-api-obo";

/// What the handlers share. A clone is cheap: the caches behind it are the same.
#[derive(Clone)]
struct Shared {
    client: ConfidentialClient,
    graph: DownstreamApi,
}

fn main() -> ExitCode {
    let health = Health::Http { default_listen: settings::LISTEN };
    service::run(Service { name: NAME, flags: &[], health }, Settings::from_env, serve)
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    let client = ConfidentialClient::builder(settings.entra)
        .client_capabilities(["cp1"]) // Graph may end a session at once: its challenge finds the way to the user.
        .jwks_min_refresh_seconds(settings.api.jwks_min_refresh_seconds)
        .shared_cache(settings.redis.clone())
        .deployment(Deployment::new().api(&settings.api).detect_platform())
        .build()?;
    let listener = service::bind(settings.listen)?;
    service::until_reachable(&client).await?;
    // Steps 1 and 2 belong to `bearer`, step 3 to what each route requires of it.
    let bearer = BearerAuth::new(client.access_token_validator(&settings.api));
    let users = bearer.require_scope(&settings.api.scope);
    let services = bearer.require_role(&settings.api.role);
    let shared = Shared { graph: DownstreamApi::new("Microsoft Graph", settings.graph, &client), client };
    let health = actix::health_routes_with(settings.redis.clone());
    let reports = reports::begin(&shared, settings.redis);
    let url = Url::parse(&format!("http://{}", listener.local_addr()?))?;
    // The limits of what a client may cost stand around the app.
    let server = actix::server(listener, settings.limits, move || {
        App::new()
            .app_data(web::Data::new(shared.clone()))
            .app_data(web::Data::new(reports.clone()))
            .service(web::resource("/api/profile").wrap(users.clone()).route(web::get().to(profile)))
            .service(web::resource("/api/photo").wrap(users.clone()).route(web::get().to(photo)))
            .service(web::resource("/api/messages").wrap(users.clone()).route(web::get().to(messages)))
            .service(web::resource("/api/reports").wrap(users.clone()).route(web::post().to(reports::start)))
            .service(
                web::resource("/api/reports/{id}").wrap(users.clone()).route(web::get().to(reports::status)),
            )
            .service(web::resource("/api/directory").wrap(services.clone()).route(web::get().to(directory)))
            .route("/openapi.json", web::get().to(|| async { web::Json(Document::openapi()) }))
            .configure(&health)
            .default_service(web::to(|| async { Err::<HttpResponse, _>(ApiError::not_found()) }))
            .wrap(actix::api_headers())
            .wrap(from_fn(actix::request_span))
    })?;
    service::listening(NAME, &url);
    Ok(server.await?)
}

/// The caller's profile.
#[utoipa::path(get, path = "/api/profile", tag = "users", security(("entra" = ["access_as_user"])),
    responses((status = 200, body = Profile), Refusals))]
async fn profile(caller: UserCaller, shared: web::Data<Shared>) -> Result<impl Responder, ApiError> {
    // Steps 4 to 6.
    let request = shared.client.acquire_token_on_behalf_of(caller.assertion(), "User.Read");
    let token = request.clone().await?;
    // Step 7; where Graph wants to see other claims in the token, steps 5 to 7 once more.
    let me: User = shared.graph.get("/me", &token.access_token).renewing(request).await?;
    // Step 8.
    Ok(web::Json(Profile::new(me, &caller.client_id, token.source)))
}

/// The caller's picture; 404 where there is none.
#[utoipa::path(get, path = "/api/photo", tag = "users", security(("entra" = ["access_as_user"])),
    responses((status = 200, content_type = "image/*"), (status = 404), Refusals))]
async fn photo(caller: UserCaller, shared: web::Data<Shared>) -> Result<impl Responder, ApiError> {
    let token = shared.client.acquire_token_on_behalf_of(caller.assertion(), "User.Read").await?;
    let (content_type, bytes) = shared.graph.get_bytes("/me/photo/$value", &token.access_token).await?;
    Ok(HttpResponse::Ok().content_type(content_type).body(bytes))
}

/// The caller's latest messages. Not everybody has agreed that this API may read them: see step 8.
#[utoipa::path(get, path = "/api/messages", tag = "users", security(("entra" = ["access_as_user"])),
    responses((status = 200, body = Messages), Refusals))]
async fn messages(caller: UserCaller, shared: web::Data<Shared>) -> Result<impl Responder, ApiError> {
    let request = shared.client.acquire_token_on_behalf_of(caller.assertion(), "Mail.Read");
    let token = request.clone().await?;
    let latest = shared.graph.get("/me/messages", &token.access_token).query("$top", "10");
    let mail: Page<Mail> = latest.renewing(request).await?;
    Ok(web::Json(Messages::from(mail)))
}

/// Who works here, for services with the app role. No user takes part, so this API asks Graph as itself.
#[utoipa::path(get, path = "/api/directory", tag = "services", security(("entra" = ["Directory.Read"])),
    responses((status = 200, body = Directory), Refusals))]
async fn directory(caller: AppCaller, shared: web::Data<Shared>) -> Result<impl Responder, ApiError> {
    tracing::info!(step = 7, "the service {} asks who works here", caller.client_id);
    let request = shared.client.acquire_token_for_client("https://graph.microsoft.com/.default");
    let token = request.clone().await?;
    let mut page: Page<User> =
        shared.graph.get("/users", &token.access_token).renewing(request.clone()).await?;
    let mut users: Vec<_> = page.value.into_iter().map(Colleague::from).collect();
    for _ in 1..100 {
        let Some(link) = page.next_link else { break };
        // From the cache, where a better one lies if Graph did not take the first.
        let token = request.clone().await?;
        page = shared.graph.get_link(&link, &token.access_token).renewing(request.clone()).await?;
        users.extend(page.value.into_iter().map(Colleague::from));
    }
    Ok(web::Json(Directory { users }))
}
