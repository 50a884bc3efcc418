//! What the daemon does, and how it ends.

use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::daemon::{Running, Surroundings, command, stderr, stdout};

#[tokio::test(flavor = "multi_thread")]
async fn one_round_lists_the_directory_page_by_page_and_calls_our_api() {
    let around = Surroundings::new().await;

    let output = around.daemon().arg("--once").output().unwrap();

    let log = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{log}\n{}", stderr(&output));
    assert!(log.matches("a page of the directory").count() > 1, "one page only: {log}");
    for name in ["Alice Kim", "Bob Novak", "Carol Diaz", "Hana Sato"] {
        assert!(log.contains(name), "{name} is missing: {log}");
    }
    assert!(log.contains("our API knows 2 users: Alice Kim, Bob Novak"), "{log}");
    assert!(log.contains("came from the identity provider"), "{log}");
    assert_eq!(around.token_requests(), 2, "one for Graph, one for our API");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_round_takes_both_tokens_from_the_cache() {
    let around = Surroundings::new().await;
    let running = Running::start(around.daemon().env("DAEMON_INTERVAL_SECONDS", "1"));

    let first = running.until("step=8").join("\n");
    let second = running.until("step=8").join("\n");

    assert_eq!(first.matches("came from the identity provider").count(), 2, "{first}");
    assert_eq!(second.matches("came from the cache").count(), 2, "{second}");
    assert_eq!(around.token_requests(), 2);
}

/// Checklist 112.
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_is_one_sentence_with_its_code() {
    let around = Surroundings::new().await;

    let output = around.daemon().env("AZURE_CLIENT_SECRET", "not-the-secret").arg("--once").output().unwrap();

    let (log, error) = (stdout(&output), stderr(&output));
    assert_eq!(output.status.code(), Some(1), "{log}");
    assert!(error.contains("AADSTS7000215") && error.lines().count() == 1, "{error}");
    assert!(!format!("{log}{error}").contains("not-the-secret"), "the secret is in the log: {log}{error}");
}

/// Checklist 112.
#[tokio::test(flavor = "multi_thread")]
async fn a_round_that_fails_is_logged_and_costs_one_token_request() {
    let around = Surroundings::new().await;
    let mut daemon = around.daemon();
    daemon.env("AZURE_CLIENT_SECRET", "not-the-secret").env("DAEMON_INTERVAL_SECONDS", "1");
    let running = Running::start(&mut daemon);

    running.until("this round failed");
    running.until("this round failed");

    assert_eq!(around.token_requests(), 2);
    assert!(around.api.received_requests().await.unwrap().is_empty(), "without a token nobody is called");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_scope_is_refused_before_entra_is_asked() {
    let around = Surroundings::new().await;
    let scope = "api://c0ffee00-0000-4000-8000-000000004000/access_as_user";

    let output = around.daemon().env("API_SCOPES", scope).arg("--once").output().unwrap();

    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("AADSTS1002012"), "{}", stderr(&output));
    assert_eq!(around.token_requests(), 1, "only the one for Graph");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_refuses_fails_the_round() {
    let around = Surroundings::new().await;
    around.api.reset().await;

    let output = around.daemon().arg("--once").output().unwrap();

    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("the web API"), "{}", stderr(&output));
}

/// Checklist 124.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_it_well() {
    let around = Surroundings::new().await;
    let running = Running::start(&mut around.daemon());
    running.until("step=8");

    assert_eq!(running.terminate(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_health_check_believes_a_fresh_heartbeat_only() {
    let around = Surroundings::new().await;
    let file = format!("{}/heartbeat-{}", env!("CARGO_TARGET_TMPDIR"), std::process::id());
    let _ = std::fs::remove_file(&file);
    let healthy =
        || command().env("DAEMON_HEARTBEAT_FILE", &file).arg("healthcheck").status().unwrap().success();

    assert!(!healthy(), "there was no round yet");
    let running = Running::start(around.daemon().env("DAEMON_HEARTBEAT_FILE", &file));
    running.until("step=8");
    assert!(healthy());

    let long_ago = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    std::fs::File::options().write(true).open(&file).unwrap().set_modified(long_ago).unwrap();
    assert!(!healthy(), "the last good round is long ago");
    assert!(!command().arg("healthcheck").status().unwrap().success(), "nothing to look at");
}

#[tokio::test(flavor = "multi_thread")]
async fn traces_and_metrics_of_a_round_reach_the_collector_before_the_program_ends() {
    let (around, collector) = (Surroundings::new().await, MockServer::start().await);
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&collector).await;

    let output = around
        .daemon()
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.uri())
        .env("OTEL_SERVICE_NAME", "the-daemon")
        .arg("--once")
        .output()
        .unwrap();

    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let requests = collector.received_requests().await.unwrap();
    let sent = |path: &str, text: &str| {
        let bodies = requests.iter().filter(|request| request.url.path() == path);
        bodies.map(|request| String::from_utf8_lossy(&request.body)).any(|body| body.contains(text))
    };
    for text in ["the-daemon", "round", "token_request", "calling Microsoft Graph", "calling the web API"] {
        assert!(sent("/v1/traces", text), "no {text} among the spans");
    }
    assert!(sent("/v1/metrics", "shared_auth.acquisitions"));
    // Our API was called within the trace.
    let call = &around.api.received_requests().await.unwrap()[0];
    let context = call.headers.get("traceparent").unwrap().to_str().unwrap();
    assert!(context.starts_with("00-") && context.len() == 55, "{context}");
    for secret in ["eyJ", "lab-secret"] {
        assert!(!sent("/v1/traces", secret) && !sent("/v1/metrics", secret), "found {secret}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_costs_no_round() {
    let around = Surroundings::new().await;

    let output = around
        .daemon()
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
        .arg("--once")
        .output()
        .unwrap();

    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn a_collector_that_is_no_address_is_named_at_the_start() {
    let output = command().env("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317").output().unwrap();

    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("OTEL_EXPORTER_OTLP_ENDPOINT"), "{}", stderr(&output));
}
