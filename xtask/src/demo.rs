//! `cargo demo`: the whole chain in one terminal, with nothing installed but Rust.
//!
//! Order: look at the ports, build once, start in story order and wait for each to answer, say where to
//! click, then show what the services write until Ctrl-C. They are stopped the other way round, so that
//! nobody loses the service it is talking to.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::sleep;

use crate::process::{Line, Running};
use crate::services::{self, Service};
use crate::signals::Asked;
use crate::test::build_binaries;
use crate::{health, output, workspace};

/// One colour a service, readable on light and on dark.
const COLOURS: [(&str, u8); 4] =
    [("entra-lab", 35), ("web-api-obo", 36), ("web-app", 32), ("daemon-app", 33)];
const CLICK: &str = "http://localhost:3000";

pub async fn run() -> Result<()> {
    let services = services::all()?;
    for service in &services {
        for (variable, address) in &service.ports {
            health::require_free(*address, service.name, variable)?;
        }
    }
    build_binaries()?;

    let folder = quiet_folder()?;
    let mut asked = Asked::listen()?;
    let (lines, received) = unbounded_channel();
    let mut running = Vec::new();
    let outcome = tokio::select! {
        result = live(&services, &mut running, folder, lines, received) => result,
        () = asked.stopped() => Ok(()),
    };
    output::line("\nStopping.");
    for child in running.iter_mut().rev() {
        // Asked a second time, we stop asking politely: what is left is killed when `running` is dropped.
        let went = tokio::select! {
            went = child.stop() => went,
            () = asked.stopped() => break,
        };
        let how = if went { "stopped" } else { "did not stop in time and was killed" };
        output::line(&format!("{} {how}", label(child.name)));
    }
    outcome
}

/// Starts everything and stays until a child ends; only then, or when something cannot start, it returns.
async fn live(
    services: &[Service],
    running: &mut Vec<Running>,
    folder: PathBuf,
    lines: UnboundedSender<Line>,
    received: UnboundedReceiver<Line>,
) -> Result<()> {
    for service in services {
        let program = workspace::binary(service.name)?;
        running.push(Running::start(service.name, &program, &[], &service.settings, &folder, &lines)?);
        if let Some(child) = running.last_mut() {
            child.ready(service).await?;
        }
        output::line(&format!("{} {:<24} {}", label(service.name), service.place, service.plays));
    }
    welcome();
    // The log begins below the banner; until here the channel kept it.
    tokio::spawn(print(received));
    loop {
        for child in running.iter_mut() {
            if let Some(status) = child.ended()? {
                return Err(child.obituary(status).await);
            }
        }
        sleep(Duration::from_millis(100)).await;
    }
}

fn welcome() {
    output::line("");
    output::line(&format!("Open     {}", output::paint(1, CLICK)));
    output::line("Sign in  alice@contoso.test, bob@contoso.test or carol@contoso.test");
    output::line("Password Passw0rd!lab");
    output::line("Look at  http://127.0.0.1:8400 for the lab: its people, its apps, its keys");
    output::line("Terminal cd desktop-app && cp .env.example .env && cargo run -- profile");
    output::line("Stop     Ctrl-C\n");
    output::line(&format!("demo ready: {CLICK}\n"));
}

async fn print(mut received: UnboundedReceiver<Line>) {
    while let Some(line) = received.recv().await {
        output::line(&format!("{} {}", label(line.from), line.text));
    }
}

/// The name in its colour, padded so that the log lines stand under each other.
fn label(name: &str) -> String {
    let code = COLOURS.iter().find(|(known, _)| *known == name).map_or(37, |(_, code)| *code);
    output::paint(code, &format!("{name:>11} |"))
}

/// Where the children run. The samples read `.env`; here an empty one ends the search, so that a developer's
/// own file further up cannot change the demo.
fn quiet_folder() -> Result<PathBuf> {
    let folder = workspace::target_dir()?.join("demo");
    fs::create_dir_all(&folder)
        .and_then(|()| fs::write(folder.join(".env"), "# Empty on purpose: see xtask/src/demo.rs.\n"))
        .with_context(|| format!("cannot write to {}", folder.display()))?;
    Ok(folder)
}
