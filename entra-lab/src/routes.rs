//! The route table, in the order in which a sign-in visits the routes.

use actix_web::{HttpResponse, guard, web};

use crate::endpoints::{
    assets, authorize, device_auth, device_code, discovery, error_code, home, instance, jwks, login, logout,
    token, user_realm, userinfo,
};
use crate::params::MOST_BYTES;
use crate::{controls, graph};

/// Adds every route of the lab. A resource answers 405 to a verb that it does not have.
pub fn configure(cfg: &mut web::ServiceConfig) {
    cfg.app_data(web::PayloadConfig::new(MOST_BYTES));
    cfg.route("/", read().to(home::home));

    // Before a sign-in.
    cfg.route("/common/discovery/instance", read().to(instance::instance));
    cfg.route("/{tenant}/v2.0/.well-known/openid-configuration", read().to(discovery::discovery));
    cfg.route("/{tenant}/discovery/v2.0/keys", read().to(jwks::jwks));
    // The sign-in.
    cfg.service(
        web::resource("/{tenant}/oauth2/v2.0/authorize")
            .route(web::get().to(authorize::authorize))
            .route(web::post().to(authorize::authorize_post)),
    );
    cfg.service(web::resource("/{tenant}/login").route(web::post().to(login::login)));
    cfg.route("/error", read().to(error_code::error_code));
    // Tokens.
    cfg.service(
        web::resource("/{tenant}/oauth2/v2.0/token")
            .route(web::post().to(token::token))
            .default_service(web::to(token::wrong_verb)),
    );
    cfg.service(
        web::resource("/{tenant}/oauth2/v2.0/devicecode").route(web::post().to(device_code::device_code)),
    );
    for path in ["/deviceauth", "/common/oauth2/deviceauth"] {
        cfg.service(
            web::resource(path)
                .route(read().to(device_auth::page))
                .route(web::post().to(device_auth::submit)),
        );
    }
    cfg.route("/common/userrealm/{upn}", read().to(user_realm::user_realm));
    cfg.service(
        web::resource("/oidc/userinfo")
            .route(web::get().to(userinfo::userinfo))
            .route(web::post().to(userinfo::userinfo)),
    );
    cfg.service(web::scope("/v1.0").configure(graph::configure));
    // The end.
    cfg.service(
        web::resource("/{tenant}/oauth2/v2.0/logout")
            .route(web::get().to(logout::logout))
            .route(web::post().to(logout::logout)),
    );

    // The lab itself.
    cfg.route("/lab/health", read().to(controls::health));
    cfg.route("/lab/ca.pem", read().to(controls::ca_pem));
    cfg.service(web::resource("/lab/clock").route(web::post().to(controls::clock)));
    cfg.service(web::resource("/lab/reset").route(web::post().to(controls::reset)));
    cfg.route("/lab/photo/{user}", read().to(home::photo));
    cfg.route("/lab/assets/{file}", read().to(assets::asset));
    cfg.default_service(web::to(nothing_here));
}

/// GET and HEAD: a route for GET alone does not answer HEAD.
fn read() -> actix_web::Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

async fn nothing_here() -> HttpResponse {
    HttpResponse::NotFound()
        .content_type("text/plain; charset=utf-8")
        .body("Nothing lives at this address. The home page of the lab, /, lists what does.\n")
}
