//! Real clients as judges: MSAL Python and msal-node, unmodified, from their own registries.
//!
//! Each script runs its scenarios against a lab over HTTPS and asks this program, line by line, for
//! what a person or an administrator does: a sign-in, a device code, a policy. Nothing is installed
//! outside the target directory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code, unused_imports, reason = "shared with the other tests, which use all of it")]
#[path = "../it/support/mod.rs"]
mod support;

mod conversation;
mod tools;

use conversation::judge;

#[tokio::test]
async fn msal_python_cannot_tell_the_difference() {
    let python = tools::python(&["msal==1.39.0"]);
    let mut command = std::process::Command::new(python);
    command.arg(tools::script("judge.py"));
    let passed = judge(command).await;
    assert_eq!(
        passed,
        [
            "secret",
            "certificate, PS256",
            "certificate, RS256 by thumbprint",
            "code",
            "silent from the cache",
            "refresh",
            "on-behalf-of",
            "consent missing",
            "wrong secret",
            "claims challenge",
            "capabilities",
            "device code",
            "password",
            "instance discovery",
            "OIDC authority",
            "throttling",
        ]
    );
}

#[tokio::test]
async fn msal_node_cannot_tell_the_difference() {
    let modules = tools::node_modules("@azure/msal-node", "7.2.1");
    // A module is looked up from where the script lies.
    let script = modules.join("judge.mjs");
    std::fs::copy(tools::script("judge.mjs"), &script).unwrap();
    let mut command = std::process::Command::new("node");
    command.arg(script);
    let passed = judge(command).await;
    assert_eq!(
        passed,
        [
            "secret",
            "certificate, PS256",
            "certificate, RS256 with chain",
            "code",
            "silent from the cache",
            "refresh",
            "on-behalf-of",
            "consent missing",
            "wrong secret",
            "claims challenge",
            "device code",
            "password",
            "throttling",
        ]
    );
}
