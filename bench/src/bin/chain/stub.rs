//! Entra and Graph on loopback: discovery, keys, on-behalf-of tokens of real size, the profile of whoever asks.
//!
//! It says that it is the public cloud, as Microsoft's own libraries demand; every program is told that its back channel is
//! here.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, Responder, web};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bench::{CLIENT, TENANT, TOKEN_BYTES};
use serde::Deserialize;
use serde_json::{Value, json};

/// What the tokens name and every program expects.
pub const ISSUER: &str = "https://login.microsoftonline.com/0000071d-0000-4000-8000-000000000001/v2.0";
const HOST: &str = "https://login.microsoftonline.com";

pub struct Stub {
    pub address: SocketAddr,
    state: Arc<State>,
}

struct State {
    jwks: Value,
    token_requests: AtomicU64,
}

impl Stub {
    pub fn start(jwks: Value) -> Self {
        let state = Arc::new(State { jwks, token_requests: AtomicU64::new(0) });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, data) = (listener.local_addr().unwrap(), web::Data::from(Arc::clone(&state)));
        std::thread::spawn(move || {
            let app = move || {
                App::new()
                    .app_data(data.clone())
                    .route("/v1.0/me", web::get().to(me))
                    .route("/{tenant}/oauth2/v2.0/token", web::post().to(token))
                    .route("/{tenant}/discovery/v2.0/keys", web::get().to(keys))
                    .default_service(web::to(discovery))
            };
            let server = HttpServer::new(app).workers(1).disable_signals().listen(listener).unwrap();
            actix_web::rt::System::new().block_on(server.run()).unwrap();
        });
        Self { address, state }
    }

    pub fn token_requests(&self) -> u64 {
        self.state.token_requests.load(Ordering::Relaxed)
    }
}

/// Of the issuer, and of the instance, whichever is asked for.
async fn discovery() -> impl Responder {
    web::Json(json!({
        "issuer": ISSUER,
        "authorization_endpoint": format!("{HOST}/{TENANT}/oauth2/v2.0/authorize"),
        "token_endpoint": format!("{HOST}/{TENANT}/oauth2/v2.0/token"),
        "jwks_uri": format!("{HOST}/{TENANT}/discovery/v2.0/keys"),
        "tenant_discovery_endpoint": format!("{ISSUER}/.well-known/openid-configuration"),
        "metadata": [{
            "preferred_network": "login.microsoftonline.com", "preferred_cache": "login.windows.net",
            "aliases": ["login.microsoftonline.com", "login.windows.net"],
        }],
    }))
}

async fn keys(state: web::Data<State>) -> impl Responder {
    web::Json(state.jwks.clone())
}

#[derive(Deserialize)]
struct Form {
    assertion: String,
    scope: String,
}

async fn token(form: web::Form<Form>, state: web::Data<State>) -> impl Responder {
    let at = state.token_requests.fetch_add(1, Ordering::Relaxed);
    // Nobody in front of a stub is an attacker.
    let claims = form.assertion.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let claims: Value = serde_json::from_slice(&claims.unwrap()).unwrap();
    let encode = |json: Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let mut answer = json!({
        "token_type": "Bearer", "expires_in": 4_000, "ext_expires_in": 4_000, "scope": "User.Read",
        "access_token": format!("{at:012}.{}", "g".repeat(TOKEN_BYTES - 13)),
        "client_info": encode(json!({"uid": claims["oid"], "utid": TENANT})),
    });
    if form.scope.contains("openid") {
        let mut id = claims.clone();
        id["aud"] = CLIENT.into();
        answer["id_token"] =
            format!("{}.{}.", encode(json!({"typ": "JWT", "alg": "RS256"})), encode(id)).into();
    }
    if form.scope.contains("offline_access") {
        answer["refresh_token"] = "r".repeat(bench::REFRESH_TOKEN_BYTES).into();
    }
    web::Json(answer)
}

async fn me(request: HttpRequest) -> impl Responder {
    if !request.headers().contains_key("authorization") {
        return HttpResponse::Unauthorized().finish();
    }
    HttpResponse::Ok().json(json!({
        "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#users/$entity",
        "businessPhones": ["+82 2 555 0100"], "displayName": "Alice Kim", "givenName": "Alice", "surname": "Kim",
        "jobTitle": "Engineer", "mail": "alice@contoso.test", "mobilePhone": null, "officeLocation": "Seoul 12/3",
        "preferredLanguage": "ko-KR", "userPrincipalName": "alice@contoso.test",
        "id": "a0000000-0000-4000-8000-00000000000a",
    }))
}
