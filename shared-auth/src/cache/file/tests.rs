//! What may lie in the file's place, and what becomes of it; several processes at once.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::owner::Owner;
use super::*;
use crate::cache::shared::{Backend, Raw, Write, Written};
use crate::clock::ManualClock;

const KEY: &str = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=";
const OTHER_KEY: &str = "b29vb29vb29vb29vb29vb29vb29vb29vb29vb29vb28=";
const FOLDER_OF_THE_TEST: &str = "FILE_CACHE_TEST_FOLDER";
const NAME_OF_THE_PROCESS: &str = "FILE_CACHE_TEST_NAME";
const WRITES: u32 = 40;

fn cache(folder: &Path, key: &str) -> FileCache {
    FileCache::with_keys(folder, &key.parse().unwrap())
}

fn backend(cache: &FileCache) -> Arc<dyn Backend> {
    let clock = ManualClock::at(Timestamp::from_second(1_800_000_000).unwrap());
    cache.level("login", "tenant", "client", Arc::new(clock)).backend
}

fn partition() -> Id {
    Id::of(&["partition"])
}

fn put(field: &str, value: &str) -> Write {
    Write {
        partition: partition(),
        knew_removal: None,
        puts: vec![(field.to_owned(), value.as_bytes().to_vec())],
        drops: Vec::new(),
        ttl: Duration::from_secs(60),
        user: Some((Id::of(&["user"]), Timestamp::MAX)),
        now: Timestamp::UNIX_EPOCH,
        announce: true,
        release: None,
    }
}

async fn fields(backend: &Arc<dyn Backend>) -> Vec<String> {
    let Raw { fields, .. } = backend.read(partition()).await.unwrap();
    fields.into_iter().map(|(field, _)| field).collect()
}

/// A folder with a cache in it, and the path of that.
async fn filled() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    backend(&cache(folder.path(), KEY)).write(put("f", "000000000000001 value")).await.unwrap();
    let path = files(folder.path()).into_iter().find(|path| path.extension().unwrap() == "cache").unwrap();
    (folder, path)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect()
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    PathBuf::from(format!("{}.{ending}", path.display()))
}

/// The cache finds what cannot be used, puts it aside under `ending`, and goes on with a new file.
async fn is_set_aside(folder: &Path, path: &Path, ending: &str) {
    let cache = cache(folder, KEY);
    let backend = backend(&cache);

    assert!(fields(&backend).await.is_empty(), "{ending}");
    assert_eq!(cache.state().set_aside, 1, "{ending}");
    assert!(std::fs::symlink_metadata(beside(path, ending)).is_ok(), "{ending}: {:?}", files(folder));
    backend.write(put("new", "000000000000001 value")).await.unwrap();
    assert_eq!(fields(&backend).await, ["new"], "{ending}");
    assert_eq!(cache.state().set_aside, 1, "{ending}: once");
}

/// Checklist 90.
#[tokio::test]
async fn a_damaged_file_is_set_aside_wherever_it_is_damaged() {
    let (folder, path) = filled().await;
    let whole = std::fs::read(&path).unwrap();
    type Damage = fn(&mut Vec<u8>);
    let damages: [Damage; 7] = [
        |bytes| bytes.clear(),
        |bytes| bytes.truncate(10),
        |bytes| bytes.truncate(36),
        |bytes| bytes.truncate(bytes.len() - 1),
        |bytes| bytes.push(0),
        |bytes| *bytes.last_mut().unwrap() ^= 1,
        |bytes| bytes.fill(0),
    ];
    for damage in damages {
        let mut bytes = whole.clone();
        damage(&mut bytes);
        std::fs::write(&path, bytes).unwrap();
        let cache = cache(folder.path(), KEY);

        assert!(fields(&backend(&cache)).await.is_empty());
        assert_eq!(cache.state().set_aside, 1);
        let names: Vec<_> = files(folder.path()).into_iter().filter(|file| *file != path).collect();
        assert!(names.iter().all(|name| !name.ends_with("new")), "{names:?}");
    }
}

#[tokio::test]
async fn a_file_of_another_key_is_set_aside_and_can_be_put_back() {
    let (folder, path) = filled().await;
    let bytes = std::fs::read(&path).unwrap();

    let other = cache(folder.path(), OTHER_KEY);
    assert!(fields(&backend(&other)).await.is_empty());
    assert_eq!(other.state().set_aside, 1);

    assert_eq!(std::fs::read(beside(&path, "foreign-key")).unwrap(), bytes);
    std::fs::rename(beside(&path, "foreign-key"), &path).unwrap();
    assert_eq!(fields(&backend(&cache(folder.path(), KEY))).await, ["f"]);
}

#[tokio::test]
async fn a_file_of_another_registration_does_not_open_under_this_ones_name() {
    let (folder, path) = filled().await;
    let cache = cache(folder.path(), KEY);
    let clock = Arc::new(ManualClock::at(Timestamp::from_second(1_800_000_000).unwrap()));
    let other = cache.level("login", "tenant", "other client", clock).backend;
    other.write(put("f", "000000000000001 value")).await.unwrap();
    let others = files(folder.path()).into_iter();
    let others = others.clone().find(|file| file.extension().unwrap() == "cache" && *file != path).unwrap();

    std::fs::copy(&others, &path).unwrap();

    is_set_aside(folder.path(), &path, "damaged").await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_is_not_followed_neither_to_read_nor_to_write() {
    let (folder, path) = filled().await;
    let victim = folder.path().join("victim.txt");
    std::fs::rename(&path, &victim).unwrap();
    let before = std::fs::read(&victim).unwrap();
    std::os::unix::fs::symlink(&victim, &path).unwrap();
    // And one where the next file is prepared.
    std::os::unix::fs::symlink(&victim, beside(&path, "new")).unwrap();

    is_set_aside(folder.path(), &path, "link").await;

    assert_eq!(std::fs::read(&victim).unwrap(), before);
    assert!(std::fs::symlink_metadata(&path).unwrap().is_file());
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_in_the_place_of_the_lock_leads_nowhere() {
    let (folder, path) = filled().await;
    let (lock, victim) = (path.with_extension("lock"), folder.path().join("victim.txt"));
    std::fs::remove_file(&lock).unwrap();
    std::os::unix::fs::symlink(&victim, &lock).unwrap();

    backend(&cache(folder.path(), KEY)).write(put("g", "000000000000001 value")).await.unwrap();

    assert!(!victim.exists());
    assert!(std::fs::symlink_metadata(&lock).unwrap().is_file());
}

#[tokio::test]
async fn what_is_no_file_is_set_aside() {
    let (folder, path) = filled().await;
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();

    is_set_aside(folder.path(), &path, "no-file").await;
}

#[cfg(unix)]
#[tokio::test]
async fn a_pipe_in_its_place_does_not_hang_anybody() {
    let (folder, path) = filled().await;
    std::fs::remove_file(&path).unwrap();
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());

    is_set_aside(folder.path(), &path, "no-file").await;
}

#[cfg(unix)]
#[tokio::test]
async fn another_users_file_is_not_believed() {
    let (folder, path) = filled().await;
    let mut cache = cache(folder.path(), KEY);
    // Everybody else's files look to us as ours do to them.
    cache.owner = Owner(Owner::this_user().0 + 1);

    assert!(fields(&backend(&cache)).await.is_empty());

    assert_eq!(cache.state().set_aside, 1);
    assert!(beside(&path, "foreign-user").exists());
}

#[tokio::test]
async fn what_was_set_aside_goes_when_somebody_signs_out() {
    let (folder, path) = filled().await;
    let foreign = cache(folder.path(), OTHER_KEY);
    fields(&backend(&foreign)).await;
    assert!(beside(&path, "foreign-key").exists());

    backend(&foreign).remove_user(Id::of(&["user"])).await.unwrap();

    assert!(!beside(&path, "foreign-key").exists());
}

#[tokio::test]
async fn a_removal_leaves_no_value_and_no_file_when_it_needs_no_more_remembering() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::at(Timestamp::from_second(1_800_000_000).unwrap());
    let level = cache(folder.path(), KEY).level("login", "tenant", "client", Arc::new(clock.clone()));
    level.backend.write(put("f", "000000000000001 value")).await.unwrap();

    level.backend.remove_user(Id::of(&["user"])).await.unwrap();
    assert!(fields(&level.backend).await.is_empty());
    clock.advance(jiff::SignedDuration::from_mins(61));
    level.backend.remove_user(Id::of(&["user"])).await.unwrap();

    let left: Vec<_> =
        files(folder.path()).into_iter().map(|file| file.extension().unwrap().to_owned()).collect();
    assert_eq!(left, ["lock"]);
}

#[tokio::test]
async fn a_writer_that_hangs_with_the_lock_costs_the_others_the_disk_and_nothing_else() {
    let (folder, path) = filled().await;
    let lock = std::fs::File::open(path.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    let backend = backend(&cache(folder.path(), KEY));

    assert!(backend.write(put("g", "000000000000001 value")).await.is_err());
    assert_eq!(fields(&backend).await, ["f"], "reading needs no lock");

    lock.unlock().unwrap();
    assert!(backend.write(put("g", "000000000000001 value")).await.is_ok());
}

/// Starts this test program again, as a process that writes into the folder.
fn process(folder: &Path, name: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "cache::file::tests::a_process_that_writes", "--ignored"])
        .env(FOLDER_OF_THE_TEST, folder)
        .env(NAME_OF_THE_PROCESS, name)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap()
}

#[tokio::test]
#[ignore = "the tests below start it as a process of its own"]
async fn a_process_that_writes() {
    let folder = std::env::var(FOLDER_OF_THE_TEST).unwrap();
    let name = std::env::var(NAME_OF_THE_PROCESS).unwrap();
    let backend = backend(&cache(Path::new(&folder), KEY));
    for number in 0..WRITES {
        let written = backend.write(put(&format!("{name} {number}"), "000000000000001 value")).await;
        assert!(matches!(written, Ok(Written::Kept(_))));
    }
}

/// Checklist 90.
#[tokio::test]
async fn processes_that_write_at_once_lose_nothing() {
    let (folder, _) = filled().await;

    let processes: Vec<_> = ["one", "two", "three"].map(|name| process(folder.path(), name)).into();
    for mut process in processes {
        assert!(process.wait().unwrap().success());
    }

    let fields = fields(&backend(&cache(folder.path(), KEY))).await;
    assert_eq!(fields.len(), 3 * WRITES as usize + 1, "{fields:?}");
}

#[tokio::test]
async fn a_process_that_is_killed_while_it_writes_leaves_a_whole_file() {
    let (folder, path) = filled().await;
    for round in 0..5 {
        let mut process = process(folder.path(), &format!("round {round}"));
        let before = std::fs::metadata(&path).unwrap().len();
        // Killed in the middle of its work, wherever it is then.
        while std::fs::metadata(&path).unwrap().len() < before + 500 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        process.kill().unwrap();
        process.wait().unwrap();

        let cache = cache(folder.path(), KEY);
        let backend = backend(&cache);
        assert!(fields(&backend).await.len() > 1);
        backend.write(put(&format!("after {round}"), "000000000000001 value")).await.unwrap();
        assert!(fields(&backend).await.contains(&format!("after {round}")));
        assert_eq!(cache.state().set_aside, 0);
    }
}
