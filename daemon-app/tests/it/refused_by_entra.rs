//! The Error Lab as a service meets it: each round that Entra refuses ends with one sentence that has the code, and a
//! token that is still good is not thrown away because Entra has no time.

use entra_lab::{Fault, PolicyChange, Target, What};

use crate::daemon::{Running, Surroundings, stderr, stdout};

const NOBODY: &str = "dead0000-0000-4000-8000-000000000001";
const ANOTHERS_CERTIFICATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../entra-lab/certs/web-api-obo.pem");

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_of_entra_is_one_sentence_with_its_code() {
    let around = Surroundings::new().await;
    let daemon = || "daemon-app".to_owned();
    let expired = PolicyChange::SecretExpired { app: daemon(), on: true };
    let disabled = PolicyChange::AppDisabled { app: daemon(), on: true };
    let block = PolicyChange::Block { user: None, client: Some(daemon()), resource: None };
    let assigned = PolicyChange::AssignmentRequired { app: "Azure Key Vault".into(), on: true };
    for (code, change, setting) in [
        (7_000_222, Some(expired), None),
        (700_027, None, Some(("AZURE_CLIENT_CERTIFICATE_PATH", ANOTHERS_CERTIFICATE))),
        (90002, None, Some(("AZURE_TENANT_ID", NOBODY))),
        (700_016, None, Some(("AZURE_CLIENT_ID", NOBODY))),
        (501_051, Some(assigned), Some(("API_SCOPES", "https://vault.azure.net/.default"))),
        (7_000_112, Some(disabled), None),
        (53003, Some(block), None),
    ] {
        around.lab.reset();
        change.into_iter().for_each(|change| drop(around.lab.policy(change).unwrap()));
        let mut command = around.daemon();
        if let Some((name, value)) = setting {
            command.env(name, value);
            if name == "AZURE_CLIENT_CERTIFICATE_PATH" {
                command.env_remove("AZURE_CLIENT_SECRET");
            }
        }

        let output = command.arg("--once").output().unwrap();

        let (log, error) = (stdout(&output), stderr(&output));
        assert_eq!(output.status.code(), Some(1), "{code}: {log}");
        assert!(error.contains(&format!("AADSTS{code}")), "{code}: {error}");
        assert_eq!(error.lines().count(), 1, "{code}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_entra_is_overloaded_the_token_that_is_still_good_is_used() {
    let around = Surroundings::new().await;
    let running = Running::start(around.daemon().env("DAEMON_INTERVAL_SECONDS", "1"));
    running.until("step=8");

    for status in [429, 503] {
        around.lab.fault(Fault::new(Target::Token, What::Status { status, retry_after: Some(30) }));
    }

    let next = running.until("step=8").join("\n");
    assert_eq!(next.matches("came from the cache").count(), 2, "{next}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_token_that_entra_has_no_time_for_is_a_sentence_about_waiting() {
    let around = Surroundings::new().await;
    around.lab.fault(Fault::new(Target::Token, What::Status { status: 429, retry_after: Some(30) }));

    let output = around.daemon().arg("--once").output().unwrap();

    let error = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    assert!(error.contains("HTTP 429") && error.contains("asks us to wait until"), "{error}");
    let asked = around.lab.requests().iter().filter(|request| request.path.ends_with("/token")).count();
    assert_eq!(asked, 1, "it does not ask again at once");
}
