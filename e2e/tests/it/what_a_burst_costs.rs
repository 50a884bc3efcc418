//! Two hundred requests at once: each takes its connections, and nothing is left over.
#![cfg(target_os = "linux")]

use std::sync::Arc;
use std::time::Duration;

use entra_lab::{EntraLab, Fault, Target, What};

use crate::redis::{KEYS, Redis};
use crate::stack::{API, Stack, http, is_compose};

const AT_ONCE: usize = 200;

/// Checklist 157.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_requests_at_once_take_five_connections_each_at_most_and_share_those_to_redis() {
    if is_compose() {
        return; // Whose files those of a container are is its engine's affair.
    }
    let redis = Redis::start();
    let lab = EntraLab::start().await.unwrap();
    // Slow enough for all of them to be there at once.
    lab.fault(Fault::new(Target::Graph, What::Slow { milliseconds: 300 }));
    let stack = Arc::new(Stack::at(
        lab,
        &[("REDIS_URL", redis.url.as_str()), ("CACHE_KEYS", KEYS), ("RUST_LOG", "warn")],
    ));
    let token = stack.daemons_token_for(API).await;
    assert_eq!(stack.ask_api("/api/directory", Some(&token)).await.0, 200);
    let (before, client) = (stack.open_files("web-api-obo"), http());

    for round in 0..3 {
        let requests = (0..AT_ONCE).map(|_| {
            let request = client.get(format!("{}/api/directory", stack.api)).bearer_auth(&token);
            tokio::spawn(async move { request.send().await.unwrap().status().as_u16() })
        });
        let requests: Vec<_> = requests.collect();
        let mut most = 0;
        while requests.iter().any(|request| !request.is_finished()) {
            most = most.max(stack.open_files("web-api-obo"));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        for request in requests {
            assert_eq!(request.await.unwrap(), 200);
        }
        // One from its caller and one to Graph; as many again, since an HTTP client begins a connection while it waits for
        // another to be free; and one that is just being closed.
        assert!(most > before + AT_ONCE / 2, "round {round}: {most} files, so they were not there at once");
        assert!(most <= before + 5 * AT_ONCE + 50, "round {round}: {most} files, {before} before");
        // The API and the web app: one for all calls and one that listens, each.
        assert!(redis.clients() <= 6, "{} connections to Redis", redis.clients());
    }
}
