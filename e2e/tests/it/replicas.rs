//! Two replicas of the site and of the API that share a Redis: whoever is asked knows the user, and one of them may die.

use entra_lab::EntraLab;

use crate::browser::Browser;
use crate::redis::{KEYS, Redis};
use crate::stack::{Stack, compose, is_compose};
use crate::visitor::{Figures, Visitor};

const USERS: usize = 200;
/// Pages of each user before the crash, and again after it.
const PAGES: usize = 4;

/// Checklist 94.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_asked_knows_the_user_and_one_replica_may_be_killed() {
    if is_compose() { behind_one_port().await } else { two_hundred_users().await }
}

/// The profile `replicas` of the compose file, with a person in a browser.
async fn behind_one_port() {
    let site = "http://localhost:3010";
    let browser = Browser::open().await;
    browser.go(&format!("{site}/profile")).await;
    browser.sign_in_as("alice").await;
    browser.accept_if_asked().await;
    assert_eq!(browser.text("#profile-name").await, "Alice Kim");

    for victims in [["web-app-a", "web-api-obo-a"], ["web-app-b", "web-api-obo-b"]] {
        compose(&[&["kill"], &victims[..]].concat());
        for _ in 0..4 {
            browser.go(&format!("{site}/profile")).await;
            assert_eq!(browser.text("#profile-name").await, "Alice Kim", "without {victims:?}");
        }
        compose(&[&["--profile", "replicas", "up", "--wait", "--no-build"], &victims[..]].concat());
    }
    browser.close().await;
}

/// Processes, and hundreds of people whose requests alternate between them.
async fn two_hundred_users() {
    let redis = Redis::start();
    let lab = EntraLab::builder().seed_toml(&crowd()).start().await.unwrap();
    let shared = [("REDIS_URL", redis.url.as_str()), ("CACHE_KEYS", KEYS), ("RUST_LOG", "warn")];
    let one = Stack::at(lab, &shared);
    let listen = format!("127.0.0.1:{}", entra_lab::free_port().unwrap());
    let public = [("PUBLIC_URL", one.web_app.as_str()), ("LISTEN_ADDR", &listen)];
    let _other = one.beside(&shared, &[&shared[..], &public].concat());
    let sites = [one.web_app.clone(), format!("http://{listen}")];

    let people = (0..USERS).map(|number| Visitor::new(&name(number), &one.web_app, &sites, number));
    let (people, arrival) = everybody(people.collect(), |mut person| async move {
        let page = person.open("/profile").await;
        assert!(page.signed_in_anew);
        sees_only_their_own(&person, &page.text);
        person
    })
    .await;
    let (people, before) = everybody(people, visits).await;

    let dying = tokio::task::spawn_blocking(move || one.kill());
    let (_, after) = everybody(people, visits).await;
    drop(dying.await.unwrap());

    println!(
        "{USERS} users signed in: {arrival:?}\nall replicas: {before:?}\none killed meanwhile: {after:?}"
    );
    assert!(after.retries > 0, "the replica that was killed was not missed");
}

/// Pages of the site, one after the other, at whichever replica is next.
async fn visits(mut person: Visitor) -> Visitor {
    for visit in 0..PAGES {
        let path = if visit % 2 == 0 { "/profile" } else { "/claims" };
        let page = person.open(path).await;
        assert_eq!(page.status, 200, "{}: {path}", person.user);
        assert!(!page.signed_in_anew, "{} had to sign in again", person.user);
        sees_only_their_own(&person, &page.text);
    }
    person
}

fn sees_only_their_own(person: &Visitor, page: &str) {
    assert!(page.contains(&format!("{}@contoso.test", person.user)), "{} is not on the page", person.user);
    for word in page.split(|letter: char| !letter.is_ascii_alphanumeric()) {
        let somebody = word.len() == 7 && word.starts_with("user");
        assert!(!somebody || word == person.user, "{} sees {word}", person.user);
    }
}

/// All at once, 16 at a time; returns them, and what it was like together.
async fn everybody<F, W>(people: Vec<Visitor>, what: F) -> (Vec<Visitor>, Figures)
where
    F: Fn(Visitor) -> W + Copy + Send + 'static,
    W: Future<Output = Visitor> + Send + 'static,
{
    let mut waiting = people.into_iter();
    let mut under_way = tokio::task::JoinSet::new();
    let (mut done, mut figures) = (Vec::new(), Figures::default());
    loop {
        while under_way.len() < 16
            && let Some(mut person) = waiting.next()
        {
            person.figures = Figures::default();
            under_way.spawn(async move { what(person).await });
        }
        let Some(person) = under_way.join_next().await else { return (done, figures) };
        let person = person.unwrap();
        figures.add(person.figures);
        done.push(person);
    }
}

fn name(number: usize) -> String {
    format!("user{number:03}")
}

/// The lab's seed with many more people, who have agreed to everything.
fn crowd() -> String {
    let mut more = String::new();
    for number in 0..USERS {
        let name = name(number);
        more += &format!(
            "[[tenant.user]]\nid = \"aaaaaaaa-0000-4000-8000-{number:012}\"\nupn = \"{name}@contoso.test\"\n\
             password = \"Passw0rd!lab\"\ndisplay_name = \"{name}\"\nmail = \"{name}@contoso.test\"\n\n"
        );
    }
    more += "[[tenant.consent]]\nclient = \"c0ffee00-0000-4000-8000-000000003000\"\n\
             resource = \"c0ffee00-0000-4000-8000-000000004000\"\nscopes = [\"access_as_user\"]\n\n";
    include_str!("../../../entra-lab/seed.toml").replacen("[[tenant.user]]", &(more + "[[tenant.user]]"), 1)
}
