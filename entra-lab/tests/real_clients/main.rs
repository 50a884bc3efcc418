//! Clients that no one here wrote, unmodified, from their own registries: MSAL Python, msal-node, msal-browser,
//! azure-identity in Python and Rust, msgraph-sdk, openid-client.
//!
//! A script runs its scenarios against a lab over HTTPS and asks this program, line by line, for what a person or an
//! administrator does: a sign-in, a device code, a policy. Nothing is installed outside the target directory.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[allow(dead_code, unused_imports, reason = "shared with the other tests, which use all of it")]
#[path = "../it/support/mod.rs"]
mod support;

mod azure_rust;
mod conversation;
mod tools;

use conversation::judge;

#[tokio::test]
async fn msal_python_cannot_tell_the_difference() {
    let passed = judge(tools::python("msal_python.py")).await;
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
    let passed = judge(tools::node("msal_node.mjs", &["@azure/msal-node@7.2.1"])).await;
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

#[tokio::test]
async fn msal_browser_cannot_tell_the_difference() {
    let packages = ["@azure/msal-browser@5.30.0", "puppeteer-core@24.43.1"];
    let passed = judge(tools::node_with_browser("msal_browser.mjs", &packages)).await;
    assert_eq!(
        passed,
        [
            "sign-in by redirect, the code redeemed by the page",
            "silent from the cache",
            "refresh",
            "Graph, called by the page",
            "consent missing",
            "claims challenge",
            "single sign-on in a hidden frame",
            "the wrong platform",
            "sign-out",
            "the end of the day",
        ]
    );
}

#[tokio::test]
async fn azure_identity_for_python_cannot_tell_the_difference() {
    let passed = judge(tools::python("azure_python.py")).await;
    assert_eq!(
        passed,
        [
            "secret",
            "wrong secret",
            "certificate",
            "code",
            "on-behalf-of",
            "consent missing",
            "device code",
            "managed identity",
            "federated credential",
            "workload identity",
            "continuous access evaluation",
        ]
    );
}

/// Checklist 138.
#[tokio::test]
async fn the_graph_sdk_cannot_tell_the_difference() {
    let passed = judge(tools::python("msgraph_python.py")).await;
    assert_eq!(
        passed,
        [
            "me",
            "photo",
            "missing permission",
            "member of",
            "messages",
            "users, page by page",
            "unknown user",
            "me without a user",
            "batch",
            "a registration, from its making to its end",
            "throttling",
        ]
    );
}

#[tokio::test]
async fn a_certified_openid_client_cannot_tell_the_difference() {
    let passed = judge(tools::node("openid_client.mjs", &["openid-client@6.8.9"])).await;
    assert_eq!(
        passed,
        [
            "discovery",
            "code with PKCE, nonce, state and max_age, the signature checked",
            "a code used twice",
            "UserInfo, same subject",
            "refresh",
            "declined",
            "client credentials, secret in a Basic header",
            "wrong secret",
            "on-behalf-of",
            "private_key_jwt",
            "device code",
            "hybrid flow, the ID token from the front channel checked with its c_hash",
            "a code that is not the ID token's",
            "sign-out",
        ]
    );
}
