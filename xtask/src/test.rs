//! `cargo xtask test`: everything that must be green, cheapest failure first.
//!
//! The command lines keep to few selections of packages on purpose: cargo unifies features over what is
//! selected, so every new selection builds part of the dependencies again. `--all-targets` in the build step is
//! what `cargo test` selects, so the tests and the binaries of the journeys come out of one build. The
//! journeys stand alone: their browser client changes how `serde_json` orders members, for all it is built with.

use std::path::Path;

use anyhow::Result;
use clap::ValueEnum;

use crate::steps::Steps;
use crate::{cloud_names, compose, copies, output, scan, tools, workspace};

/// A part of the run that can be asked for alone.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Format, clippy and the documentation, without warnings.
    Lint,
    /// Unit, integration and doc tests.
    Unit,
    /// The journeys in a headless browser, through the built binaries.
    E2e,
    /// Each sample copied out, built and started.
    Copies,
    /// The same journeys against the containers.
    Containers,
}

pub async fn run(only: Option<Part>) -> Result<()> {
    let wanted = |part| only.is_none_or(|only| only == part);
    let mut needed = Vec::new();
    if wanted(Part::Unit) {
        needed.extend([tools::REDIS, tools::PYTHON, tools::NODE, tools::NPM, tools::CHROMIUM]);
        if cfg!(target_os = "linux") {
            needed.extend([tools::D_BUS, tools::KEY_STORE]);
        }
    }
    if wanted(Part::E2e) || wanted(Part::Containers) {
        needed.extend([tools::CHROMIUM, tools::DRIVER, tools::TMUX, tools::FAKETIME]);
    }
    tools::ensure(&needed)?;

    let mut steps = Steps::default();
    let logs = scan::prepare(&workspace::target_dir()?.join("log-scan"))?;
    if wanted(Part::Lint) {
        cargo(&mut steps, "format", "lint", &["fmt", "--all", "--check"]).await?;
        let clippy = ["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"];
        cargo(&mut steps, "clippy", "lint", &clippy).await?;
        // `--all-targets` leaves out what a plain `cargo test` does.
        let left_out = ["clippy", "--workspace", "--test", "*", "--all-features", "--", "-D", "warnings"];
        cargo(&mut steps, "clippy of the other tests", "lint", &left_out).await?;
        let repeat = "cargo xtask test --only lint";
        steps.step("each feature alone", repeat, async || each_feature_alone()).await?;
    }
    if wanted(Part::Unit) {
        let build = ["build", "--workspace", "--exclude", "e2e", "--all-targets", "--all-features"];
        cargo(&mut steps, "build", "unit", &build).await?;
        let test = ["test", "--workspace", "--exclude", "e2e", "--all-features"];
        tests(&mut steps, "unit, integration and doc tests", "unit", &test, &logs).await?;
        // Not part of `cargo test`, which needs nothing but Rust: these bring Python's and Node's clients along.
        let judges = ["test", "--workspace", "--exclude", "e2e", "--all-features", "--test", "real_clients"];
        cargo(&mut steps, "real clients against the lab and the caches", "unit", &judges).await?;
    } else if wanted(Part::E2e) || wanted(Part::Copies) {
        steps.step("build", "cargo build", async || build_binaries()).await?;
    }
    if wanted(Part::Lint) {
        steps.step("documentation", "cargo xtask test --only lint", async || documentation()).await?;
    }
    if wanted(Part::E2e) {
        tests(&mut steps, "journeys", "e2e", &["test", "-p", "e2e"], &logs).await?;
    }
    if wanted(Part::Unit) || wanted(Part::E2e) {
        let repeat = "cargo xtask test";
        steps.step("secrets in the logs of all tests", repeat, async || secrets(&logs)).await?;
    }
    if wanted(Part::Copies) {
        let repeat = "cargo xtask test --only copies";
        steps.step("copies of the samples", repeat, async || copies::run().await).await?;
    }
    if wanted(Part::Containers) {
        match compose::engine() {
            Ok(()) => {
                let repeat = "cargo xtask test --only containers";
                steps.step("journeys against the containers", repeat, async || compose::journeys()).await?;
                steps.step("the lab under the cloud's names", repeat, async || cloud_names::round()).await?;
            }
            Err(reason) => steps.skip("journeys against the containers", reason),
        }
    }
    steps.summary();
    Ok(())
}

/// `cargo xtask e2e`: only the journeys.
pub async fn journeys(containers: bool) -> Result<()> {
    tools::ensure(&[tools::CHROMIUM, tools::DRIVER, tools::TMUX, tools::FAKETIME])?;
    if containers {
        compose::engine().map_err(|reason| anyhow::anyhow!("No containers here: {reason}."))?;
        return compose::journeys();
    }
    build_binaries()?;
    workspace::run(workspace::cargo(&["test", "-p", "e2e"]))
}

/// The binaries of the chain in one build, selected as `cargo demo` selects them.
pub fn build_binaries() -> Result<()> {
    let mut words = vec!["build"];
    words.extend(workspace::BINARIES.iter().chain([&workspace::DESKTOP]).flat_map(|name| ["-p", name]));
    workspace::run(workspace::cargo(&words))
}

async fn cargo(steps: &mut Steps, name: &str, part: &str, words: &[&str]) -> Result<()> {
    let repeat = format!("cargo xtask test --only {part}");
    steps.step(name, &repeat, async || workspace::run(workspace::cargo(words))).await
}

/// As [`cargo`], with everything written down that the scan for secrets reads.
async fn tests(steps: &mut Steps, name: &str, part: &str, words: &[&str], logs: &Path) -> Result<()> {
    let repeat = format!("cargo xtask test --only {part}");
    let mut command = workspace::cargo(words);
    command.env(scan::VARIABLE, logs);
    steps.step(name, &repeat, async || workspace::run(command)).await
}

fn secrets(logs: &Path) -> Result<()> {
    output::line(&scan::check(logs)?);
    Ok(())
}

/// The library without features, and with each one by itself: nobody should find out in a program of their own that two
/// belong together. The samples' combinations are built with the samples.
fn each_feature_alone() -> Result<()> {
    let features = workspace::features("shared-auth")?;
    for features in std::iter::once("").chain(features.iter().map(String::as_str)) {
        let clippy = ["clippy", "-p", "shared-auth", "--no-default-features", "--features", features];
        workspace::run(workspace::cargo(&[&clippy[..], &["--", "-D", "warnings"]].concat()))?;
    }
    Ok(())
}

fn documentation() -> Result<()> {
    let mut command = workspace::cargo(&["doc", "--workspace", "--no-deps", "--all-features"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    workspace::run(command)
}
