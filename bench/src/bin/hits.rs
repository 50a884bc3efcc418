//! Hits of one kind in a cache of one size: `hits CASE ENTRIES [CALLS]`, CASE one of `app`, `silent`, `obo`, `obo-hash`;
//! with `import` it is how long a document of so many users takes, with `import-of-one` that of one user with so many access
//! tokens. `hits document CASE ENTRIES` prints the document instead, as every MSAL reads it.
//!
//! Prints one JSON object with the CPU time of a call, for `peers.sh`; `instructions.sh` counts what happens within
//! `measured_calls`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a measurement that cannot start should say so and stop")]

use std::future::Future;
use std::time::Duration;

use bench::{GRAPH, USER_SCOPES, next};
use cpu_time::ThreadTime;
use shared_auth::{Scopes, UserAssertion};
use tokio::runtime::Runtime;

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let number = |at: usize, otherwise| arguments.get(at).map_or(otherwise, |text| text.parse().unwrap());
    let runtime = Runtime::new().unwrap();
    let case = arguments.first().map(String::as_str).unwrap_or_default();
    let first = if case == "document" { 2 } else { 1 }; // A document names its case after it.
    let (count, calls) = (number(first, 1), number(first + 1, 1_000_000));
    let took = match case {
        "document" => {
            println!("{}", match arguments[1].as_str() {
                "app" => bench::app_tokens(&bench::tenants(count)),
                "import" => bench::whole_cache(count, 1),
                "import-of-one" => bench::whole_cache(1, count),
                _ => bench::user_tokens(&bench::homes(count)),
            });
            return;
        }
        "import" => bench::imports(count, 1, calls as u64),
        "import-of-one" => bench::imports(1, count, calls as u64),
        "app" => {
            let (tenants, scopes) = (bench::tenants(count), Scopes::from(GRAPH));
            let client = bench::with_app_tokens(&tenants);
            measure(&runtime, count, calls, async |at| {
                client.acquire_token_for_client(&scopes).tenant(&tenants[at]).await.unwrap();
            })
        }
        "silent" => {
            let ((client, accounts), scopes) = (bench::with_accounts(count), Scopes::from(USER_SCOPES));
            measure(&runtime, count, calls, async |at| {
                client.acquire_token_silent(&accounts[at], &scopes).await.unwrap();
            })
        }
        "obo" | "obo-hash" => {
            let (host, scopes) = (bench::start_sts(Duration::ZERO), Scopes::from(USER_SCOPES));
            let (client, assertions) = runtime.block_on(bench::with_assertions(&host, count));
            let (texts, ends): (Vec<_>, _) = ((0..count.min(10_000)).map(bench::incoming).collect(), bench::in_an_hour());
            measure(&runtime, count, calls, async |at| {
                let hashed;
                let assertion = if case == "obo" {
                    &assertions[at]
                } else {
                    hashed = UserAssertion::new(texts[at % texts.len()].as_str(), ends);
                    &hashed
                };
                client.acquire_token_on_behalf_of(assertion, &scopes).await.unwrap();
            })
        }
        _ => panic!("hits app|silent|obo|obo-hash|import|import-of-one ENTRIES [CALLS], or hits document CASE ENTRIES"),
    };
    let us = took.as_secs_f64() * 1e6 / calls as f64;
    println!("{}", serde_json::json!({ "peer": "shared-auth", "case": case, "entries": count, "us": us }));
}

fn measure(runtime: &Runtime, count: usize, calls: usize, hit: impl AsyncFn(usize)) -> Duration {
    // Twice around, so that what is paid once is not counted; not more than it takes to be warm.
    runtime.block_on(times(count, calls.min(2 * count + 100), &hit));
    let started = ThreadTime::now();
    measured_calls(runtime, times(count, calls, &hit));
    started.elapsed()
}

/// What the counter of instructions looks at. It does not end in the call itself: a jump would leave it at once.
#[inline(never)]
fn measured_calls(runtime: &Runtime, hits: impl Future<Output = ()>) {
    runtime.block_on(hits);
    std::hint::black_box(runtime);
}

async fn times(count: usize, calls: usize, hit: &impl AsyncFn(usize)) {
    let mut at = 0;
    for _ in 0..calls {
        at = next(at, count);
        hit(at).await;
    }
}
