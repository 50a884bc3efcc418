//! The sign of life of a program without a port: a file, touched after each good round, looked at by `healthcheck`.

use std::path::PathBuf;
use std::time::Duration;

use shared_auth::Env;

/// How often there is a round, and where to leave the sign of a good one.
#[derive(Debug)]
pub struct Heartbeat {
    /// `DAEMON_INTERVAL_SECONDS`, 60 by default.
    pub interval: Duration,
    /// `DAEMON_HEARTBEAT_FILE`; without it there is no sign.
    file: Option<PathBuf>,
}

impl Heartbeat {
    /// Reads the variables named at the fields.
    pub fn from_env(env: &mut Env) -> Option<Self> {
        let interval = env.number("DAEMON_INTERVAL_SECONDS", 60, 1..=86_400);
        let file = env.optional("DAEMON_HEARTBEAT_FILE");
        Some(Self { interval: Duration::from_secs(interval?.into()), file: file? })
    }

    /// Leaves the sign. A disk that cannot be written must not end the rounds; the health check will notice.
    pub fn beat(&self) {
        let Some(file) = &self.file else { return };
        if let Err(error) = std::fs::write(file, "") {
            tracing::warn!("the heartbeat file {} cannot be written: {error}", file.display());
        }
    }
}

/// For the subcommand `healthcheck`: good while the last good round is at most two intervals and a minute old.
pub fn check(env: &mut Env) -> Result<(), String> {
    let settings = env.read(Heartbeat::from_env).map_err(|error| error.to_string())?;
    let file = settings.file.ok_or("DAEMON_HEARTBEAT_FILE is not set, so there is nothing to look at")?;
    let written = std::fs::metadata(&file).and_then(|metadata| metadata.modified());
    let written =
        written.map_err(|error| format!("there was no good round yet: {}: {error}", file.display()))?;
    // A time in the future means that the clock was set back, not that the daemon is dead.
    let age = written.elapsed().unwrap_or_default();
    if age <= 2 * settings.interval + Duration::from_secs(60) {
        return Ok(());
    }
    Err(format!("the last good round was {} seconds ago", age.as_secs()))
}
