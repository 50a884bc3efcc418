//! Authorities beyond one tenant in the public cloud: several tenants, other clouds, other kinds of providers.
//!
//! The hosts have their real names; a server of a few lines answers for them by way of the back channel.

mod kinds;
mod tenants;

use std::sync::Arc;

use serde_json::{Value, json};
use shared_auth::flows::authorization_code::InitiateAuthCodeFlow;
use shared_auth::{
    AuthorizationResponse, ClientCredential, ConfidentialClient, EntraConfig, Error, ManualClock, SignIn,
};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::tokens::{API, KEY, USER, key_set, start};

/// A provider that publishes [`KEY`] and answers codes with an ID token of the test's choice.
struct Provider {
    server: MockServer,
    /// As browsers see it.
    host: String,
}

impl Provider {
    async fn at(host: &str) -> Self {
        Self { server: MockServer::start().await, host: host.to_owned() }
    }

    fn config(&self, config: EntraConfig) -> EntraConfig {
        EntraConfig { backchannel: Some(self.server.uri().parse().unwrap()), ..config }
    }

    fn client(&self, config: EntraConfig) -> ConfidentialClient {
        let clock = Arc::new(ManualClock::at(start()));
        ConfidentialClient::builder(self.config(config)).clock(clock).build().unwrap()
    }

    /// Serves a discovery document whose endpoints stand below `base`.
    async fn document(&self, at: &str, issuer: &str, base: &str) {
        let below = format!("{}{base}", self.host);
        let document = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{below}/authorize"),
            "token_endpoint": format!("{below}/token"),
            "jwks_uri": format!("{below}/keys"),
        });
        self.get(at, ResponseTemplate::new(200).set_body_json(document)).await;
        self.get(&format!("{base}/keys"), key_set(&[KEY.jwk()])).await;
    }

    async fn get(&self, at: &str, answer: ResponseTemplate) {
        Mock::given(method("GET")).and(path(at)).respond_with(answer).mount(&self.server).await;
    }

    async fn tokens(&self, base: &str, body: Value) {
        let mut answer = json!({"token_type": "Bearer", "expires_in": 3599, "access_token": "opaque"});
        for (name, value) in body.as_object().unwrap() {
            answer[name] = value.clone();
        }
        Mock::given(method("POST"))
            .and(path(format!("{base}/token")))
            .respond_with(ResponseTemplate::new(200).set_body_json(answer))
            .mount(&self.server)
            .await;
    }

    /// Where tokens were asked for, in order.
    async fn token_paths(&self) -> Vec<String> {
        let all = self.server.received_requests().await.unwrap();
        let posts = all.iter().filter(|request| request.method == "POST");
        posts.map(|request| request.url.path().to_owned()).collect()
    }

    /// Signs in and lets the token endpoint below `base` answer with these claims, and the nonce of the sign-in.
    async fn sign_in(
        &self,
        client: &ConfidentialClient,
        base: &str,
        claims: &Value,
    ) -> Result<SignIn, Error> {
        let flow = client.initiate_auth_code_flow("User.Read", &"http://localhost:3000/x".parse().unwrap());
        self.sign_in_by(flow, client, base, claims).await
    }

    /// As [`sign_in`](Self::sign_in), for a sign-in that was begun with options.
    async fn sign_in_by(
        &self,
        flow: InitiateAuthCodeFlow,
        client: &ConfidentialClient,
        base: &str,
        claims: &Value,
    ) -> Result<SignIn, Error> {
        let flow = flow.await?;
        let url = flow.authorization_url();
        assert!(url.as_str().starts_with(&self.host), "the browser goes to the public address: {url}");
        let sent = |name: &str| url.query_pairs().find(|(key, _)| key == name).unwrap().1.into_owned();
        let mut claims = claims.clone();
        claims["nonce"] = sent("nonce").into();
        self.tokens(base, json!({"id_token": KEY.token(&claims), "refresh_token": "r"})).await;
        let answer = format!("code=c&state={}", sent("state"));
        let answer = AuthorizationResponse::parse(&answer).unwrap();
        client.acquire_token_by_authorization_code(flow, answer).await
    }
}

/// The claims that every ID token has.
fn id_token(issuer: &str, more: Value) -> Value {
    let now = start().as_second();
    let mut claims = json!({
        "aud": API, "iss": issuer, "iat": now, "nbf": now, "exp": now + 3_600, "sub": "subject",
    });
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims
}

/// The claims of an Entra ID token on top of those.
fn entra(tenant: &str) -> Value {
    json!({"tid": tenant, "oid": USER, "ver": "2.0", "preferred_username": "alice@contoso.test"})
}

fn secret() -> ClientCredential {
    ClientCredential::secret("not looked at")
}

/// The sentence of a sign-in that must not succeed.
fn refused(outcome: Result<SignIn, Error>) -> String {
    match outcome {
        Err(error @ Error::SignIn(_)) => error.to_string(),
        other => panic!("expected a refused ID token, found {other:?}"),
    }
}
