//! An access token in front of an API: seen for the first time, and seen before, beside the bare signature check
//! (`aws-lc-rs`, key parsed once) and the `jsonwebtoken` crate, in one run.
//!
//! `cargo bench --manifest-path bench/Cargo.toml --bench token_validation`. The time is that of the CPU in this thread:
//! what else the machine does then hardly matters. What counts is the ratio between the lines of one run. The keys are
//! fetched before the clock runs.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark that cannot start should say so and stop")]

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cpu_time::ThreadTime;
use futures_util::FutureExt;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};
use shared_auth::{
    AccessTokenValidator, ApiConfig, Caller, ClientCredential, Clock, ConfidentialClient, EntraConfig,
    SystemClock,
};
use std::time::Duration;

const TENANT: &str = "0000071d-0000-4000-8000-000000000001";
const API: &str = "000000a9-0000-4000-8000-000000000001";
const KID: &str = "nOo3ZDrODXEK1jKWhXslHR_KXEg";
/// More than the validator of the first case may remember, so that each of them is new each time.
const FRESH: usize = 2_000;

/// Rounds in which every case has its turn, so that whatever else the machine does falls on all of them alike.
const ROUNDS: usize = 60;
const CALLS: usize = 500;

/// A case, and the CPU time of one call in each round.
struct Case<'a> {
    name: &'static str,
    /// The time of one turn of [`CALLS`] calls.
    turn: Box<dyn FnMut() -> Duration + 'a>,
    nanoseconds: Vec<u128>,
}

impl<'a> Case<'a> {
    fn new(name: &'static str, mut call: impl FnMut() + 'a) -> Self {
        let turn = move || {
            let started = ThreadTime::now();
            (0..CALLS).for_each(|_| call());
            started.elapsed()
        };
        Self::timed(name, turn)
    }

    /// For those who have things to do between the calls.
    fn timed(name: &'static str, turn: impl FnMut() -> Duration + 'a) -> Self {
        Self { name, turn: Box::new(turn), nanoseconds: Vec::new() }
    }

    fn median(&mut self) -> f64 {
        self.nanoseconds.sort_unstable();
        self.nanoseconds[ROUNDS / 2] as f64 / 1_000.0
    }
}

struct Signer {
    pair: KeyPair,
    modulus: Vec<u8>,
}

impl Signer {
    fn new() -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        // The modulus has 2048 bits, so it stands behind nine bytes of DER.
        let modulus = pair.public_key().as_ref()[9..9 + 256].to_vec();
        Self { pair, modulus }
    }

    /// Of the size and with the claims of a user's token of Entra.
    fn token(&self, issuer: &str, user: usize) -> String {
        let now = SystemClock.now().as_second();
        let claims = json!({
            "aud": API, "iss": issuer, "iat": now - 10, "nbf": now - 10, "exp": now + 4_000, "acct": 0,
            "aio": "A".repeat(120), "azp": "000000a9-0000-4000-8000-000000000002", "azpacr": "1",
            "name": "Alice Kim", "oid": format!("a0000000-0000-4000-8000-{user:012}"),
            "preferred_username": format!("alice{user}@contoso.test"), "rh": format!("1.{}", "B".repeat(60)),
            "scp": "access_as_user", "sid": "a0000000-0000-4000-8000-00000000000b",
            "sub": format!("pairwise-for-this-api-{user:024}"), "tid": TENANT, "uti": "u".repeat(22), "ver": "2.0",
            "wids": ["b79fbf4d-3ef9-4689-8143-76b194e85509"], "xms_ftd": "C".repeat(60), "roles": ["Reader"],
        });
        let header = json!({"typ": "JWT", "alg": "RS256", "kid": KID});
        let encode = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let input = format!("{}.{}", encode(&header), encode(&claims));
        let mut signature = vec![0; 256];
        self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), input.as_bytes(), &mut signature).unwrap();
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn jwks(&self) -> Value {
        let n = URL_SAFE_NO_PAD.encode(&self.modulus);
        json!({"keys": [{"kty": "RSA", "use": "sig", "kid": KID, "n": n, "e": "AQAB"}]})
    }
}

/// An authority on loopback: the discovery document and the keys.
fn start_authority(jwks: Value) -> String {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            use actix_web::{App, HttpResponse, HttpServer, web};
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let host = format!("http://{}", listener.local_addr().unwrap());
            let document = json!({
                "issuer": format!("{host}/{TENANT}/v2.0"),
                "authorization_endpoint": format!("{host}/authorize"),
                "token_endpoint": format!("{host}/token"),
                "jwks_uri": format!("{host}/keys"),
            });
            tell.send(host).unwrap();
            let server = HttpServer::new(move || {
                let (document, jwks) = (document.clone(), jwks.clone());
                let answer =
                    |body: Value| web::to(move || std::future::ready(HttpResponse::Ok().json(&body)));
                App::new().route("/keys", answer(jwks)).default_service(answer(document))
            });
            server.workers(1).listen(listener).unwrap().run().await.unwrap();
        });
    });
    told.recv().unwrap()
}

fn client(host: &str) -> ConfidentialClient {
    let config = EntraConfig::new(host.parse().unwrap(), TENANT, API, ClientCredential::secret("s3cret"));
    ConfidentialClient::new(config).unwrap()
}

/// It has seen no token yet. `memory`: for those that it will have seen.
fn validator(client: &ConfidentialClient, memory: u64) -> AccessTokenValidator {
    client.access_token_validator(&ApiConfig { verified_tokens_bytes: Some(memory), ..ApiConfig::new(API) })
}

fn validate(validator: &AccessTokenValidator, token: &str) {
    let outcome = validator.validate(token).now_or_never();
    assert!(matches!(outcome, Some(Ok(Caller::User(_)))), "nobody is asked any more");
}

/// The tokens, one after the other, again and again.
fn in_turn<'t>(tokens: &'t [String]) -> impl FnMut() -> &'t str {
    let mut next = 0;
    move || {
        next = (next + 1) % tokens.len();
        &tokens[next]
    }
}

fn main() {
    let signer = Signer::new();
    let host = start_authority(signer.jwks());
    let issuer = format!("{host}/{TENANT}/v2.0");
    let tokens: Vec<String> = (0..FRESH).map(|user| signer.token(&issuer, user)).collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let client = client(&host);
    let large = || validator(&client, 64 * 1024 * 1024);
    runtime.block_on(large().validate(&tokens[0])).unwrap();
    let foreign = Signer::new();
    let forged: Vec<String> = (0..100).map(|user| foreign.token(&issuer, user)).collect();
    let mut cases = Vec::new();

    let key = PublicKeyComponents { n: signer.modulus.clone(), e: vec![1, 0, 1] }
        .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
        .unwrap();
    let mut another = in_turn(&tokens);
    cases.push(Case::new("the signature alone, aws-lc-rs", move || {
        let (input, signature) = another().rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        key.verify_sig(input.as_bytes(), &signature).unwrap();
    }));

    cases.push(Case::timed("shared-auth, first sight", || {
        let fresh = large();
        let started = ThreadTime::now();
        tokens[..CALLS].iter().for_each(|token| validate(&fresh, token));
        let took = started.elapsed();
        assert_eq!(fresh.remembered().tokens, CALLS, "each of them was new");
        took
    }));

    let small = validator(&client, 256 * 1024);
    let (seen, mut another) = (small.clone(), in_turn(&tokens));
    cases.push(Case::new("shared-auth, first sight, another token gives way", move || {
        validate(&seen, another())
    }));

    let decoding = DecodingKey::from_rsa_raw_components(&signer.modulus, &[1, 0, 1]);
    let mut rules = Validation::new(Algorithm::RS256);
    rules.set_audience(&[API]);
    rules.set_issuer(&[&issuer]);
    rules.validate_nbf = true;
    let mut another = in_turn(&tokens);
    cases.push(Case::new("jsonwebtoken (aws-lc)", move || {
        jsonwebtoken::decode::<Value>(another(), &decoding, &rules).unwrap();
    }));

    for (name, seen) in [
        ("shared-auth, seen before, 1 token", 1),
        ("shared-auth, seen before, 100 tokens", 100),
        ("shared-auth, seen before, 2,000 tokens", FRESH),
    ] {
        let large = large();
        tokens.iter().for_each(|token| validate(&large, token));
        let mut another = in_turn(&tokens[..seen]);
        cases.push(Case::new(name, move || validate(&large, another())));
    }

    let (fresh, mut another) = (large(), in_turn(&forged));
    cases.push(Case::new("shared-auth, a forged token", move || {
        assert!(matches!(fresh.validate(another()).now_or_never(), Some(Err(_))));
    }));

    // One round to warm up.
    for case in &mut cases {
        (case.turn)();
    }
    for _ in 0..ROUNDS {
        for case in &mut cases {
            let took = (case.turn)();
            case.nanoseconds.push(took.as_nanos() / CALLS as u128);
        }
    }
    let usage = small.remembered();
    assert!(usage.tokens < CALLS && usage.bytes <= usage.limit_bytes, "they were new: {usage:?}");

    println!("An access token of {} bytes; CPU time of a call, median of {ROUNDS} rounds.", tokens[0].len());
    let bare = cases[0].median();
    for case in &mut cases {
        let median = case.median();
        println!("{:<52} {median:>7.2} µs  {:>5.2} x the signature", case.name, median / bare);
    }
}
