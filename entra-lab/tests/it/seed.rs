//! Seed files: what is wrong is said with the line it stands in.

use entra_lab::{DEFAULT_SEED, EntraLab, StartError, seed};

fn complaint(text: &str) -> (usize, String) {
    let error = seed::parse(text).expect_err("the seed is wrong");
    (error.line, error.message)
}

/// The line of the first line that contains this.
fn line_of(text: &str, part: &str) -> usize {
    text.lines().position(|l| l.contains(part)).unwrap() + 1
}

#[test]
fn the_built_in_seed_is_what_its_readers_were_promised() {
    let directory = seed::parse(DEFAULT_SEED).unwrap();
    let tenant = directory.tenant("CONTOSO.test").unwrap();
    assert_eq!(tenant.users.iter().filter(|u| u.password.is_some()).count(), 3);
    assert!(tenant.users.len() >= 7);
    assert_eq!(tenant.apps.len(), 11);
}

#[test]
fn a_misspelt_key_names_its_line() {
    let text = DEFAULT_SEED.replacen("display_name = \"Bob Novak\"", "dispaly_name = \"Bob Novak\"", 1);
    let (line, message) = complaint(&text);
    assert_eq!(line, line_of(&text, "dispaly_name"));
    assert!(message.contains("dispaly_name"), "{message}");
}

#[test]
fn references_to_nothing_name_their_line() {
    for (from, to, expected) in [
        (
            "users = [\"alice@contoso.test\", ",
            "users = [\"zoe@contoso.test\", ",
            "no [[tenant.user]] has the upn zoe@contoso.test",
        ),
        (
            "scopes = [\"Mail.Read\"]",
            "scopes = [\"Mail.Raed\"]",
            "Microsoft Graph exposes no scope Mail.Raed",
        ),
        (
            "roles = [\"Reader\", \"Editor\"]",
            "roles = [\"Reader\", \"Writer\"]",
            "web-app exposes no app role Writer",
        ),
        ("access_token_version = 1", "access_token_version = 3", "access_token_version is 1 or 2"),
        (
            "id = \"b0000000-0000-4000-8000-00000000000b\"",
            "id = \"a0000000-0000-4000-8000-00000000000a\"",
            "used twice",
        ),
        ("upn = \"bob@contoso.test\"", "upn = \"ALICE@contoso.test\"", "is there twice"),
    ] {
        let text = DEFAULT_SEED.replacen(from, to, 1);
        let (line, message) = complaint(&text);
        assert!(message.contains(expected), "{message}");
        let nth = if expected == "used twice" {
            text.lines().position(|l| l == "upn = \"bob@contoso.test\"").unwrap()
        } else {
            line_of(&text, to)
        };
        assert_eq!(line, nth, "{message}");
    }
}

#[test]
fn an_empty_seed_is_refused() {
    assert!(complaint("").1.contains("no [[tenant]]"));
    assert!(seed::parse("\u{0}").is_err());
}

#[test]
fn secrets_are_not_printed() {
    let directory = seed::parse(DEFAULT_SEED).unwrap();
    let printed = format!("{directory:?}");
    assert!(!printed.contains("Passw0rd") && !printed.contains("lab-secret"), "{printed}");
}

#[tokio::test]
async fn a_lab_with_a_wrong_seed_does_not_start() {
    let result = EntraLab::builder().seed_toml("tenant = 1").start().await;
    assert!(matches!(result, Err(StartError::Seed(_))), "{result:?}");
}

#[tokio::test]
async fn a_lab_on_a_used_port_does_not_start() {
    let port = entra_lab::free_port().unwrap();
    let lab = EntraLab::builder().port(port).start().await.unwrap();
    let result = EntraLab::builder().port(port).start().await;
    assert!(matches!(result, Err(StartError::Bind { .. })), "{result:?}");
    drop(lab);
    EntraLab::builder().port(port).start().await.expect("the port is free again");
}
