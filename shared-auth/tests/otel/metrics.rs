//! The figures under the names that a collector sees, a Redis that is stopped among them.

use entra_lab::{EntraLab, Fault, Target, What};
use shared_auth::{ApiConfig, ConfidentialClient};

use crate::collector::Collector;
use crate::redis_server::{KEY, OLD_KEY, RedisServer, cache_with_keys, replica_with};
use crate::support::{API, DAEMON, GRAPH_DEFAULT, client, client_with_clock};

/// Does each thing that is counted, and leaves Redis away.
async fn everything_that_is_counted() -> ConfidentialClient {
    let (lab, mut redis) = (EntraLab::start().await.unwrap(), RedisServer::start().await);
    let daemon = |keys| replica_with(&lab, DAEMON, cache_with_keys(&redis, keys));
    let (one, other, stranger) = (daemon(KEY), daemon(KEY), daemon(OLD_KEY));
    for client in [&one, &one, &other, &stranger] {
        client.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap();
    }
    let validator = client(&lab, API).access_token_validator(&ApiConfig::new(API));
    validator.validate("not a token").await.unwrap_err();

    let (waits, _clock) = client_with_clock(&lab, DAEMON);
    lab.fault(Fault::new(Target::Token, What::Status { status: 429, retry_after: Some(30) }).times(1));
    for _ in 0..2 {
        waits.acquire_token_for_client(GRAPH_DEFAULT).await.unwrap_err();
    }

    redis.stop();
    while one.metrics().redis.unwrap().available {
        one.acquire_token_for_client(GRAPH_DEFAULT).force_refresh().await.unwrap();
    }
    one
}

#[test]
fn every_figure_reaches_the_collector() {
    let _turn = crate::turn();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let collector = runtime.block_on(Collector::start());
    let export = collector.export("figures");

    // What the others counted outlives them; a circuit belongs to those that are still there.
    let _still_there = runtime.block_on(everything_that_is_counted());
    export.shutdown();

    let figures = runtime.block_on(collector.figures());
    for (name, at_least) in [
        ("shared_auth.acquisitions{outcome=success,source=cache}", 2),
        ("shared_auth.acquisitions{outcome=success,source=identity_provider}", 2),
        ("shared_auth.acquisitions{outcome=throttled,source=identity_provider}", 2),
        ("shared_auth.cache.hits{level=memory}", 1),
        ("shared_auth.cache.hits{level=shared}", 1),
        ("shared_auth.cache.misses", 2),
        ("shared_auth.token_request.duration", 3),
        ("shared_auth.throttled{by=identity_provider}", 1),
        ("shared_auth.throttled{by=client}", 1),
        ("shared_auth.validations{check=shape,outcome=refused}", 1),
        ("shared_auth.sealed_values.refused", 1),
        ("shared_auth.redis.failures", 5),
        ("shared_auth.redis.outages", 1),
        ("shared_auth.redis.circuits_open", 1),
    ] {
        let value = figures.get(name).unwrap_or_else(|| panic!("no {name} among {figures:#?}"));
        assert!(*value >= at_least, "{name} is {value}");
    }
}
