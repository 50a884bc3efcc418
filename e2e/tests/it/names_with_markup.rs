//! A person, a title and a message whose names would like to be a page of their own.

use entra_lab::EntraLab;

use crate::stack::{Stack, is_compose};
use crate::visitor::Visitor;

/// Text, an attribute's end, two kinds of templates and a picture that runs a script.
const NAME: &str = r#"<script>alert(1)</script>"'><img src=x onerror=alert(2)>{{7*7}}${7*7}{% raw %}"#;

/// The site's own: a file, for nothing that stands in a page is ever run.
const OWN_SCRIPT: &str = r#"<script src="/assets/refresh.js" defer></script>"#;

/// Checklist 70, 92.
#[tokio::test(flavor = "multi_thread")]
async fn names_with_markup_are_text_on_every_page_and_no_page_holds_a_token() {
    if is_compose() {
        return; // The containers' lab has the names of its own seed.
    }
    let quoted = serde_json::to_string(NAME).unwrap();
    let mut seed = entra_lab::DEFAULT_SEED.to_owned();
    for name in ["Alice Kim", "Engineer", "Seoul 12/1111", "Build 214 is green", "Build server"] {
        seed = seed.replacen(&format!("\"{name}\""), &quoted, 1);
    }
    let lab = EntraLab::builder().seed_toml(&seed).start().await.unwrap();
    let stack = Stack::at(lab, &[]);
    let mut alice = Visitor::new("alice", &stack.web_app, std::slice::from_ref(&stack.web_app), 0);

    for (path, times) in
        [("/profile", 3), ("/claims", 2), ("/graph", 2), ("/messages", 2), ("/", 1), ("/no-such-page", 1)]
    {
        let page = alice.open(path).await;

        assert!([200, 404].contains(&page.status), "{path}: {}", page.status);
        // The words are there, as words.
        assert!(
            page.text.matches("alert(1)").count() >= times,
            "{path} does not show the name: {}",
            page.text
        );
        let theirs = page.text.replace(OWN_SCRIPT, "");
        for markup in ["<script", "<img src=x", "onerror=alert(2)>", "\"'>", "eyJ"] {
            assert!(!theirs.contains(markup), "{path} holds {markup}: {}", page.text);
        }
        assert!(
            page.text.contains("{{7*7}}") && !page.text.contains("49{%"),
            "{path} is a template's template"
        );
    }
    let photo = alice.open("/photo").await;
    assert!(!photo.text.contains("alert"), "{}", photo.text);
}
