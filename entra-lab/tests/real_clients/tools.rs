//! Installs the clients below the target directory, once per version.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

const NO_PYTHON: &str =
    "These tests run Python clients: install python3 with its venv module (Debian: python3-venv).";
const NO_NODE: &str =
    "These tests run Node clients: install Node 20 or newer with npm (Debian: nodejs and npm).";
const NO_BROWSER: &str = "This test opens a page in a browser: install Chromium (Debian: chromium).";
/// One environment for all, because they build on each other. The last one is what the batches of the Graph SDK use
/// without naming it.
const PACKAGES: [&str; 4] =
    ["msal==1.39.0", "azure-identity==1.27.0", "msgraph-sdk==1.65.0", "deprecated==1.3.1"];

/// The tests run at the same time, and each would install for itself.
static INSTALLING: Mutex<()> = Mutex::new(());

/// A script of this folder.
fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real_clients").join(name)
}

/// A Python script, with the packages in reach.
pub fn python(name: &str) -> Command {
    let _one = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let home = home(&format!("python-{}", PACKAGES.join("-")));
    let python = home.join("bin/python");
    let ready = home.join("ready");
    if !ready.exists() {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home), NO_PYTHON);
        // The Graph SDK has a module for every resource: compiling them all would take longer than the tests.
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"];
        run(Command::new(&python).args(install).args(PACKAGES), "pip could not install the packages.");
        std::fs::write(ready, "").unwrap();
    }
    let mut command = Command::new(python);
    command.arg("-B").arg(script(name));
    command
}

/// A Node script, beside npm packages: a module is looked up from where the script lies.
pub fn node(name: &str, packages: &[&str]) -> Command {
    let _one = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    let home = home(&format!("node-{}", packages.join("-").replace(['/', '@'], "-")));
    assert!(Command::new("node").arg("--version").output().is_ok(), "{NO_NODE}");
    if !home.join("ready").exists() {
        std::fs::create_dir_all(&home).unwrap();
        std::fs::write(home.join("package.json"), r#"{"private":true}"#).unwrap();
        let install = ["install", "--silent", "--no-audit", "--no-fund"];
        run(Command::new("npm").args(install).args(packages).current_dir(&home), NO_NODE);
        std::fs::write(home.join("ready"), "").unwrap();
    }
    let copy = home.join(name);
    std::fs::copy(script(name), &copy).unwrap();
    let mut command = Command::new("node");
    command.arg(copy);
    command
}

/// The same with a browser, which is the one of the machine.
pub fn node_with_browser(name: &str, packages: &[&str]) -> Command {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name)));
    let mut command = node(name, packages);
    command.env("CHROMIUM", found.into_iter().find(|file| file.is_file()).expect(NO_BROWSER));
    command
}

fn home(name: &str) -> PathBuf {
    let clean: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || "-.".contains(*c)).collect();
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("real-clients").join(clean)
}

fn run(command: &mut Command, hint: &str) {
    match command.output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => panic!("{hint}\n{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => panic!("{hint} ({error})"),
    }
}
