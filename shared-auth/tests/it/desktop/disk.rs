//! The next run of a program: it finds who signed in, asks nobody, and whoever reads its files learns nothing.

use std::path::Path;
use std::sync::Arc;

use entra_lab::EntraLab;
use jiff::SignedDuration;
use shared_auth::{FileCache, FileCacheError, KeyPlace, ManualClock, PublicClient, TokenSource};

use super::{registration, sign_in};
use crate::support::{access_as_user, now, token_requests};

async fn cache(folder: &Path) -> FileCache {
    FileCache::builder("desktop-tests").folder(folder).key_file().open().await.unwrap()
}

/// A run of the program: its own memory, the same folder.
async fn run(lab: &EntraLab, folder: &Path) -> PublicClient {
    PublicClient::builder(registration(lab)).disk_cache(cache(folder).await).build().unwrap()
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let files = std::fs::read_dir(folder).unwrap().map(|file| {
        let file = file.unwrap();
        (file.file_name().into_string().unwrap(), std::fs::read(file.path()).unwrap())
    });
    files.collect()
}

fn holds_a_cache(folder: &Path) -> bool {
    files(folder).iter().any(|(name, _)| name.ends_with(".cache"))
}

#[tokio::test]
async fn the_second_run_knows_who_signed_in_and_asks_nobody_for_the_token() {
    let (lab, folder) = (EntraLab::start().await.unwrap(), tempfile::tempdir().unwrap());
    let first = run(&lab, folder.path()).await;
    assert!(first.accounts().await.is_empty());
    let signed_in = sign_in(&first, "alice", &access_as_user()).await;
    drop(first);
    let before = lab.requests().len();

    let second = run(&lab, folder.path()).await;
    let accounts = second.accounts().await;
    let token = second.acquire_token_silent(&accounts[0], access_as_user()).await.unwrap();

    assert_eq!(accounts, [signed_in.account]);
    assert_eq!(token.source, TokenSource::Cache);
    assert_eq!(token.access_token.expose_secret(), signed_in.result.access_token.expose_secret());
    assert_eq!(lab.requests().len(), before, "no network");
}

#[tokio::test]
async fn a_later_run_goes_on_with_the_refresh_token_and_keeps_the_next_one() {
    let (lab, folder) = (EntraLab::start().await.unwrap(), tempfile::tempdir().unwrap());
    sign_in(&run(&lab, folder.path()).await, "alice", &access_as_user()).await;

    for hours in 1..=3 {
        let clock = ManualClock::at(now());
        clock.advance(SignedDuration::from_hours(2 * hours));
        lab.advance(SignedDuration::from_hours(2));
        let builder = PublicClient::builder(registration(&lab)).clock(Arc::new(clock));
        let later = builder.disk_cache(cache(folder.path()).await).build().unwrap();
        let alice = later.accounts().await.remove(0);
        let token = later.acquire_token_silent(&alice, access_as_user()).await.unwrap();
        assert_eq!(token.source, TokenSource::IdentityProvider);
    }
    assert_eq!(token_requests(&lab, "refresh_token"), 3);
}

/// Checklist 90.
#[tokio::test]
async fn whoever_reads_the_files_learns_nothing() {
    let (lab, folder) = (EntraLab::start().await.unwrap(), tempfile::tempdir().unwrap());
    let signed_in = sign_in(&run(&lab, folder.path()).await, "alice", &access_as_user()).await;

    let files = files(folder.path());

    assert!(files.iter().any(|(name, bytes)| name.ends_with(".cache") && bytes.len() > 1_000));
    let (user, tenant) = signed_in.account.home_account_id.split_once('.').unwrap();
    let token = signed_in.result.access_token.expose_secret();
    let telling = ["eyJ", "alice", "Alice", "Kim", "contoso", "access_as_user", user, tenant, &token[..20]];
    for (name, bytes) in &files {
        for telling in telling {
            assert!(!name.contains(telling), "{telling} in {name}");
            let found = bytes.windows(telling.len()).any(|window| window == telling.as_bytes());
            assert!(!found, "{telling} in the contents of {name}");
        }
    }
}

/// Checklist 90.
#[cfg(unix)]
#[tokio::test]
async fn the_files_are_their_users_alone_and_become_so_again() {
    use std::os::unix::fs::PermissionsExt;

    let (lab, folder) = (EntraLab::start().await.unwrap(), tempfile::tempdir().unwrap());
    let folder = folder.path().join("made");
    sign_in(&run(&lab, &folder).await, "alice", &access_as_user()).await;
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    let set = |path: &Path, mode| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    assert_eq!(mode(&folder), 0o700);
    for (name, _) in files(&folder) {
        assert_eq!(mode(&folder.join(&name)), 0o600, "{name}");
    }

    set(&folder, 0o755);
    let name = files(&folder).into_iter().find(|(name, _)| name.ends_with(".cache")).unwrap().0;
    set(&folder.join(&name), 0o644);
    let cache = cache(&folder).await;
    let client = PublicClient::builder(registration(&lab)).disk_cache(cache.clone()).build().unwrap();

    assert_eq!(client.accounts().await.len(), 1, "it is still good: it was sealed");
    assert_eq!((mode(&folder), mode(&folder.join(&name))), (0o700, 0o600));
    assert_eq!(cache.state().narrowed, 1);
}

#[cfg(unix)]
#[tokio::test]
async fn a_key_that_others_could_read_is_replaced_and_what_it_sealed_is_set_aside() {
    use std::os::unix::fs::PermissionsExt;

    let (lab, folder) = (EntraLab::start().await.unwrap(), tempfile::tempdir().unwrap());
    sign_in(&run(&lab, folder.path()).await, "alice", &access_as_user()).await;
    let KeyPlace::KeyFile(key) = cache(folder.path()).await.key_place().clone() else { panic!("a key file") };
    let before = std::fs::read(&key).unwrap();
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).unwrap();

    let cache = cache(folder.path()).await;
    let client = PublicClient::builder(registration(&lab)).disk_cache(cache.clone()).build().unwrap();

    assert!(client.accounts().await.is_empty());
    assert_ne!(std::fs::read(&key).unwrap(), before);
    assert_eq!(cache.state().set_aside, 1);
    sign_in(&client, "alice", &access_as_user()).await;
    assert_eq!(run(&lab, folder.path()).await.accounts().await.len(), 1);
}

#[tokio::test]
async fn whoever_signs_out_leaves_nothing_behind() {
    let (lab, folder) = (EntraLab::start().await.unwrap(), tempfile::tempdir().unwrap());
    let client = run(&lab, folder.path()).await;
    let alice = sign_in(&client, "alice", &access_as_user()).await.account;
    let bob = sign_in(&client, "bob", &access_as_user()).await.account;
    assert_eq!(client.accounts().await, [bob.clone(), alice.clone()], "the latest first");
    let with_both = files(folder.path()).iter().map(|(_, bytes)| bytes.len()).sum::<usize>();

    client.remove_account(&alice).await;

    let next = run(&lab, folder.path()).await;
    assert_eq!(next.accounts().await, std::slice::from_ref(&bob));
    assert!(next.acquire_token_silent(&alice, access_as_user()).await.unwrap_err().is_interaction_required());
    assert_eq!(next.acquire_token_silent(&bob, access_as_user()).await.unwrap().source, TokenSource::Cache);
    let with_one = files(folder.path()).iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
    assert!(with_one < with_both * 2 / 3, "{with_one} of {with_both} bytes");
    next.remove_account(&bob).await;
    assert!(run(&lab, folder.path()).await.accounts().await.is_empty());
}

#[tokio::test]
async fn a_sign_out_in_one_program_reaches_another_that_is_running() {
    let (lab, folder) = (EntraLab::start().await.unwrap(), tempfile::tempdir().unwrap());
    let (one, other) = (run(&lab, folder.path()).await, run(&lab, folder.path()).await);
    let alice = sign_in(&one, "alice", &access_as_user()).await.account;
    other.acquire_token_silent(&alice, access_as_user()).await.unwrap();

    one.remove_account(&alice).await;

    for _ in 0..500 {
        if other.acquire_token_silent(&alice, access_as_user()).await.is_err() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the other program still has the token");
}

#[tokio::test]
async fn a_disk_that_fails_costs_the_next_run_a_sign_in_and_this_one_nothing() {
    let (lab, folder) = (EntraLab::start().await.unwrap(), tempfile::tempdir().unwrap());
    let place = folder.path().join("cache");
    let client = run(&lab, &place).await;
    std::fs::remove_dir_all(&place).unwrap();
    std::fs::write(&place, "a file where the folder was").unwrap();

    let alice = sign_in(&client, "alice", &access_as_user()).await.account;

    let token = client.acquire_token_silent(&alice, access_as_user()).await.unwrap();
    assert_eq!(token.source, TokenSource::Cache);
    assert_eq!(client.accounts().await, [alice]);
}

#[tokio::test]
async fn a_place_that_is_none_is_refused_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();

    for name in ["", "..", "a/b", "a b", ".hidden", &"x".repeat(65)] {
        let error = FileCache::builder(name).folder(folder.path()).open().await.unwrap_err();
        assert!(matches!(error, FileCacheError::Name(_)), "{name}: {error}");
    }
    let error = FileCache::builder("app").folder(&file).key_file().open().await.unwrap_err();
    assert!(error.to_string().contains("cannot be kept in"), "{error}");
    #[cfg(unix)]
    {
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        std::fs::create_dir(&target).unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let error = FileCache::builder("app").folder(&link).key_file().open().await.unwrap_err();
        assert!(error.to_string().contains("link"), "{error}");
        assert!(!holds_a_cache(&target));
    }
}
