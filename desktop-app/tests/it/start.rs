//! Settings, arguments, and what a bad start says.

use std::collections::BTreeSet;

use crate::app::{Surroundings, command, stderr, stdout};

#[test]
fn the_example_file_names_exactly_the_variables_that_are_read() {
    let example = include_str!("../../.env.example");
    let named: BTreeSet<&str> = example
        .lines()
        .filter_map(|line| line.trim_start_matches("# ").split_once('=').map(|(name, _)| name))
        .filter(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
        .collect();

    let output = command(&["settings"]).output().unwrap();

    let read = stdout(&output);
    assert_eq!(named, read.lines().collect::<BTreeSet<_>>());
}

#[test]
fn all_missing_settings_are_named_at_once() {
    let output = command(&["profile"]).output().unwrap();

    assert_eq!(output.status.code(), Some(2));
    for name in ["AZURE_TENANT_ID", "AZURE_CLIENT_ID", "API_BASE_URL", "API_SCOPES"] {
        assert!(stderr(&output).contains(name), "{name} is not named: {}", stderr(&output));
    }
}

#[test]
fn without_a_command_the_help_names_them_and_the_exit_codes() {
    let nothing = command(&[]).output().unwrap();
    let help = command(&["--help"]).output().unwrap();

    assert_eq!((nothing.status.code(), help.status.code()), (Some(2), Some(0)));
    for word in ["sign-in", "profile", "accounts", "sign-out", "--json", "130 cancelled"] {
        assert!(stdout(&help).contains(word), "{word} is missing: {}", stdout(&help));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_tenant_is_said_with_its_code() {
    let around = Surroundings::new().await;

    let output =
        around.app(&["sign-in", "--device-code"]).env("AZURE_TENANT_ID", "nowhere.test").output().unwrap();

    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("AADSTS90002"), "{}", stderr(&output));
}
