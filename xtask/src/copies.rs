//! The copy test: each sample is copied out, built there, and started against the lab with its own `.env`.
//!
//! Only ports and addresses are overridden, by the environment, so that the test can run beside a demo. The
//! samples are taken in the order in which they need each other: the daemon calls the copied API. Nobody sits in front
//! of the desktop program here; that it starts, reads its settings and opens its cache is what is seen.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, fs, process};

use anyhow::{Context, Result};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::manifest::Library;
use crate::process::{Line, Running};
use crate::services::Service;
use crate::{copy, health, output, workspace};

/// The API first: the other two call it.
const ORDER: [&str; 4] = ["web-api-obo", "web-app", "daemon-app", "desktop-app"];

pub async fn run() -> Result<()> {
    let folder = Folder::new()?;
    for sample in ORDER {
        output::line(&format!("{sample}: copying and building"));
        let dest = folder.0.join(sample);
        copy::copy(sample, &dest, Library::Checkout(workspace::root()))?;
        build(&dest)?;
    }
    let (lines, mut received) = unbounded_channel();
    // Nobody reads along: what matters stands in the error of a child that fails.
    tokio::spawn(async move { while received.recv().await.is_some() {} });
    let mut running = Vec::new();
    let done = start(&folder.0, &mut running, &lines).await;
    for child in running.iter_mut().rev() {
        child.stop().await;
    }
    done
}

/// Finished binaries go to a folder of their own; what is built on the way is shared with the workspace, so that
/// a dependency with the same features is not built again.
fn build(dest: &Path) -> Result<()> {
    let mut command = workspace::cargo(&["build", "--locked", "--all-targets"]);
    command.current_dir(dest);
    command.env("CARGO_TARGET_DIR", target()?).env("CARGO_BUILD_BUILD_DIR", workspace::target_dir()?);
    workspace::run(command).with_context(|| format!("The copy in {} does not build", dest.display()))
}

async fn start(folder: &Path, running: &mut Vec<Running>, lines: &UnboundedSender<Line>) -> Result<()> {
    let (lab, api, app) = (health::free_address()?, health::free_address()?, health::free_address()?);
    let service = server(
        "entra-lab",
        lab,
        "/lab/health",
        vec![pair("ENTRA_LAB_LISTEN", lab), pair("ENTRA_LAB_HTTPS_LISTEN", "")],
    );
    up(service, &workspace::binary("entra-lab")?, folder, running, lines).await?;

    let authority = || {
        vec![
            pair("AZURE_AUTHORITY_HOST", format!("http://{lab}")),
            pair("GRAPH_BASE_URL", format!("http://{lab}/v1.0")),
        ]
    };
    let mut settings = authority();
    settings.push(pair("LISTEN_ADDR", api));
    let service = server("web-api-obo", api, "/health/ready", settings);
    up(service, &built("web-api-obo")?, &folder.join("web-api-obo"), running, lines).await?;

    let mut settings = authority();
    settings.push(pair("LISTEN_ADDR", app));
    settings.push(pair("PUBLIC_URL", format!("http://localhost:{}", app.port())));
    settings.push(pair("API_BASE_URL", format!("http://{api}")));
    let service = server("web-app", app, "/health/ready", settings);
    up(service, &built("web-app")?, &folder.join("web-app"), running, lines).await?;

    let mut settings = authority();
    settings.push(pair("API_BASE_URL", format!("http://{api}")));
    let place = folder.join("daemon-app");
    let mut daemon =
        Running::start("daemon-app", &built("daemon-app")?, &["--once"], &settings, &place, lines)?;
    daemon.finished(Duration::from_secs(30)).await?;
    output::line("daemon-app: one round done");

    let place = folder.join("desktop-app");
    let mut settings = authority();
    settings.push(pair("API_BASE_URL", format!("http://{api}")));
    settings.push(pair("TOKEN_CACHE_DIR", place.join("tokens").display()));
    let accounts = &["accounts", "--json"];
    let mut desktop =
        Running::start("desktop-app", &built("desktop-app")?, accounts, &settings, &place, lines)?;
    desktop.finished(Duration::from_secs(30)).await?;
    output::line("desktop-app: listed who is signed in");
    Ok(())
}

async fn up(
    service: Service,
    program: &Path,
    folder: &Path,
    running: &mut Vec<Running>,
    lines: &UnboundedSender<Line>,
) -> Result<()> {
    let mut child = Running::start(service.name, program, &[], &service.settings, folder, lines)?;
    let ready = child.ready(&service).await;
    running.push(child);
    ready?;
    output::line(&format!("{}: answers", service.name));
    Ok(())
}

fn server(
    name: &'static str,
    address: SocketAddr,
    path: &'static str,
    settings: Vec<(String, String)>,
) -> Service {
    let ports = vec![("LISTEN_ADDR", address)];
    Service { name, plays: "", place: address.to_string(), settings, ports, ready: Some(path) }
}

fn pair(name: &str, value: impl ToString) -> (String, String) {
    (name.to_owned(), value.to_string())
}

fn target() -> Result<PathBuf> {
    Ok(workspace::target_dir()?.join("copies"))
}

fn built(name: &str) -> Result<PathBuf> {
    Ok(target()?.join("debug").join(format!("{name}{}", env::consts::EXE_SUFFIX)))
}

/// A folder outside the workspace, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self> {
        let path = env::temp_dir().join(format!("copied-samples-{}", process::id()));
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
