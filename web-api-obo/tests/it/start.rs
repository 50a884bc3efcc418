//! Settings, and what a bad start says.

use std::collections::BTreeSet;
use std::net::TcpListener;

use entra_lab::EntraLab;

use crate::api::{command, command_for, stderr};

#[test]
fn the_example_file_names_exactly_the_variables_that_are_read() {
    let example = include_str!("../../.env.example");
    let named: BTreeSet<&str> = example
        .lines()
        .filter_map(|line| line.trim_start_matches("# ").split_once('=').map(|(name, _)| name))
        .filter(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
        .collect();

    let output = command().arg("settings").output().unwrap();

    let read = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(named, read.lines().collect::<BTreeSet<_>>());
}

#[test]
fn all_bad_settings_are_named_at_once() {
    let output =
        command().env("TOKEN_CLOCK_SKEW_SECONDS", "301").env("LISTEN_ADDR", "nowhere").output().unwrap();

    assert_eq!(output.status.code(), Some(2));
    let names = [
        "AZURE_TENANT_ID",
        "AZURE_CLIENT_ID",
        "AZURE_CLIENT_SECRET",
        "TOKEN_CLOCK_SKEW_SECONDS",
        "LISTEN_ADDR",
    ];
    for name in names {
        assert!(stderr(&output).contains(name), "{name} is not named: {}", stderr(&output));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_ends_the_start_with_a_sentence() {
    let lab = EntraLab::start().await.unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();

    let output =
        command_for(&lab).env("LISTEN_ADDR", taken.local_addr().unwrap().to_string()).output().unwrap();

    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("cannot listen on"), "{}", stderr(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_tenant_ends_the_start_with_a_sentence() {
    let lab = EntraLab::start().await.unwrap();

    let output = command_for(&lab).env("AZURE_TENANT_ID", "nowhere.test").output().unwrap();

    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("AADSTS90002"), "{}", stderr(&output));
}
