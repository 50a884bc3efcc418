//! What the tests need beside Rust: a browser with its driver, Redis, and what the real MSAL clients run on.
//!
//! On Debian and its relatives, as root or with sudo that asks nothing, they are installed. Elsewhere the run
//! ends here with the list and the names to look for, before an hour of building.

use std::env;
use std::ffi::OsStr;

use anyhow::{Result, bail};

use crate::{output, workspace};

/// One need: any of these programs fulfils it.
pub struct Tool {
    programs: &'static [&'static str],
    debian: &'static str,
    purpose: &'static str,
    elsewhere: &'static str,
}

pub const CHROMIUM: Tool = Tool {
    programs: &["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"],
    debian: "chromium",
    purpose: "the journeys run in a real browser",
    elsewhere: "Chromium or Google Chrome, from your system's packages",
};
pub const DRIVER: Tool = Tool {
    programs: &["chromedriver"],
    debian: "chromium-driver",
    purpose: "it steers the browser",
    elsewhere: "chromedriver of the same version, from https://googlechromelabs.github.io/chrome-for-testing/",
};
pub const TMUX: Tool = Tool {
    programs: &["tmux"],
    debian: "tmux",
    purpose: "a person's terminal is watched in it",
    elsewhere: "tmux 3, from your system's packages",
};
pub const FAKETIME: Tool = Tool {
    programs: &["faketime"],
    debian: "faketime",
    purpose: "it moves the clocks of the programs under test",
    elsewhere: "libfaketime 0.9, from your system's packages",
};
pub const REDIS: Tool = Tool {
    programs: &["redis-server"],
    debian: "redis-server",
    purpose: "the shared caches are tested against it",
    elsewhere: "Redis 7 or newer, from your system's packages",
};
pub const D_BUS: Tool = Tool {
    programs: &["dbus-daemon"],
    debian: "dbus-daemon",
    purpose: "key stores and identity brokers are reached through it",
    elsewhere: "dbus-daemon, from your system's packages",
};
pub const KEY_STORE: Tool = Tool {
    programs: &["gnome-keyring-daemon"],
    debian: "gnome-keyring",
    purpose: "the key of a desktop program's cache lies in it",
    elsewhere: "gnome-keyring, from your system's packages",
};

pub const PYTHON: Tool = Tool {
    programs: &["python3"],
    debian: "python3-venv",
    purpose: "MSAL Python and Azure's SDKs judge the lab",
    elsewhere: "Python 3.9 or newer, with its venv module",
};
pub const NODE: Tool = Tool {
    programs: &["node"],
    debian: "nodejs",
    purpose: "msal-node and openid-client judge the lab",
    elsewhere: "Node.js 20 or newer",
};
pub const NPM: Tool = Tool {
    programs: &["npm"],
    debian: "npm",
    purpose: "it brings those two",
    elsewhere: "npm, which comes with Node.js",
};

/// Makes sure that all of them are here.
pub fn ensure(tools: &[Tool]) -> Result<()> {
    let absent = missing(tools);
    if absent.is_empty() {
        return Ok(());
    }
    output::heading("tools");
    if on_path("apt-get")
        && let Some(sudo) = as_root()
    {
        install(sudo, &absent)?;
    }
    let absent = missing(tools);
    if absent.is_empty() {
        return Ok(());
    }
    let mut text = "The tests need what this machine does not have:".to_owned();
    for tool in &absent {
        text += &format!("\n  {} ({}): {}", tool.programs[0], tool.purpose, tool.elsewhere);
    }
    let packages: Vec<_> = absent.iter().map(|tool| tool.debian).collect();
    text += &format!("\nOn Debian: sudo apt-get install {}", packages.join(" "));
    text += "\nWithout them: cargo xtask test --only lint, or --only copies";
    bail!(text)
}

fn missing(tools: &[Tool]) -> Vec<&Tool> {
    tools.iter().filter(|tool| !tool.programs.iter().any(|name| on_path(name))).collect()
}

/// The words to put before `apt-get`: none as root, `sudo` where it asks nothing.
fn as_root() -> Option<&'static [&'static str]> {
    let id = workspace::program("id", &["-u"]).output().ok()?;
    if id.stdout.trim_ascii() == b"0" {
        return Some(&[]);
    }
    workspace::succeeds(workspace::program("sudo", &["-n", "true"])).then_some(&["sudo", "-n"])
}

fn install(sudo: &[&str], tools: &[&Tool]) -> Result<()> {
    let packages: Vec<_> = tools.iter().map(|tool| tool.debian).collect();
    output::line(&format!("Installing {}", packages.join(", ")));
    let quiet = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"];
    let words = [sudo, &quiet].concat();
    for verb in [&["update"][..], &[&["install", "-y", "--no-install-recommends"], &packages[..]].concat()] {
        let all = [&words, verb].concat();
        workspace::run(workspace::program(all[0], &all[1..]))?;
    }
    Ok(())
}

/// Is there such a program?
pub fn on_path(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| {
        let file = folder.join(name);
        file.is_file() || (cfg!(windows) && file.with_extension(OsStr::new("exe")).is_file())
    })
}
