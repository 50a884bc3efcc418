//! An access token in front of an API: seen for the first time, and seen before, beside the bare signature check
//! (`aws-lc-rs`, key parsed once) and the `jsonwebtoken` crate, in one run.
//!
//! `cargo bench --manifest-path bench/Cargo.toml --bench token_validation`. The time is that of the CPU in this thread:
//! what else the machine does then hardly matters. What counts is the ratio between the lines of one run. The keys are
//! fetched before the clock runs.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a benchmark that cannot start should say so and stop")]

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::RSA_PKCS1_2048_8192_SHA256;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bench::tokens::Signer;
use bench::{CLIENT as API, TENANT};
use cpu_time::ThreadTime;
use futures_util::FutureExt;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};
use shared_auth::{
    AccessTokenValidator, ApiConfig, Caller, ClientCredential, ConfidentialClient, EntraConfig,
};
use std::time::Duration;

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
    let signer = Signer::default();
    let host = start_authority(signer.jwks());
    let issuer = format!("{host}/{TENANT}/v2.0");
    let tokens: Vec<String> = (0..FRESH).map(|user| signer.token(&issuer, user)).collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let client = client(&host);
    let large = || validator(&client, 64 * 1024 * 1024);
    runtime.block_on(large().validate(&tokens[0])).unwrap();
    let foreign = Signer::default();
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
