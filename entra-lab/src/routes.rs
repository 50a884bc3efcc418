//! The route table, in the order in which a sign-in visits the routes.

use actix_web::{HttpResponse, guard, web};

use crate::endpoints::{
    admin_consent, assets, authorize, device_auth, device_code, discovery, error_code, home, inspector,
    instance, jwks, key_vault, login, logout, managed_identity, token, user_realm, userinfo, version1,
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
    cfg.route("/{tenant}/.well-known/openid-configuration", read().to(version1::document));
    cfg.route("/{tenant}/discovery/v2.0/keys", read().to(jwks::jwks));
    cfg.route("/{tenant}/discovery/keys", read().to(jwks::jwks));
    // The sign-in.
    cfg.service(
        web::resource(both("authorize"))
            .route(web::get().to(authorize::authorize))
            .route(web::post().to(authorize::authorize_post)),
    );
    cfg.service(
        web::resource(["/{tenant}/adminconsent", "/{tenant}/v2.0/adminconsent"])
            .route(read().to(admin_consent::page))
            .route(web::post().to(admin_consent::submit)),
    );
    cfg.service(web::resource("/{tenant}/login").route(web::post().to(login::login)));
    cfg.route("/error", read().to(error_code::error_code));
    // Tokens.
    cfg.service(
        web::resource(both("token"))
            .route(web::post().to(token::token))
            .default_service(web::to(token::wrong_verb)),
    );
    cfg.service(web::resource(both("devicecode")).route(web::post().to(device_code::device_code)));
    for path in ["/deviceauth", "/common/oauth2/deviceauth"] {
        cfg.service(
            web::resource(path)
                .route(read().to(device_auth::page))
                .route(web::post().to(device_auth::submit)),
        );
    }
    cfg.route("/common/userrealm/{upn}", read().to(user_realm::user_realm));
    cfg.service(
        web::resource(["/oidc/userinfo", "/{tenant}/openid/userinfo"])
            .route(web::get().to(userinfo::userinfo))
            .route(web::post().to(userinfo::userinfo)),
    );
    // What surrounds a program in Azure.
    cfg.route("/metadata/identity/oauth2/token", web::get().to(managed_identity::imds));
    cfg.route("/msi/token", web::get().to(managed_identity::app_service));
    cfg.route("/secrets/{name}", web::get().to(key_vault::latest));
    // With a slash behind it: the Azure SDK for Rust leaves the version empty.
    cfg.route("/secrets/{name}/", web::get().to(key_vault::latest));
    cfg.route("/secrets/{name}/{version}", web::get().to(key_vault::version));
    cfg.service(web::scope("/v1.0").configure(graph::configure));
    // The end.
    cfg.service(
        web::resource(both("logout"))
            .route(web::get().to(logout::logout))
            .route(web::post().to(logout::logout)),
    );

    // The lab itself.
    cfg.route("/lab/health", read().to(controls::health));
    cfg.route("/lab/ca.pem", read().to(controls::ca_pem));
    cfg.service(web::resource("/lab/clock").route(web::post().to(controls::clock)));
    cfg.service(
        web::resource("/lab/policy")
            .route(read().to(controls::policies))
            .route(web::post().to(controls::policy)),
    );
    cfg.service(
        web::resource("/lab/fault").route(read().to(controls::faults)).route(web::post().to(controls::fault)),
    );
    cfg.service(web::resource("/lab/keys").route(web::post().to(controls::keys)));
    cfg.route("/lab/openapi.json", read().to(controls::openapi));
    cfg.route("/lab/requests", read().to(controls::requests));
    cfg.service(web::resource("/lab/tenants").route(web::post().to(controls::tenants)));
    cfg.service(web::resource("/lab/seed").route(web::post().to(controls::seed)));
    cfg.service(web::resource("/lab/inspect").route(web::post().to(controls::inspect)));
    cfg.service(web::resource("/lab/forge").route(web::post().to(controls::forge)));
    cfg.route("/lab/inspector", read().to(inspector::page));
    cfg.service(web::resource("/lab/reset").route(web::post().to(controls::reset)));
    cfg.route("/lab/photo/{user}", read().to(home::photo));
    cfg.route("/lab/assets/{file}", read().to(assets::asset));
    cfg.default_service(web::to(nothing_here));
}

/// The addresses of version 2 and version 1.
fn both(name: &str) -> [String; 2] {
    [format!("/{{tenant}}/oauth2/v2.0/{name}"), format!("/{{tenant}}/oauth2/{name}")]
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
