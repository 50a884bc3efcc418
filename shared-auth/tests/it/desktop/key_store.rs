//! The key in the key store of the desktop: a real gnome-keyring on a private D-Bus session, and none at all.
//!
//! The bus is found by an environment variable, and the key store is opened once in a process. So the test starts itself
//! again as the program: `a_program_that_opens_the_cache` is what runs then.

use std::path::Path;
use std::process::{Command, Output};

use shared_auth::{FileCache, KeyPlace};

use super::bus::Bus;

const FOLDER: &str = "KEY_STORE_TEST_FOLDER";

/// Runs the program of this file with the bus given, or without any.
fn program(folder: &Path, bus: Option<&str>) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "desktop::key_store::a_program_that_opens_the_cache", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .env("DBUS_SESSION_BUS_ADDRESS", bus.unwrap_or("unix:path=/nowhere/at/all"));
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
#[ignore = "the tests below start it as a program of its own"]
async fn a_program_that_opens_the_cache() {
    let folder = std::env::var(FOLDER).unwrap();
    match FileCache::builder("key-store-test").folder(folder).open().await {
        Ok(cache) if *cache.key_place() == KeyPlace::KeyStore => println!("the key is in the key store"),
        Ok(cache) => println!("the key is elsewhere: {:?}", cache.key_place()),
        Err(error) => println!("refused: {error}"),
    }
}

#[tokio::test]
async fn with_a_key_store_no_key_lies_on_the_disk_and_every_run_finds_the_same_one() {
    let (bus, folder) = (Bus::with_key_store().await, tempfile::tempdir().unwrap());

    for run in 0..2 {
        let output = program(folder.path(), Some(bus.address()));
        assert!(said(&output).contains("the key is in the key store"), "run {run}: {output:?}");
    }

    assert!(!folder.path().join("key").exists());
    assert_eq!(bus.keyring_files(), 1, "it is in the collection of the login");
}

#[tokio::test]
async fn without_a_key_store_the_key_lies_in_a_file_and_stays_there() {
    let folder = tempfile::tempdir().unwrap();

    let output = program(folder.path(), None);
    assert!(said(&output).contains("the key is elsewhere: KeyFile"), "{output:?}");
    let key = std::fs::read(folder.path().join("key")).unwrap();

    let bus = Bus::with_key_store().await;
    let output = program(folder.path(), Some(bus.address()));
    assert!(said(&output).contains("the key is elsewhere: KeyFile"), "{output:?}");
    assert_eq!(std::fs::read(folder.path().join("key")).unwrap(), key);
}

#[tokio::test]
async fn a_key_store_that_is_away_does_not_cost_the_cache() {
    let (bus, folder) = (Bus::with_key_store().await, tempfile::tempdir().unwrap());
    program(folder.path(), Some(bus.address()));
    let cache = folder.path().join("something.cache");
    std::fs::write(&cache, "sealed with the key in the store").unwrap();

    let output = program(folder.path(), None);

    assert!(said(&output).contains("refused: the token cache in"), "{output:?}");
    assert!(said(&output).contains("Unlock the key store"), "{output:?}");
    assert!(cache.exists() && !folder.path().join("key").exists(), "nothing was thrown away");
    let output = program(folder.path(), Some(bus.address()));
    assert!(said(&output).contains("the key is in the key store"), "{output:?}");
}
