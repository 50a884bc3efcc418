//! The container journey: the stack of docker-compose.yml comes up, the same journeys run against it, and it
//! goes away again, also when they fail.
//!
//! It has a project name of its own, so that taking it down never touches a stack that somebody is looking at.

use std::process::Command;

use anyhow::{Context, Result};

use crate::{health, output, services, workspace};

const PROJECT: &str = "chain-under-test";
/// The profile with two of everything, behind one port.
const REPLICAS: &str = "replicas";

/// Is there an engine with compose? If not, why.
pub fn engine() -> Result<(), &'static str> {
    if !workspace::succeeds(workspace::program("docker", &["info"])) {
        return Err("no Docker engine answers");
    }
    if !workspace::succeeds(workspace::program("docker", &["compose", "version"])) {
        return Err("docker has no compose plugin");
    }
    Ok(())
}

/// Builds the images, starts the stack, runs the journeys, removes the stack.
pub fn journeys() -> Result<()> {
    for service in services::all()? {
        for (variable, address) in service.ports {
            health::require_free(address, service.name, variable)?;
        }
    }
    let done = up_and_run();
    if done.is_err() {
        output::heading("last lines of the containers");
        let _ = compose(&["logs", "--no-color", "--tail", "30"]).status();
    }
    // `--remove-orphans` takes along what a journey started beside the stack.
    let words = ["--profile", REPLICAS, "down", "--volumes", "--remove-orphans", "--timeout", "10"];
    let down = workspace::run(compose(&words));
    done.and(down)
}

fn up_and_run() -> Result<()> {
    workspace::run(compose(&["--profile", REPLICAS, "up", "--build", "--wait", "--wait-timeout", "120"]))
        .context("The containers did not come up healthy")?;
    // Not the person at a terminal, whose program is no container. One after the other: they share one lab here, and
    // some of them reset it or move its clock.
    let words = ["test", "-p", "e2e", "--", "--test-threads", "1", "--skip", "journey_7"];
    let mut journeys = workspace::cargo(&words);
    // They call compose themselves, and must mean the same project.
    journeys.env("E2E_STACK", "compose").env("COMPOSE_PROJECT_NAME", PROJECT);
    workspace::run(journeys)
}

fn compose(arguments: &[&str]) -> Command {
    let mut command = workspace::program("docker", &[&["compose"], arguments].concat());
    command.env("COMPOSE_PROJECT_NAME", PROJECT);
    command
}
