//! A web app signs users in with Microsoft Entra ID and calls an API for them.
//!
//!  1. The browser asks for a page that needs a user; there is none, so the sign-in begins.
//!  2. The app keeps what it must recognise later on the server, and sends the browser to Entra.
//!  3. The user signs in and consents at Entra.
//!  4. Entra sends the browser back with a code.
//!  5. The app finds the sign-in that it began in this browser, and uses it once.
//!  6. The code is exchanged for tokens, server to server.
//!  7. The ID token is checked.
//!  8. The tokens go to the user-token cache; the session gets a new id, and the cookie holds only that id.
//!  9. A page asks silently for an API token: from the cache, or from Entra without a page for the user.
//! 10. The API is called with it.
//! 11. Sign-out ends the session, removes the user's tokens, and ends the session at Entra.
//!
//! Steps 1 to 8 and 11 are routes of `shared_auth::actix`; this file mounts them and writes the pages. Run everything
//! with `cargo demo`; this app alone, beside `cargo lab`: `cd web-app && cp .env.example .env && cargo run`.

mod apis;
mod assets;
mod glossary;
mod pages;
mod photo;
mod settings;
mod story;

use std::process::ExitCode;

use actix_web::middleware::from_fn;
use actix_web::web::{self, Html};
use actix_web::{App, HttpResponse};
use shared_auth::actix::{self, PageError, SignInOptions, SignInRoutes, SignedInUser};
use shared_auth::service::{self, Health, Service};
use shared_auth::{ConfidentialClient, Scopes};

use crate::apis::{Apis, Me, Messages, Profile};
use crate::settings::Settings;

fn main() -> ExitCode {
    let health = Health::Http { default_listen: settings::LISTEN };
    service::run(Service { name: "web-app", flags: &[], health }, Settings::from_env, serve)
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    let client = ConfidentialClient::builder(settings.entra)
        .client_capabilities(["cp1"]) // An API may end a session at once: its challenge finds the way to the user.
        .clock_skew_seconds(settings.clock_skew_seconds)
        .jwks_min_refresh_seconds(settings.jwks_min_refresh_seconds)
        .shared_cache(settings.redis.clone())
        .deployment(settings.deployment)
        .build()?;
    let listener = service::bind(settings.listen)?;
    service::until_reachable(&client).await?;
    let health = actix::health_routes_with(settings.redis.clone());
    let public_url = settings::public_url(settings.public_url, &listener)?;
    let apis = Apis::new(&client, settings.api, settings.api_scopes, settings.graph);
    let sign_in = SignInRoutes::new(
        client,
        SignInOptions {
            public_url: public_url.clone(),
            scopes: apis.api_scopes.clone(),
            session_key: settings.session_key,
            render_failure: pages::failure,
        },
    )
    .own_scripts()
    .with_redis(settings.redis);
    // The limits of what a client may cost stand around the app.
    let server = actix::server(listener, settings.limits, move || {
        App::new()
            .app_data(web::Data::new(apis.clone()))
            // Steps 1 to 8, and 11.
            .configure(|config| sign_in.routes(config))
            .route("/", web::get().to(home))
            // Steps 9 and 10. These ask for a `SignedInUser`; without one, step 1 begins.
            .route("/profile", web::get().to(profile))
            .route("/photo", web::get().to(photo::photo))
            .route("/messages", web::get().to(messages))
            .route("/graph", web::get().to(graph))
            .route("/claims", web::get().to(claims))
            .route("/assets/{path:.*}", web::get().to(assets::asset))
            .configure(&health)
            .default_service(web::to(|| async { Err::<HttpResponse, _>(PageError::not_found()) }))
            // The last one comes first: headers around sessions around failure pages.
            .wrap(sign_in.failures())
            .wrap(sign_in.sessions())
            .wrap(sign_in.security_headers())
            .wrap(from_fn(actix::request_span))
    })?;
    service::listening("web-app", &public_url);
    Ok(server.await?)
}

/// `GET /`: for everybody.
async fn home(user: Option<SignedInUser>) -> Html {
    pages::home(user.as_ref())
}

/// `GET /profile`: the API asks Graph on behalf of the user.
async fn profile(user: SignedInUser, apis: web::Data<Apis>) -> Result<Html, PageError> {
    // Step 9.
    let token = user.acquire_token(&apis.api_scopes).await?;
    // Step 10.
    let profile: Profile = apis.api.get("/api/profile", &token.access_token).await?;
    Ok(pages::profile(&user, &profile, token.source))
}

/// `GET /messages`: needs a consent that not everybody has given the API.
async fn messages(user: SignedInUser, apis: web::Data<Apis>) -> Result<Html, PageError> {
    let token = user.acquire_token(&apis.api_scopes).await?;
    let answer: Messages = apis.api.get("/api/messages", &token.access_token).await?;
    Ok(pages::messages(&user, &answer.messages, token.source))
}

/// `GET /graph`: no API in between, the user's own token for Graph.
async fn graph(user: SignedInUser, apis: web::Data<Apis>) -> Result<Html, PageError> {
    let token = user.acquire_token(&Scopes::from("User.Read")).await?;
    let me: Me = apis.graph.get("/me", &token.access_token).await?;
    Ok(pages::graph(&user, &me, token.source))
}

/// `GET /claims`: what Entra said about the user at the sign-in.
async fn claims(user: SignedInUser) -> Html {
    pages::claims(&user)
}
