//! The log at the level at which it is shipped: what an operator has to know, and nobody's name.

use entra_lab::EntraLab;

use crate::redis::{KEYS, Redis};
use crate::stack::{Stack, is_compose};
use crate::visitor::{Visitor, attribute};

/// Seals nothing that the other one could open.
const OTHER_KEYS: &str = "YW5vdGhlciBrZXkgZm9yIHRlc3RzLCAzMiBieXRlcy4=";
const LEVEL: (&str, &str) = ("RUST_LOG", "info,actix_server=warn");
const ALICES_ID: &str = "a0000000-0000-4000-8000-00000000000a";

/// Checklist 146, 147.
#[tokio::test(flavor = "multi_thread")]
async fn at_its_usual_level_the_log_has_what_matters_to_security_and_names_nobody() {
    if is_compose() {
        return; // The containers' log is that of every journey so far.
    }
    let redis = Redis::start();
    let shared = |keys| [("REDIS_URL", redis.url.as_str()), ("CACHE_KEYS", keys), LEVEL];
    let stack = Stack::at(EntraLab::start().await.unwrap(), &shared(KEYS));
    let service = stack.daemons_token_for(crate::stack::API).await;

    // Somebody signs in, looks at their profile through the API, and signs out.
    let mut alice = Visitor::new("alice", &stack.web_app, std::slice::from_ref(&stack.web_app), 0);
    let page = alice.open("/profile").await;
    assert_eq!(page.status, 200, "{}", page.text);
    let field = page.text.split("<input").find(|input| input.contains("csrf_token")).unwrap();
    let form = vec![("csrf_token".to_owned(), attribute(field, "value"))];
    assert_eq!(alice.post("/auth/sign-out", form).await, 303);
    // A token that is none, and one that may not.
    assert_eq!(stack.ask_api("/api/profile", Some("a.bad.token")).await.0, 401);
    assert_eq!(stack.ask_api("/api/profile", Some(&service)).await.0, 403);
    // A replica with other keys finds what it cannot open.
    assert_eq!(stack.ask_api("/api/directory", Some(&service)).await.0, 200);
    let other = stack.beside(&shared(OTHER_KEYS), &shared(OTHER_KEYS));
    assert_eq!(other.ask_api("/api/directory", Some(&service)).await.0, 200);

    let log = format!("{}{}", stack.logs(), other.logs());
    for event in [
        "a sign-in begins",
        "signed in, under a new session id",
        "signed out: session and tokens are gone",
        "name=\"shape\"",
        "a token was refused: ",
        "a caller was refused: ",
        "a shared value could not be opened",
    ] {
        assert!(log.contains(event), "no line says \"{event}\":\n{log}");
    }
    for personal in ["alice@", "Alice", "Kim", ALICES_ID] {
        let line = log.lines().find(|line| line.contains(personal));
        assert_eq!(line, None, "{personal} is named");
    }
}
