//! The lab under the cloud's own names: `deploy/cloud-names.yml` comes up, the daemon does one round with the settings
//! of a real tenant, and it all goes away again. The network has no way out, so nobody but the lab can have answered.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::workspace;

/// Beside a network of the same file that somebody is looking at.
const PROJECT: &str = "cloud-names-under-test";
/// What the file may not say: then it would not be the settings of a real tenant.
const ADDRESSES: [&str; 3] = ["AZURE_AUTHORITY_HOST", "AZURE_AUTHORITY_BACKCHANNEL", "GRAPH_BASE_URL"];

/// Builds the images if they are not there yet, and asks for a round.
pub fn round() -> Result<()> {
    let file = std::fs::read_to_string(workspace::root().join("deploy/cloud-names.yml"))?;
    for name in ADDRESSES {
        ensure!(!file.contains(name), "deploy/cloud-names.yml names an address of the lab: {name}");
    }
    let done = up_and_ask();
    if done.is_err() {
        let _ = compose(&["logs", "--no-color", "--tail", "30"]).status();
    }
    let down = workspace::run(compose(&["down", "--volumes", "--remove-orphans", "--timeout", "5"]));
    done.and(down)
}

fn up_and_ask() -> Result<()> {
    workspace::run(compose(&["up", "--wait", "--wait-timeout", "60", "web-api-obo"]))
        .context("The containers did not come up healthy")?;
    let round = compose(&["run", "--rm", "--no-deps", "-T", "daemon-app", "--once"]).output()?;
    let said =
        format!("{}{}", String::from_utf8_lossy(&round.stdout), String::from_utf8_lossy(&round.stderr));
    ensure!(round.status.success(), "The daemon's round ended badly:\n{said}");
    // From Graph and from the API, each with a token of its own.
    ensure!(said.matches("Alice Kim").count() >= 2, "The daemon did not see the people:\n{said}");
    Ok(())
}

fn compose(arguments: &[&str]) -> Command {
    let file = ["compose", "-f", "deploy/cloud-names.yml"];
    let mut command = workspace::program("docker", &[&file[..], arguments].concat());
    command.env("COMPOSE_PROJECT_NAME", PROJECT);
    command
}
