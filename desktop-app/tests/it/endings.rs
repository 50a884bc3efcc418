//! How a run ends, as scripts see it: each exit code, with the words around it.

use std::time::Duration;

use jiff::SignedDuration;

use crate::app::{Running, Surroundings, stderr, stdout};

/// The code that the program shows.
fn user_code(line: &str) -> String {
    line.trim_end_matches('.').rsplit(' ').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_signed_in_is_exit_code_3_where_nobody_may_be_asked() {
    let around = Surroundings::new().await;

    let output = around.app(&["profile", "--no-sign-in", "--json"]).output().unwrap();

    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stdout(&output).contains(r#""error":"sign_in_needed""#), "{}", stdout(&output));
    assert!(stderr(&output).contains("desktop-app sign-in"), "{}", stderr(&output));
    assert!(around.lab.requests().is_empty(), "nobody had to be asked for that");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_display_or_in_a_remote_shell_it_shows_a_code_by_itself() {
    let around = Surroundings::new().await;
    for (variable, why) in [("LANG", "there is no display"), ("SSH_CONNECTION", "this is a remote shell")] {
        let running = Running::start(around.app(&["sign-in"]).env(variable, "1"));

        running.until(why);
        let line = running.until("/deviceauth");

        assert_eq!(user_code(&line).len(), 9, "{line}");
        assert!(!line.contains('\u{1b}'), "colours where there is no terminal: {line:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declined_code_is_exit_code_4() {
    let around = Surroundings::new().await;
    let running = Running::start(&mut around.app(&["sign-in", "--device-code", "--json"]));
    let code = user_code(&running.until("/deviceauth"));

    let form = [("code", code.as_str()), ("action", "decline")];
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    http.post(format!("{}/deviceauth", around.lab.url())).form(&form).send().await.unwrap();

    running.until("declined");
    let (status, json) = running.end();
    assert_eq!(status, Some(4));
    assert!(json.contains(r#""error":"declined""#), "{json}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_that_expired_is_exit_code_5() {
    let around = Surroundings::new().await;
    let running = Running::start(&mut around.app(&["sign-in", "--device-code"]));
    running.until("/deviceauth");

    around.lab.advance(SignedDuration::from_mins(16));

    running.until("was not entered in time");
    assert_eq!(running.end(), (Some(5), String::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_at_the_browser_is_exit_code_5_too() {
    let around = Surroundings::new().await;

    let output = around.with_browser(&["sign-in"]).env("SIGN_IN_TIMEOUT_SECONDS", "1").output().unwrap();

    assert_eq!(output.status.code(), Some(5), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("code_challenge_method=S256"),
        "the address is shown: {}",
        stderr(&output)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_does_not_answer_is_exit_code_6() {
    let around = Surroundings::new().await;

    let output = around
        .app(&["sign-in", "--device-code"])
        .env("AZURE_AUTHORITY_HOST", "http://127.0.0.1:9")
        .output()
        .unwrap();

    assert_eq!(output.status.code(), Some(6), "{}", stderr(&output));
    assert!(stderr(&output).contains("no connection"), "{}", stderr(&output));
}

/// Checklist 124.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_is_exit_code_130_and_closes_the_port() {
    let around = Surroundings::new().await;
    let running = Running::start(&mut around.with_browser(&["sign-in"]));
    let address = reqwest::Url::parse(&running.until("http://127.0.0.1")).unwrap();
    let redirect = address.query_pairs().find(|(name, _)| name == "redirect_uri").unwrap().1.into_owned();
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build().unwrap();
    assert_eq!(http.get(&redirect).send().await.unwrap().status(), 400, "it waits for the answer");

    running.interrupt();

    running.until("cancelled");
    assert_eq!(running.end(), (Some(130), String::new()));
    assert!(http.get(&redirect).send().await.unwrap_err().is_connect());
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_and_sign_out_say_so_where_nobody_is_signed_in() {
    let around = Surroundings::new().await;

    for (arguments, says) in [
        (&["accounts"][..], "Nobody is signed in.\n"),
        (&["accounts", "--json"], "{\"accounts\":[]}\n"),
        (&["sign-out"], "Nobody was signed in.\n"),
        (&["sign-out", "--json"], "{\"signedOut\":[]}\n"),
    ] {
        let output = around.app(arguments).output().unwrap();
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(0), says), "{}", stderr(&output));
    }
}
