//! For test suites that look for secrets in what they have logged.
//!
//! With `ENTRA_LAB_SCAN_DIR` set to a folder, a process writes two files there: every secret that a lab of its own handed out
//! or was shown, one a line, and everything that was logged at any level, whoever logged it. What one file must not
//! share with the other is then a matter of reading them (`cargo xtask test` does). Without the variable nothing is
//! written.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::OnceLock;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Suites whose own process only plays a person or a browser, with clients that may print what they type and are sent.
/// The programs that they start are looked at all the same.
const PLAYERS: [&str; 2] = ["entra-lab", "e2e"];
/// Shorter ones are words, and stand in sentences.
const SHORTEST: usize = 8;

struct Files {
    secrets: File,
    log: File,
}

/// True where the suite is being looked at; programs that a test starts should then log everything they can.
pub fn is_on() -> bool {
    files().is_some()
}

/// Notes a value that no log may hold.
pub fn secret(value: &str) {
    if let Some(files) = files()
        && value.len() >= SHORTEST
    {
        // In one piece, so that threads do not write into each other's lines.
        let _ = (&files.secrets).write_all(format!("{}\n", value.replace('\n', " ")).as_bytes());
    }
}

/// Adds a line that another process logged.
pub fn logged(line: &str) {
    if let Some(files) = files() {
        let _ = (&files.log).write_all(format!("{line}\n").as_bytes());
    }
}

/// Collects what this process logs from now on, unless it has a log of its own.
pub(crate) fn listen() {
    // Cargo says whose tests these are.
    if std::env::var("CARGO_PKG_NAME").is_ok_and(|name| PLAYERS.contains(&name.as_str())) {
        return;
    }
    if let Some(log) = files().and_then(|files| files.log.try_clone().ok()) {
        // The mock server of tests prints whole requests that it has no answer for. It is nobody's product.
        let all_but_mocks =
            Targets::new().with_default(LevelFilter::TRACE).with_target("wiremock", LevelFilter::OFF);
        let lines = tracing_subscriber::fmt::layer()
            .with_span_events(FmtSpan::NEW | FmtSpan::CLOSE)
            .with_ansi(false)
            .with_writer(std::sync::Mutex::new(log))
            .with_filter(all_but_mocks);
        let _a_log_of_its_own = tracing_subscriber::registry().with(lines).try_init();
    }
}

fn files() -> Option<&'static Files> {
    static FILES: OnceLock<Option<Files>> = OnceLock::new();
    let open = || {
        let folder = PathBuf::from(std::env::var_os("ENTRA_LAB_SCAN_DIR")?);
        let file = |kind: &str| {
            let path = folder.join(format!("{kind}-{}.txt", std::process::id()));
            OpenOptions::new().create(true).append(true).open(path).ok()
        };
        Some(Files { secrets: file("secrets")?, log: file("log")? })
    };
    FILES.get_or_init(open).as_ref()
}
