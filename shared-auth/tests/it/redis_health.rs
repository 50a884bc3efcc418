//! What `/health/ready` says of Redis: the truth, at once, and nothing that leads there. Ready it stays.

use actix_web::http::Method;
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{App, dev};
use entra_lab::EntraLab;
use shared_auth::RedisCache;
use shared_auth::actix::health_routes_with;
use tokio::time::{Duration, Instant};

use crate::redis_server::{KEY, RedisServer, cache, replica_with};
use crate::support::{DAEMON, GRAPH_DEFAULT};

const WELL: &str = r#"{"redis":"ok","status":"ok"}"#;
const AWAY: &str = r#"{"redis":"away","status":"degraded"}"#;
const FULL: &str = r#"{"redis":"full","status":"degraded"}"#;

/// The answer to `path`; it is 200 whatever Redis does.
async fn asked(redis: Option<RedisCache>, path: &str) -> String {
    let app = init_service(App::new().configure(health_routes_with(redis))).await;
    for method in [Method::HEAD, Method::GET] {
        let answer =
            call_service(&app, TestRequest::with_uri(path).method(method.clone()).to_request()).await;
        assert_eq!(answer.status(), 200, "{method} {path}");
        if method == Method::GET {
            return text(answer).await;
        }
    }
    unreachable!()
}

async fn text(answer: dev::ServiceResponse) -> String {
    String::from_utf8(read_body(answer).await.to_vec()).unwrap()
}

async fn ready(redis: &RedisCache) -> String {
    asked(Some(redis.clone()), "/health/ready").await
}

#[actix_web::test]
async fn without_redis_nothing_is_said_of_it() {
    for path in ["/health/live", "/health/ready"] {
        assert_eq!(asked(None, path).await, r#"{"status":"ok"}"#);
    }
}

#[actix_web::test]
async fn a_service_that_nobody_uses_notices_a_redis_that_went_away_and_came_back() {
    let mut redis = RedisServer::start().await;
    let cache = cache(&redis);
    assert_eq!(ready(&cache).await, WELL);

    redis.stop();
    for _ in 0..10 {
        assert_eq!(ready(&cache).await, AWAY);
        assert_eq!(asked(Some(cache.clone()), "/health/live").await, r#"{"status":"ok"}"#);
    }

    redis.start_again().await;
    back(&cache).await;
}

#[actix_web::test]
async fn a_redis_that_hangs_does_not_hang_the_answer() {
    let redis = RedisServer::start().await;
    let cache = cache(&redis);
    assert_eq!(ready(&cache).await, WELL);

    redis.pause();
    let started = Instant::now();
    for _ in 0..20 {
        assert_eq!(ready(&cache).await, AWAY);
    }
    // Five times the limit of 250 ms, then the circuit is open. What hangs takes for ever.
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());

    redis.resume();
    back(&cache).await;
}

#[actix_web::test]
async fn a_redis_without_room_is_said_until_a_write_succeeds() {
    let (lab, redis) = (EntraLab::start().await.unwrap(), RedisServer::start().await);
    let cache = cache(&redis);
    let write = async || {
        let fresh = replica_with(&lab, DAEMON, cache.clone());
        fresh.acquire_token_for_client(GRAPH_DEFAULT).force_refresh().await.unwrap();
    };

    let _: String = redis.command(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
    let _: String = redis.command(&["CONFIG", "SET", "maxmemory", "1mb"]).await;
    write().await;
    assert_eq!(ready(&cache).await, FULL);

    let _: String = redis.command(&["CONFIG", "SET", "maxmemory", "0"]).await;
    write().await;
    assert_eq!(ready(&cache).await, WELL);
}

/// Checklist 108.
#[actix_web::test]
async fn neither_address_nor_password_nor_reason_is_shown() {
    let redis = RedisServer::start().await;
    let _: String = redis.command(&["CONFIG", "SET", "requirepass", "another"]).await;
    let url = redis.url().replace("redis://", "redis://somebody:s3cret@");
    let refused = RedisCache::connect(&url, KEY.parse().unwrap()).unwrap();

    assert_eq!(ready(&refused).await, AWAY);
}

async fn back(cache: &RedisCache) {
    let started = Instant::now();
    while ready(cache).await != WELL {
        assert!(started.elapsed() < Duration::from_secs(10), "Redis is not found again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
