//! A forge for tokens, and an authority of a few lines that publishes any keys: what the lab refuses to do.

use std::sync::{Arc, LazyLock, Mutex};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{
    KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
    RSA_PSS_SHA512, RsaEncoding,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use shared_auth::{
    AccessTokenValidator, ApiConfig, Caller, ClientCredential, ConfidentialClient, EntraConfig, Error,
    ManualClock, TokenRejection,
};
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

pub const TENANT: &str = "10000000-0000-4000-8000-000000000001";
pub const OTHER_TENANT: &str = "20000000-0000-4000-8000-000000000002";
pub const API: &str = "c0ffee00-0000-4000-8000-000000004000";
pub const WEB_APP: &str = "c0ffee00-0000-4000-8000-000000003000";
pub const DAEMON: &str = "c0ffee00-0000-4000-8000-000000005000";
pub const USER: &str = "a0000000-0000-4000-8000-00000000000a";
pub const DAEMON_OBJECT: &str = "d0000000-0000-4000-8000-00000000000d";

/// The key that the authority publishes, and one that nobody published. RSA keys take a moment to make: two for all.
pub static KEY: LazyLock<TestKey> = LazyLock::new(|| TestKey::new("key-1"));
pub static FOREIGN_KEY: LazyLock<TestKey> = LazyLock::new(|| TestKey::new("key-2"));

/// An RSA key pair with a name.
pub struct TestKey {
    pub kid: &'static str,
    pair: KeyPair,
}

impl TestKey {
    pub fn new(kid: &'static str) -> Self {
        Self { kid, pair: KeyPair::generate(KeySize::Rsa2048).unwrap() }
    }

    /// The public key as RFC 8017 `RSAPublicKey`.
    pub fn pkcs1_der(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    /// The modulus in base64url: of 2048 bits, so it stands behind nine bytes of DER.
    pub fn modulus(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.pkcs1_der()[9..9 + 256])
    }

    /// The member of the key set, as Entra writes it (without `alg`).
    pub fn jwk(&self) -> Value {
        json!({"kty": "RSA", "use": "sig", "kid": self.kid, "n": self.modulus(), "e": "AQAB"})
    }

    /// A certificate that the key made for itself, under the name that Entra's certificates have.
    pub fn certificate(&self) -> Vec<u8> {
        let der: Pkcs8V1Der<'_> = self.pair.as_der().unwrap();
        let key = rcgen::KeyPair::try_from(der.as_ref()).unwrap();
        let params =
            rcgen::CertificateParams::new(vec!["accounts.accesscontrol.windows.net".to_owned()]).unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    pub fn sign(&self, algorithm: &str, input: &str) -> Vec<u8> {
        let encoding: &'static dyn RsaEncoding = match algorithm {
            "RS256" => &RSA_PKCS1_SHA256,
            "RS384" => &RSA_PKCS1_SHA384,
            "RS512" => &RSA_PKCS1_SHA512,
            "PS256" => &RSA_PSS_SHA256,
            "PS384" => &RSA_PSS_SHA384,
            "PS512" => &RSA_PSS_SHA512,
            other => panic!("the forge does not know {other}"),
        };
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(encoding, &SystemRandom::new(), input.as_bytes(), &mut signature).unwrap();
        signature
    }

    /// A token that is right in form, whatever it says.
    pub fn token(&self, claims: &Value) -> String {
        self.token_with(
            &json!({"typ": "JWT", "alg": "RS256", "kid": self.kid}).to_string(),
            &claims.to_string(),
        )
    }

    /// Any two texts, signed with RS256.
    pub fn token_with(&self, header: &str, payload: &str) -> String {
        let input = unsigned(header, payload);
        let signature = self.sign("RS256", &input);
        join(&input, &signature)
    }
}

/// The part of a token that is signed.
pub fn unsigned(header: &str, payload: &str) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload))
}

pub fn join(input: &str, signature: &[u8]) -> String {
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The hour at which every test begins.
pub fn start() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().unwrap()
}

/// An authority that can be told what to answer, a validator that trusts it, and the clock of both.
pub struct TestAuthority {
    pub server: MockServer,
    pub clock: ManualClock,
    pub client: ConfidentialClient,
    pub validator: AccessTokenValidator,
    pub issuer: String,
    keys: Arc<Mutex<ResponseTemplate>>,
    tokens: Arc<Mutex<ResponseTemplate>>,
}

/// What differs between two authorities.
pub struct Setup {
    /// As in `AZURE_TENANT_ID`.
    pub tenant: &'static str,
    /// What the tokens name; by default the server itself.
    pub host: Option<&'static str>,
    pub skew_seconds: u32,
    pub names_itself: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self { tenant: TENANT, host: None, skew_seconds: 60, names_itself: false }
    }
}

impl TestAuthority {
    /// Publishes [`KEY`].
    pub async fn start() -> Self {
        Self::start_with(Setup::default()).await
    }

    /// Its answers to a sign-in name it (RFC 9207), and it says so.
    #[cfg(feature = "actix")]
    pub async fn start_naming_itself() -> Self {
        Self::start_with(Setup { names_itself: true, ..Setup::default() }).await
    }

    pub async fn start_with(setup: Setup) -> Self {
        let server = MockServer::start().await;
        let host = setup.host.map_or_else(|| server.uri(), str::to_owned);
        let base = format!("{host}/{TENANT}");
        let issuer = format!("{base}/v2.0");
        let discovery = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
            "token_endpoint": format!("{base}/oauth2/v2.0/token"),
            "jwks_uri": format!("{base}/discovery/v2.0/keys"),
            "authorization_response_iss_parameter_supported": setup.names_itself,
        });
        Mock::given(path(format!("/{}/v2.0/.well-known/openid-configuration", setup.tenant)))
            .respond_with(ResponseTemplate::new(200).set_body_json(discovery))
            .mount(&server)
            .await;
        let keys = Arc::new(Mutex::new(key_set(&[KEY.jwk()])));
        let published = Arc::clone(&keys);
        Mock::given(path(format!("/{TENANT}/discovery/v2.0/keys")))
            .respond_with(move |_: &Request| published.lock().unwrap().clone())
            .mount(&server)
            .await;

        let tokens = Arc::new(Mutex::new(ResponseTemplate::new(500)));
        let answer = Arc::clone(&tokens);
        Mock::given(path(format!("/{TENANT}/oauth2/v2.0/token")))
            .respond_with(move |_: &Request| answer.lock().unwrap().clone())
            .mount(&server)
            .await;

        let clock = ManualClock::at(start());
        let mut config = EntraConfig::new(
            host.parse().unwrap(),
            setup.tenant,
            API,
            ClientCredential::secret("not used here"),
        );
        config.backchannel = Some(server.uri().parse().unwrap());
        let client = ConfidentialClient::builder(config)
            .clock(Arc::new(clock.clone()))
            .jwks_min_refresh_seconds(300)
            .build()
            .unwrap();
        let api = ApiConfig { clock_skew_seconds: setup.skew_seconds, ..ApiConfig::new(API) };
        let validator = client.access_token_validator(&api);
        Self { server, clock, client, validator, issuer, keys, tokens }
    }

    /// From now on the key set is this.
    pub fn publish(&self, members: &[Value]) {
        self.answer_keys_with(key_set(members));
    }

    pub fn answer_keys_with(&self, answer: ResponseTemplate) {
        *self.keys.lock().unwrap() = answer;
    }

    /// From now on the token endpoint answers with this ID token.
    pub fn answer_code_with(&self, id_token: &str) {
        let body = json!({"token_type": "Bearer", "expires_in": 3599, "access_token": "opaque", "id_token": id_token});
        self.answer_tokens_with(ResponseTemplate::new(200).set_body_json(body));
    }

    /// From now on the token endpoint answers with this.
    pub fn answer_tokens_with(&self, answer: ResponseTemplate) {
        *self.tokens.lock().unwrap() = answer;
    }

    /// The claims of a good ID token for the sign-in with this nonce.
    #[cfg(feature = "actix")]
    pub fn id_token(&self, nonce: &str) -> Value {
        let now = start().as_second();
        json!({
            "aud": API, "iss": self.issuer, "iat": now, "nbf": now, "exp": now + 3_600, "name": "Alice Kim",
            "nonce": nonce, "oid": USER, "preferred_username": "alice@contoso.test", "rh": "1.x",
            "sub": "pairwise-for-this-app", "tid": TENANT, "uti": "u", "ver": "2.0",
        })
    }

    /// How often the keys were asked for.
    pub async fn key_requests(&self) -> usize {
        let all = self.server.received_requests().await.unwrap();
        all.iter().filter(|request| request.url.path().ends_with("/discovery/v2.0/keys")).count()
    }

    /// The claims of a good user's token of this authority.
    pub fn user_claims(&self) -> Value {
        let now = start().as_second();
        json!({
            "aud": API, "iss": self.issuer, "iat": now - 10, "nbf": now - 10, "exp": now + 3_600,
            "azp": WEB_APP, "azpacr": "1", "name": "Alice Kim", "oid": USER,
            "preferred_username": "alice@contoso.test", "rh": "1.x", "scp": "access_as_user",
            "sub": "pairwise-for-this-api", "tid": TENANT, "uti": "u", "ver": "2.0",
        })
    }

    /// The claims of a good application's token of this authority.
    pub fn app_claims(&self) -> Value {
        let now = start().as_second();
        json!({
            "aud": API, "iss": self.issuer, "iat": now - 10, "nbf": now - 10, "exp": now + 3_600,
            "azp": DAEMON, "azpacr": "1", "oid": DAEMON_OBJECT, "rh": "1.x", "roles": ["Directory.Read"],
            "sub": DAEMON_OBJECT, "tid": TENANT, "uti": "u", "ver": "2.0",
        })
    }

    pub async fn validate(&self, token: &str) -> Result<Caller, Error> {
        self.validator.validate(token).await
    }

    /// The rejection; anything else fails the test.
    pub async fn rejection(&self, what: &str, token: &str) -> TokenRejection {
        match self.validate(token).await {
            Err(Error::InvalidToken(rejection)) => rejection,
            other => panic!("{what}: expected a rejection, found {other:?}"),
        }
    }

    pub fn advance_seconds(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }

    pub fn advance_minutes(&self, minutes: i64) {
        self.clock.advance(SignedDuration::from_mins(minutes));
    }
}

pub fn key_set(members: &[Value]) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({ "keys": members }))
}
