//! The same API with actix-web, reqwest and `jsonwebtoken`, as one writes it by hand: each token is verified, the Graph tokens
//! lie in a map. No limits, no spans, no metrics, no refresh of keys, nothing that ends: a bound, not a program to run.

use std::collections::HashMap;
use std::sync::RwLock;

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use aws_lc_rs::digest::{SHA256, digest};
use bench::{CLIENT, TENANT};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::{Deserialize, Serialize};
use serde_json::Value;

struct Api {
    keys: HashMap<String, DecodingKey>,
    rules: Validation,
    graph_tokens: RwLock<HashMap<Vec<u8>, String>>,
    entra: String,
    graph: String,
    http: reqwest::Client,
}

#[derive(Deserialize)]
struct Claims {
    azp: String,
    scp: String,
}

/// What Graph answers, and with the application that asked, what goes back.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    display_name: String,
    user_principal_name: String,
    job_title: Option<String>,
    mail: Option<String>,
    office_location: Option<String>,
    id: String,
    #[serde(default)]
    called_by: String,
}

#[actix_web::main]
pub async fn main() {
    let setting = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default().unwrap();
    let (entra, http) = (setting("AZURE_AUTHORITY_BACKCHANNEL"), reqwest::Client::new());
    let keys = http.get(format!("{entra}/{TENANT}/discovery/v2.0/keys")).send().await.unwrap();
    let keys: Value = serde_json::from_slice(&keys.bytes().await.unwrap()).unwrap();
    let keys = keys["keys"].as_array().unwrap().iter().map(|key| {
        let member = |name: &str| key[name].as_str().unwrap();
        (member("kid").to_owned(), DecodingKey::from_rsa_components(member("n"), member("e")).unwrap())
    });
    let mut rules = Validation::new(Algorithm::RS256);
    rules.set_audience(&[CLIENT]);
    rules.set_issuer(&[crate::stub::ISSUER]);
    rules.validate_nbf = true;
    let api = web::Data::new(Api {
        keys: keys.collect(),
        rules,
        graph_tokens: RwLock::default(),
        entra,
        graph: setting("GRAPH_BASE_URL"),
        http,
    });
    let app = move || {
        App::new()
            .app_data(api.clone())
            .route("/api/profile", web::get().to(profile))
            .route("/health/live", web::get().to(HttpResponse::Ok))
    };
    HttpServer::new(app).bind(setting("LISTEN_ADDR")).unwrap().run().await.unwrap();
}

async fn profile(request: HttpRequest, api: web::Data<Api>) -> HttpResponse {
    let Some((token, claims)) = bearer(&request).and_then(|token| Some((token, verify(&api, token)?))) else {
        return HttpResponse::Unauthorized().finish();
    };
    let graph_token = on_behalf_of(&api, token).await;
    let answer = api.http.get(format!("{}/me", api.graph)).bearer_auth(graph_token).send().await.unwrap();
    let mut profile: Profile = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    profile.called_by = claims.azp;
    HttpResponse::Ok().json(profile)
}

fn bearer(request: &HttpRequest) -> Option<&str> {
    request.headers().get("authorization")?.to_str().ok()?.strip_prefix("Bearer ")
}

fn verify(api: &Api, token: &str) -> Option<Claims> {
    let key = api.keys.get(&decode_header(token).ok()?.kid?)?;
    let claims = decode::<Claims>(token, key, &api.rules).ok()?.claims;
    claims.scp.split(' ').any(|scope| scope == "access_as_user").then_some(claims)
}

async fn on_behalf_of(api: &Api, token: &str) -> String {
    let hash = digest(&SHA256, token.as_bytes()).as_ref().to_vec();
    if let Some(known) = api.graph_tokens.read().unwrap().get(&hash) {
        return known.clone();
    }
    let form = format!(
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&requested_token_use=on_behalf_of&\
         client_id={CLIENT}&client_secret=s3cret&scope=User.Read&assertion={token}"
    );
    let request = api.http.post(format!("{}/{TENANT}/oauth2/v2.0/token", api.entra)).body(form);
    let answer = request.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap();
    let answer: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
    let graph_token = answer["access_token"].as_str().unwrap().to_owned();
    api.graph_tokens.write().unwrap().insert(hash, graph_token.clone());
    graph_token
}
