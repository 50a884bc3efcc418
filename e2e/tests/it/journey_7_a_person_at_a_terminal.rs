//! Journey 7, a person at a terminal: the browser or a code, the cache on disk between runs, the API behind it, and every
//! way in which a sign-in comes to nothing. The program is the built one; the browser is a real one, steered to the
//! address that the program opens.

use std::time::Duration;

use serde_json::{Value, json};

use crate::browser::Browser;
use crate::desktop::Desktop;
use crate::stack::{Stack, http, is_compose};

/// Alice's code on the lab's home page.
const OTP_OF_ALICE: &str = "246810";
const TWO_HOURS: i64 = 2 * 60 * 60;
const A_QUARTER_OF_A_YEAR: i64 = 91 * 24 * 60 * 60;

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_signs_in_and_the_second_run_needs_nothing_but_the_disk_and_the_api() {
    let stack = Stack::start().await;
    stack.reset_the_lab().await;
    let desktop = Desktop::new(&stack);
    let browser = Browser::open().await;

    // Steps 1 to 9. Nobody is known, so the browser opens; the page comes when the code is redeemed.
    let run = desktop.start(&["profile", "--json"]);
    browser.go(&run.address()).await;
    browser.sign_in_as("alice").await;
    browser.accept().await;
    assert_eq!(browser.text("#outcome h1").await, "You are signed in");
    browser.photograph("desktop-signed-in").await;
    let address = browser.address().await;
    assert!(address.starts_with("http://localhost:") && !address.contains('?'), "the code is in {address}");
    let (status, profile) = run.json();
    assert_eq!((status, &profile["displayName"]), (Some(0), &json!("Alice Kim")), "{profile}");
    assert_eq!(
        (&profile["tokenFrom"], &profile["graphTokenFrom"]),
        (&json!("identity provider"), &json!("identity provider"))
    );

    // The second run: nobody at the authority's address any more, and it does not matter.
    let again = desktop.run_with(&["profile", "--json"], &[("AZURE_AUTHORITY_HOST", "http://127.0.0.1:9")]);
    assert_eq!((again.status, &again.json["displayName"]), (Some(0), &json!("Alice Kim")), "{again:?}");
    assert_eq!((&again.json["tokenFrom"], &again.json["graphTokenFrom"]), (&json!("cache"), &json!("cache")));

    // What lies on the disk is nobody's but the user's, and says nothing.
    desktop.assert_that_the_files_say_nothing(&[
        "eyJ",
        "alice",
        "Alice",
        "refresh",
        "c0ffee00",
        "10000000-0000",
    ]);

    // Signed out: the disk has nothing left to be silent with.
    let out = desktop.run(&["sign-out", "--json"]);
    assert_eq!(out.json["signedOut"][0]["username"], "alice@contoso.test", "{out:?}");
    assert_eq!(desktop.run(&["profile", "--no-sign-in"]).status, Some(3));
    assert_eq!(desktop.run(&["accounts", "--json"]).json, json!({ "accounts": [] }));
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_typed_on_the_labs_page_signs_in_where_no_browser_can_open() {
    let stack = Stack::start().await;
    stack.reset_the_lab().await;
    let desktop = Desktop::new(&stack);
    let browser = Browser::open().await;

    let run = desktop.start_without_display(&["sign-in"]);
    let (page, code) = run.page_and_code();
    browser.go(&page).await;
    browser.type_into("#code", &code).await;
    browser.click("#next").await;
    browser.photograph("desktop-device-code").await;
    browser.click("#approve").await;
    browser.sign_in_as("bob").await;
    browser.accept().await;
    browser.text("#device-approved").await;

    let ended = run.end();
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(ended.stdout.contains("Signed in as bob@contoso.test"), "{ended:?}");
    let accounts = desktop.run(&["accounts", "--json"]).json;
    assert_eq!(accounts["accounts"][0]["username"], "bob@contoso.test", "{accounts}");
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_token_is_renewed_from_the_disk_without_anybody() {
    if is_compose() {
        return; // The containers' clocks cannot be moved.
    }
    let stack = Stack::start_with_a_movable_clock().await;
    let desktop = Desktop::new(&stack);
    let browser = Browser::open().await;
    desktop.sign_in(&browser, "alice").await;

    stack.move_every_clock(TWO_HOURS).await;
    let later = desktop.run(&["profile", "--no-sign-in", "--json"]);

    assert_eq!((later.status, &later.json["displayName"]), (Some(0), &json!("Alice Kim")), "{later:?}");
    assert_eq!(later.json["tokenFrom"], "identity provider");
    assert_eq!(desktop.run(&["profile", "--no-sign-in", "--json"]).json["tokenFrom"], "cache", "it was kept");

    // Unused for a quarter of a year, it does not serve any more: Entra wants to see the person.
    stack.move_every_clock(A_QUARTER_OF_A_YEAR).await;
    let idle = desktop.run(&["profile", "--no-sign-in", "--json"]);
    assert_eq!((idle.status, &idle.json["error"]), (Some(3), &json!("sign_in_needed")), "{idle:?}");
    browser.close().await;
}

/// Checklist 90.
#[tokio::test(flavor = "multi_thread")]
async fn two_processes_at_once_ask_entra_once_and_lose_nobody() {
    if is_compose() {
        return; // As above.
    }
    let stack = Stack::start_with_a_movable_clock().await;
    let desktop = Desktop::new(&stack);
    let browser = Browser::open().await;
    desktop.sign_in(&browser, "alice").await;
    let before = stack.token_requests("refresh_token");

    // Both find an expired token at the same moment; one renews it, the other takes what that one wrote.
    stack.move_every_clock(TWO_HOURS).await;
    let runs: Vec<_> = (0..2).map(|_| desktop.start(&["profile", "--no-sign-in", "--json"])).collect();
    for run in runs {
        let (status, profile) = run.json();
        assert_eq!((status, &profile["displayName"]), (Some(0), &json!("Alice Kim")), "{profile}");
    }
    assert_eq!(stack.token_requests("refresh_token") - before, 1);

    // Two people sign in at the same time: both are there afterwards.
    let (first, second) = (Browser::open().await, Browser::open().await);
    let (bob, carol) = (desktop.start(&["sign-in"]), desktop.start(&["sign-in"]));
    first.go(&bob.address()).await;
    second.go(&carol.address()).await;
    tokio::join!(desktop.at_the_pages(&first, "bob"), desktop.at_the_pages(&second, "carol"));
    assert_eq!((bob.end().status, carol.end().status), (Some(0), Some(0)));
    let accounts = desktop.run(&["accounts", "--json"]).json;
    let mut names: Vec<&str> = accounts["accounts"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|account| account["username"].as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["alice@contoso.test", "bob@contoso.test", "carol@contoso.test"]);
    for browser in [browser, first, second] {
        browser.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_that_the_api_wants_is_part_of_a_new_sign_in_and_the_call_works() {
    let stack = Stack::start().await;
    stack.reset_the_lab().await;
    let desktop = Desktop::new(&stack);
    let browser = Browser::open().await;
    desktop.sign_in(&browser, "alice").await;
    let policy =
        json!({ "kind": "require_mfa", "resource": "Microsoft Graph", "user": "alice@contoso.test" });
    let answer = http().post(format!("{}/lab/policy", stack.lab)).json(&policy).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());

    // Nobody may be asked: the program says what is missing.
    let refused = desktop.run(&["profile", "--no-sign-in", "--json"]);
    assert_eq!((refused.status, &refused.json["error"]), (Some(3), &json!("sign_in_needed")), "{refused:?}");

    // Step 10.
    let run = desktop.start(&["profile", "--json"]);
    browser.go(&run.address()).await;
    browser.type_into("#otp", OTP_OF_ALICE).await;
    browser.click("#verify").await;
    assert_eq!(browser.text("#outcome h1").await, "You are signed in");
    let (status, profile) = run.json();
    assert_eq!((status, &profile["displayName"]), (Some(0), &json!("Alice Kim")), "{profile}");

    stack.reset_the_lab().await;
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn declined_expired_and_cancelled_sign_ins_leave_nothing_behind_and_say_which_it_was() {
    let stack = Stack::start().await;
    stack.reset_the_lab().await;
    let desktop = Desktop::new(&stack);
    let browser = Browser::open().await;

    // Declined in the browser: the person does not give the permission.
    let run = desktop.start(&["sign-in", "--json"]);
    browser.go(&run.address()).await;
    browser.sign_in_as("bob").await;
    browser.click("#decline").await;
    assert_eq!(browser.text("#outcome h1").await, "You were not signed in");
    let (status, said) = run.json();
    assert_eq!((status, &said["error"]), (Some(4), &json!("declined")), "{said}");

    // Declined on the page for the code.
    let run = desktop.start(&["sign-in", "--device-code", "--json"]);
    let (page, code) = run.page_and_code();
    browser.go(&page).await;
    browser.type_into("#code", &code).await;
    browser.click("#next").await;
    browser.click("#decline").await;
    let (status, said) = run.json();
    assert_eq!((status, &said["error"]), (Some(4), &json!("declined")), "{said}");

    // Nobody came in time: to the browser, and to the page for the code.
    let late = desktop.run_with(&["sign-in", "--json"], &[("SIGN_IN_TIMEOUT_SECONDS", "1")]);
    assert_eq!((late.status, &late.json["error"]), (Some(5), &json!("too_late")), "{late:?}");
    let run = desktop.start(&["sign-in", "--device-code", "--json"]);
    run.page_and_code();
    stack.move_the_labs_clock(16 * 60).await;
    let (status, said) = run.json();
    assert_eq!((status, &said["error"]), (Some(5), &json!("too_late")), "{said}");
    stack.reset_the_lab().await;

    // Cancelled at the terminal: the browser that comes afterwards finds nobody.
    let run = desktop.start(&["sign-in", "--json"]);
    let address = run.address();
    run.interrupt();
    let (status, said) = run.json();
    assert_eq!((status, &said["error"]), (Some(130), &json!("cancelled")), "{said}");
    let redirect = url::Url::parse(&address).unwrap();
    let redirect = redirect.query_pairs().find(|(name, _)| name == "redirect_uri").unwrap().1.into_owned();
    assert!(http().get(redirect).send().await.unwrap_err().is_connect(), "the port is still open");

    assert_eq!(desktop.run(&["accounts", "--json"]).json, json!({ "accounts": [] }));
    browser.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_in_a_terminal_sees_a_turning_wheel_colours_and_then_the_profile() {
    let stack = Stack::start().await;
    stack.reset_the_lab().await;
    let desktop = Desktop::new(&stack);
    let browser = Browser::open().await;
    let terminal = desktop.terminal("profile");

    // While it waits: the address to fall back on, and a wheel that turns.
    terminal.shows("Your browser opens to sign you in.").await;
    terminal.shows("Waiting for you in the browser. Ctrl-C gives up.").await;
    let turning = terminal.frames(Duration::from_secs(2)).await;
    assert!(turning.len() > 2, "the wheel stands still: {turning:?}");
    browser.go(&desktop.address()).await;
    browser.sign_in_as("alice").await;
    browser.accept().await;

    // Afterwards: the wheel is gone, the profile is there, in colours.
    let done = terminal.shows("Alice Kim").await;
    assert!(done.contains("alice@contoso.test") && !done.contains("Waiting for you"), "{done}");
    assert!(terminal.in_colours().contains("\u{1b}[32m✓"), "no green: {:?}", terminal.in_colours());
    terminal.types("desktop-app accounts | cat\n").await;
    terminal.shows("10000000-0000-4000-8000-000000000001").await;
    let record = terminal.record();
    assert!(!record.contains("eyJ"), "a token in the terminal");

    // Piped, there are no colours.
    let piped = desktop.run(&["accounts"]);
    assert!(!piped.stdout.contains('\u{1b}') && !piped.stderr.contains('\u{1b}'), "{piped:?}");
    let _: Value = desktop.run(&["accounts", "--json"]).json;
    browser.close().await;
}
