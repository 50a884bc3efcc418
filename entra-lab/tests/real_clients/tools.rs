//! Installs the clients below the target directory, once per version.

use std::path::{Path, PathBuf};
use std::process::Command;

const PYTHON: &str =
    "This test runs MSAL Python: install python3 with its venv module (Debian: python3-venv).";
const NODE: &str = "This test runs msal-node: install Node 20 or newer with npm (Debian: nodejs and npm).";

/// A script of this folder.
pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real_clients").join(name)
}

/// The Python of a virtual environment that has these packages.
pub fn python(packages: &[&str]) -> PathBuf {
    let home = home(&format!("python-{}", packages.join("-")));
    let python = home.join("bin/python");
    let ready = home.join("ready");
    if !ready.exists() {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&home), PYTHON);
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        run(Command::new(&python).args(install).args(packages), "pip could not install the packages.");
        std::fs::write(ready, "").unwrap();
    }
    python
}

/// A folder with this npm package.
pub fn node_modules(package: &str, version: &str) -> PathBuf {
    let home = home(&format!("node-{}-{version}", package.replace('/', "-")));
    assert!(Command::new("node").arg("--version").output().is_ok(), "{NODE}");
    if !home.join("ready").exists() {
        std::fs::create_dir_all(&home).unwrap();
        std::fs::write(home.join("package.json"), r#"{"private":true}"#).unwrap();
        let install = ["install", "--silent", "--no-audit", "--no-fund"];
        let wanted = format!("{package}@{version}");
        run(Command::new("npm").args(install).arg(wanted).current_dir(&home), NODE);
        std::fs::write(home.join("ready"), "").unwrap();
    }
    home
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
