//! Settings, arguments, and what a bad start says.

use std::collections::BTreeSet;

use crate::daemon::{Running, Surroundings, command, stderr, stdout};

#[test]
fn the_example_file_names_exactly_the_variables_that_are_read() {
    let example = include_str!("../../.env.example");
    let named: BTreeSet<&str> = example
        .lines()
        .filter_map(|line| line.trim_start_matches("# ").split_once('=').map(|(name, _)| name))
        .filter(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
        .collect();

    let output = command().arg("settings").output().unwrap();

    let read = stdout(&output);
    assert_eq!(named, read.lines().collect::<BTreeSet<_>>());
}

#[test]
fn all_missing_settings_are_named_at_once() {
    let output = command().output().unwrap();

    assert_eq!(output.status.code(), Some(2));
    for name in ["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "API_BASE_URL", "API_SCOPES"] {
        assert!(stderr(&output).contains(name), "{name} is not named: {}", stderr(&output));
    }
}

#[test]
fn an_unknown_argument_is_refused() {
    let output = command().arg("--twice").output().unwrap();

    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--once"), "{}", stderr(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_tenant_ends_the_start_with_a_sentence() {
    let around = Surroundings::new().await;

    let output = around.daemon().env("AZURE_TENANT_ID", "nowhere.test").output().unwrap();

    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("AADSTS90002"), "{}", stderr(&output));
}

/// Checklist 119.
#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_does_not_answer_ends_a_single_round_and_is_waited_for_otherwise() {
    let around = Surroundings::new().await;
    let nobody = || {
        let mut command = around.daemon();
        command.env("AZURE_AUTHORITY_HOST", "http://127.0.0.1:9");
        command
    };

    let once = nobody().arg("--once").output().unwrap();
    assert_eq!(once.status.code(), Some(1));
    assert!(stderr(&once).contains("no connection"), "{}", stderr(&once));

    let running = Running::start(&mut nobody());
    running.until("trying again");
    assert_eq!(running.terminate(), Some(0));
}
