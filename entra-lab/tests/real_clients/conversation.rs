//! The conversation with a script: it asks in lines of JSON, a person's part is played here.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use entra_lab::{EntraLab, Fault, PolicyChange, Target, What};
use serde_json::{Value, json};

use crate::support::{API, API_SCOPE, Browser, DAEMON, DESKTOP, PASSWORD, Page, TENANT, WEB_APP, lab};

const DAEMON_PEM: &str = include_str!("../../certs/daemon-app.pem");
const SIGNED_OUT: &str = "http://localhost:3000/signout-callback-oidc";

/// Ends the script even when the test fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a script to its end and returns the names of the scenarios that it passed.
pub async fn judge(mut command: Command) -> Vec<String> {
    let lab = lab().await;
    let ca = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(ca.path(), lab.ca_pem()).unwrap();
    // These two win over what a Python program says, and a proxy would not find this machine.
    for name in
        ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"]
    {
        command.env_remove(name);
    }
    command
        .env("NODE_EXTRA_CA_CERTS", ca.path())
        .env("LAB", settings(&lab, ca.path().to_str().unwrap()).to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut running = Running(command.spawn().expect("the script starts"));
    let mut answers = running.0.stdin.take().unwrap();
    let lines = BufReader::new(running.0.stdout.take().unwrap()).lines();
    let mut passed = Vec::new();
    for line in lines {
        let line = line.unwrap();
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("the script said: {line}"));
        if let Some(name) = said["passed"].as_str() {
            passed.push(name.to_owned());
            continue;
        }
        let answer = part(&lab, &said).await;
        writeln!(answers, "{answer}").unwrap();
    }
    let status = running.0.wait().unwrap();
    assert!(status.success(), "the script failed after {passed:?}");
    passed
}

fn settings(lab: &EntraLab, ca: &str) -> Value {
    json!({
        "host": lab.https_url(),
        "http": lab.url(),
        "tenant": TENANT,
        "ca": ca,
        "web": { "id": WEB_APP.id, "secret": WEB_APP.secret, "redirect": WEB_APP.redirect_uri, "signedOut": SIGNED_OUT },
        "api": { "id": API.id, "secret": API.secret, "scope": API_SCOPE },
        "daemon": { "id": DAEMON.id, "secret": DAEMON.secret, "pem": DAEMON_PEM, "x5tS256": thumbprint(DAEMON_PEM) },
        "identity": { "id": "c0ffee00-0000-4000-8000-000000008000" },
        "tool": { "id": "c0ffee00-0000-4000-8000-000000009000", "secret": "lab-secret-registration-tool" },
        "desktop": { "id": DESKTOP.id },
        "page": { "id": "c0ffee00-0000-4000-8000-00000000a000" },
        "password": PASSWORD,
    })
}

/// `x5t#S256` of the certificate in a PEM file.
fn thumbprint(pem: &str) -> String {
    let certificate =
        pem.split_once("-----BEGIN CERTIFICATE-----").unwrap().1.split_once("-----END").unwrap().0;
    let der = STANDARD.decode(certificate.split_whitespace().collect::<String>()).unwrap();
    URL_SAFE_NO_PAD.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &der))
}

/// What a person or an administrator does.
async fn part(lab: &EntraLab, said: &Value) -> Value {
    let text = |name: &str| said[name].as_str().unwrap_or_else(|| panic!("{said}"));
    match text("ask") {
        "sign in" => {
            let mut browser = Browser::over_https(lab);
            let page = browser.open(text("url")).await;
            let last = go_through(&mut browser, page, text("user")).await;
            json!({ "url": last.location.unwrap_or_else(|| panic!("{}", last.body)) })
        }
        "decline" => {
            let mut browser = Browser::over_https(lab);
            let page = browser.open(text("url")).await;
            let page = browser.type_password(&page, PASSWORD).await;
            let last = browser.submit(&page, &[("action", "decline")]).await;
            json!({ "url": last.location.unwrap_or_else(|| panic!("{}", last.body)) })
        }
        "visit" => {
            json!({ "url": Browser::over_https(lab).open(text("url")).await.location })
        }
        "device" => {
            let mut browser = Browser::new(lab);
            let fields = [("code", text("code")), ("action", "approve")];
            let page = browser.post("/deviceauth", &fields).await;
            let last = go_through(&mut browser, page, text("user")).await;
            assert!(last.body.contains("device-approved"), "{}", last.body);
            json!({})
        }
        "policy" => {
            let change: PolicyChange = serde_json::from_value(said["change"].clone()).unwrap();
            lab.policy(change).unwrap()
        }
        "throttle" => {
            let what = What::Status { status: 429, retry_after: Some(60) };
            lab.fault(Fault::new(Target::Token, what).times(1));
            json!({})
        }
        "throttle graph" => {
            let what = What::Status { status: 429, retry_after: Some(1) };
            lab.fault(Fault::new(Target::Graph, what).times(1));
            json!({})
        }
        "hours later" => {
            lab.advance(jiff::SignedDuration::from_hours(said["hours"].as_i64().unwrap()));
            json!({})
        }
        "refusals" => {
            json!({ "codes": lab.requests().iter().filter_map(|r| r.error_code).collect::<Vec<_>>() })
        }
        "token requests" => {
            json!({ "count": lab.requests().iter().filter(|r| r.path.ends_with("/token")).count() })
        }
        other => panic!("nobody knows how to do '{other}'"),
    }
}

/// Fills the lab's forms until one leads away from them.
async fn go_through(browser: &mut Browser, mut page: Page, user: &str) -> Page {
    for _ in 0..6 {
        page = if page.is("Pick an account") {
            browser.pick(&page, user).await
        } else if page.is("Enter password") {
            browser.type_password(&page, PASSWORD).await
        } else if page.is("Enter your code") {
            browser.submit(&page, &[("action", "otp"), ("otp", "246810")]).await
        } else if page.is("Permissions requested") {
            browser.accept(&page).await
        } else {
            break;
        };
    }
    page
}
