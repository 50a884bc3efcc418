//! The `entra-lab` program: read the settings, start the lab, say where it is, stop when asked.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use entra_lab::StartError;
use entra_lab::serve::{Ready, prepare};

mod greeting;
mod healthcheck;
mod settings;

use settings::{Cli, Command};

/// As after a SIGTERM that nobody listens to.
const ASKED_TWICE: i32 = 143;

#[actix_web::main]
async fn main() -> ExitCode {
    // An unknown option ends here, with a sentence and exit code 2.
    let cli = Cli::parse();
    let settings = match cli.check() {
        Ok(settings) => settings,
        Err(problems) => {
            problems.iter().for_each(|problem| greeting::complain(problem));
            return ExitCode::from(2);
        }
    };
    match cli.command {
        Some(Command::Settings) => {
            greeting::say(&settings::names().join("\n"));
            ExitCode::SUCCESS
        }
        Some(Command::Healthcheck) => healthcheck::run(settings.listen).await,
        None => run(settings).await,
    }
}

async fn run(settings: settings::Settings) -> ExitCode {
    let filter = std::env::var("RUST_LOG").ok().filter(|v| !v.is_empty());
    let filter = filter.unwrap_or_else(|| "entra_lab=info,warn".to_owned());
    let colour = std::io::stdout().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_ansi(colour).init();

    let options = match settings.options() {
        Ok(options) => options,
        Err(sentence) => return fail(&sentence),
    };
    let Ready { server, state } = match prepare(options) {
        Ok(ready) => ready,
        Err(error) => return fail(&explain(&error, &settings)),
    };
    if let Err(sentence) = settings.write_ca(state.ca_pem()) {
        return fail(&sentence);
    }
    greeting::greet(&state, settings.listen);

    let handle = server.handle();
    actix_web::rt::spawn(async move {
        stop_asked().await;
        let stopped = handle.stop(true);
        // Whoever asks a second time does not want to wait for requests that are under way.
        tokio::select! {
            () = stopped => {}
            () = stop_asked() => std::process::exit(ASKED_TWICE),
        }
    });
    match server.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&format!("The server ended: {error}.")),
    }
}

fn explain(error: &StartError, settings: &settings::Settings) -> String {
    match error {
        StartError::Bind { address, reason } if reason.kind() == std::io::ErrorKind::AddrInUse => format!(
            "The address {address} is in use by another program: stop that, or choose another one with \
             ENTRA_LAB_LISTEN (HTTP) or ENTRA_LAB_HTTPS_LISTEN (HTTPS)."
        ),
        StartError::Seed(seed) => format!("{}, {seed}.", settings.seed_name()),
        other => format!("{other}."),
    }
}

fn fail(sentence: &str) -> ExitCode {
    greeting::complain(sentence);
    ExitCode::FAILURE
}

/// Waits for SIGTERM (containers) or SIGINT (Ctrl-C).
async fn stop_asked() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
