//! A token endpoint that keeps every form and answers as it is told.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde_json::json;
use shared_auth::{ClientCredential, ConfidentialClient, EntraConfig, ManualClock};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::support::{DAEMON, GRAPH_DEFAULT, now};

pub const TENANT: &str = "10000000-0000-4000-8000-000000000001";

pub type Form = HashMap<String, String>;

pub struct Sts {
    pub server: MockServer,
    forms: Arc<Mutex<Vec<Form>>>,
}

impl Sts {
    /// Takes every credential.
    pub async fn start() -> Self {
        Self::refusing(|_| None).await
    }

    /// `refused` names the AADSTS code for a form, or `None` where it is taken.
    pub async fn refusing(refused: impl Fn(&Form) -> Option<u32> + Send + Sync + 'static) -> Self {
        let server = MockServer::start().await;
        let (uri, forms) = (server.uri(), Arc::<Mutex<Vec<Form>>>::default());
        let document = json!({
            "issuer": format!("{uri}/{TENANT}/v2.0"),
            "authorization_endpoint": format!("{uri}/{TENANT}/oauth2/v2.0/authorize"),
            "token_endpoint": format!("{uri}/{TENANT}/oauth2/v2.0/token"),
            "jwks_uri": format!("{uri}/{TENANT}/discovery/v2.0/keys"),
        });
        Mock::given(method("GET"))
            .and(path(format!("/{TENANT}/v2.0/.well-known/openid-configuration")))
            .respond_with(ResponseTemplate::new(200).set_body_json(document))
            .mount(&server)
            .await;
        let seen = Arc::clone(&forms);
        Mock::given(method("POST"))
            .and(path(format!("/{TENANT}/oauth2/v2.0/token")))
            .respond_with(move |request: &Request| {
                let form: Form = url::form_urlencoded::parse(&request.body).into_owned().collect();
                let code = refused(&form);
                seen.lock().unwrap().push(form);
                match code {
                    None => ResponseTemplate::new(200).set_body_json(
                        json!({ "token_type": "Bearer", "expires_in": 3599, "access_token": "t0ken" }),
                    ),
                    Some(code) => ResponseTemplate::new(401).set_body_json(json!({
                        "error": "invalid_client",
                        "error_description": format!("AADSTS{code}: no."),
                        "error_codes": [code],
                    })),
                }
            })
            .mount(&server)
            .await;
        Self { server, forms }
    }

    pub fn token_endpoint(&self) -> String {
        format!("{}/{TENANT}/oauth2/v2.0/token", self.server.uri())
    }

    pub fn config(&self, credential: impl Into<ClientCredential>) -> EntraConfig {
        EntraConfig::new(self.server.uri().parse().unwrap(), TENANT, DAEMON, credential.into())
    }

    /// A client whose clock is moved by hand.
    pub fn client(&self, credential: impl Into<ClientCredential>) -> (ConfidentialClient, ManualClock) {
        let clock = ManualClock::at(now());
        let client = ConfidentialClient::builder(self.config(credential)).clock(Arc::new(clock.clone()));
        (client.build().unwrap(), clock)
    }

    pub fn forms(&self) -> Vec<Form> {
        self.forms.lock().unwrap().clone()
    }

    /// The assertion of the last request.
    pub fn last_assertion(&self) -> String {
        self.forms().last().unwrap()["client_assertion"].clone()
    }
}

/// A token that does not come from the cache.
pub async fn ask(client: &ConfidentialClient) -> Result<(), shared_auth::Error> {
    client.acquire_token_for_client(GRAPH_DEFAULT).force_refresh().await.map(|_| ())
}
