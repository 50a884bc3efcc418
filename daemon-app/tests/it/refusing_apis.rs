//! Our API as the daemon meets it when it does not take a token, or has no time.

use wiremock::matchers::method;
use wiremock::{Mock, ResponseTemplate};

use crate::daemon::{Running, Surroundings, stderr};

/// The API says this to the first `times` requests.
async fn says_no(around: &Surroundings, no: ResponseTemplate, times: u64) {
    let no = Mock::given(method("GET")).respond_with(no).up_to_n_times(times).with_priority(1);
    no.mount(&around.api).await;
}

/// Checklist 122.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_our_api_does_not_take_is_got_anew_once() {
    for (times, code) in [(1, 0), (9, 1)] {
        let around = Surroundings::new().await;
        let no =
            ResponseTemplate::new(401).insert_header("www-authenticate", "Bearer error=\"invalid_token\"");
        says_no(&around, no, times).await;

        let output = around.daemon().arg("--once").output().unwrap();

        assert_eq!(output.status.code(), Some(code), "{times}: {}", stderr(&output));
        let calls = around.api.received_requests().await.unwrap();
        assert_eq!(calls.len(), 2, "{times}: the API was asked once more, and no third time");
        assert_ne!(calls[0].headers["authorization"], calls[1].headers["authorization"]);
        assert_eq!(around.token_requests(), 3, "{times}: one token for Graph, two for our API");
    }
}

/// Checklist 123.
#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_wants_to_be_left_alone_is_left_alone_for_so_long_and_no_token_is_asked_for() {
    for (asked, pause) in [("1800", "1800"), ("99999999999", "3600"), ("soon", "1")] {
        let around = Surroundings::new().await;
        says_no(&around, ResponseTemplate::new(429).insert_header("retry-after", asked), 1).await;
        let running = Running::start(around.daemon().env("DAEMON_INTERVAL_SECONDS", "1"));

        running.until(&format!("the next round begins in {pause} seconds"));

        assert_eq!(around.api.received_requests().await.unwrap().len(), 1, "{asked}");
        assert_eq!(around.token_requests(), 2, "{asked}: one for Graph, one for our API");
    }
}
