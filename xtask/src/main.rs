//! What a person types: `cargo demo`, `cargo xtask test`, `cargo xtask e2e`, `cargo xtask fuzz`,
//! `cargo xtask copy`.
//!
//! One file a verb. Nothing here is needed to run a sample: it only saves typing, and it is plain Rust so
//! that no task runner has to be installed. What the verbs share: `workspace` (paths and commands),
//! `services` (who is in the demo), `process` (a child with its log lines), `health` (is it up?).

mod cloud_names;
mod compose;
mod copies;
mod copy;
mod demo;
mod fuzz;
mod health;
mod manifest;
mod output;
mod process;
mod scan;
mod services;
mod signals;
mod steps;
mod test;
mod tools;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The automation of this workspace.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Builds and starts the whole chain in this terminal, until Ctrl-C. Also: `cargo demo`.
    Demo,
    /// Runs every check and every test, in the order in which a failure is cheapest.
    Test {
        /// Only this part of it.
        #[arg(long, value_enum)]
        only: Option<test::Part>,
    },
    /// Runs the journeys in a headless browser.
    E2e {
        /// Against the containers of docker-compose.yml instead of the built binaries.
        #[arg(long)]
        compose: bool,
    },
    /// Runs the fuzz targets of the library's parsers, ten minutes each.
    Fuzz {
        /// Only this one: the name of a file in shared-auth/fuzz/fuzz_targets.
        target: Option<String>,
        /// How long each runs.
        #[arg(long, default_value_t = 600)]
        seconds: u32,
    },
    /// Makes a project of its own from one sample, outside this workspace.
    Copy {
        /// daemon-app, web-api-obo, web-app or desktop-app.
        sample: String,
        /// A folder that does not exist yet, or is empty.
        dest: PathBuf,
        /// Take the library from this git repository. Without it: by path, from this checkout.
        #[arg(long, value_name = "URL")]
        git: Option<String>,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Cli::parse().verb {
        Verb::Demo => demo::run().await,
        Verb::Test { only } => test::run(only).await,
        Verb::E2e { compose } => test::journeys(compose).await,
        Verb::Fuzz { target, seconds } => fuzz::run(target.as_deref(), seconds),
        Verb::Copy { sample, dest, git } => copy::run(&sample, &dest, git.as_deref()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\n{error:#}");
            ExitCode::FAILURE
        }
    }
}
