//! One child process: its environment is ours to choose, its lines go into a channel, and it ends when told.
//!
//! The environment starts empty. A developer's own `AZURE_*` variables would otherwise win over the
//! settings file, and the demo would silently talk to somebody's real tenant.

use std::collections::VecDeque;
use std::env;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::services::Service;
use crate::{health, output};

/// What a child may see of our own environment: how to find programs, a home, and the system's certificates.
const PASSED_ON: [&str; 7] =
    ["PATH", "HOME", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "SYSTEMROOT", "NO_COLOR"];
const PATIENCE_AT_START: Duration = Duration::from_secs(30);
const PATIENCE_AT_STOP: Duration = Duration::from_secs(6);
const LAST_LINES: usize = 12;

/// A line that a child wrote.
pub struct Line {
    pub from: &'static str,
    pub text: String,
}

/// A child that runs, or did.
pub struct Running {
    pub name: &'static str,
    child: Child,
    last: Arc<Mutex<VecDeque<String>>>,
    readers: Vec<JoinHandle<()>>,
}

impl Running {
    /// Starts it with these variables and few others.
    pub fn start(
        name: &'static str,
        program: &Path,
        arguments: &[&str],
        settings: &[(String, String)],
        folder: &Path,
        lines: &UnboundedSender<Line>,
    ) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder).env_clear();
        command.envs(PASSED_ON.iter().filter_map(|name| Some((name, env::var_os(name)?))));
        command.envs(settings.iter().map(|(name, value)| (name, value)));
        // How much is logged stays the wish of the person at the terminal.
        command.envs(env::var_os("RUST_LOG").map(|level| ("RUST_LOG", level)));
        if !output::colour() {
            command.env("NO_COLOR", "1");
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        // Ctrl-C goes to a whole process group. In one of their own, the children hear of it from us, once.
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let last = Arc::default();
        let mut readers = Vec::new();
        readers.extend(child.stdout.take().map(|pipe| read(name, pipe, lines.clone(), Arc::clone(&last))));
        readers.extend(child.stderr.take().map(|pipe| read(name, pipe, lines.clone(), Arc::clone(&last))));
        Ok(Self { name, child, last, readers })
    }

    /// Waits until it answers 200, ends, or took too long.
    pub async fn ready(&mut self, service: &Service) -> Result<()> {
        let (Some((_, address)), Some(path)) = (service.ports.first(), service.ready) else {
            return Ok(());
        };
        let give_up = Instant::now() + PATIENCE_AT_START;
        while !health::is_ok(*address, path).await {
            if let Some(status) = self.ended()? {
                return Err(self.obituary(status).await);
            }
            if Instant::now() > give_up {
                let seconds = PATIENCE_AT_START.as_secs();
                let last = self.last_lines();
                return Err(anyhow!(
                    "{} does not answer on http://{address}{path} after {seconds} s.{last}",
                    self.name
                ));
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// How it ended, once it did.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().with_context(|| format!("lost sight of {}", self.name))
    }

    /// Waits for its end, at most that long.
    pub async fn finished(&mut self, limit: Duration) -> Result<()> {
        match timeout(limit, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(self.obituary(status).await),
            Ok(Err(error)) => Err(error).with_context(|| format!("lost sight of {}", self.name)),
            Err(_) => {
                let last = self.last_lines();
                Err(anyhow!("{} did not finish within {} s.{last}", self.name, limit.as_secs()))
            }
        }
    }

    /// The sentence for a child that ended without being asked.
    pub async fn obituary(&mut self, status: ExitStatus) -> anyhow::Error {
        // Its last words may still be in the pipe.
        for reader in self.readers.drain(..) {
            let _ = timeout(Duration::from_millis(500), reader).await;
        }
        anyhow!("{} ended by itself ({status}).{}", self.name, self.last_lines())
    }

    /// Asks it to end, waits a while, then insists. Says whether it went by itself.
    pub async fn stop(&mut self) -> bool {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return true;
        }
        let asked = ask_to_end(&mut self.child).await;
        if asked && timeout(PATIENCE_AT_STOP, self.child.wait()).await.is_ok() {
            return true;
        }
        let _ = self.child.kill().await;
        false
    }

    fn last_lines(&self) -> String {
        let last = self.last.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if last.is_empty() {
            return " It wrote nothing.".to_owned();
        }
        last.iter().fold(" Its last lines:".to_owned(), |text, line| text + "\n    " + line)
    }
}

/// SIGTERM through the shell's own `kill`: sending signals from Rust takes `unsafe` or one more crate.
#[cfg(unix)]
async fn ask_to_end(child: &mut Child) -> bool {
    let Some(id) = child.id() else { return false };
    let mut kill = Command::new("sh");
    // A group of its own here too: an impatient second Ctrl-C must not take the messenger away.
    kill.args(["-c", "kill -TERM \"$1\"", "sh", &id.to_string()]).process_group(0);
    kill.status().await.is_ok_and(|status| status.success())
}

#[cfg(not(unix))]
async fn ask_to_end(_child: &mut Child) -> bool {
    false
}

fn read(
    from: &'static str,
    pipe: impl AsyncRead + Unpin + Send + 'static,
    lines: UnboundedSender<Line>,
    last: Arc<Mutex<VecDeque<String>>>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut pipe = BufReader::new(pipe);
        let mut bytes = Vec::new();
        while pipe.read_until(b'\n', &mut bytes).await.is_ok_and(|count| count > 0) {
            let text = String::from_utf8_lossy(&bytes).trim_end().to_owned();
            bytes.clear();
            let mut last = last.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            if last.len() == LAST_LINES {
                last.pop_front();
            }
            last.push_back(text.clone());
            drop(last);
            let _ = lines.send(Line { from, text });
        }
    })
}

#[cfg(all(test, unix))]
mod tests {
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

    use super::*;

    fn shell(script: &str) -> Result<(Running, UnboundedReceiver<Line>)> {
        let (lines, received) = unbounded_channel();
        let settings = [("GREETING".to_owned(), "hello".to_owned())];
        let (shell, folder) = (Path::new("/bin/sh"), env::temp_dir());
        Ok((Running::start("child", shell, &["-c", script], &settings, &folder, &lines)?, received))
    }

    #[tokio::test]
    async fn a_child_sees_its_settings_and_nothing_of_cargo() {
        let (mut child, mut lines) = shell("echo \"$GREETING ${CARGO_MANIFEST_DIR:-nothing}\"").unwrap();
        child.finished(Duration::from_secs(5)).await.unwrap();
        assert_eq!(lines.recv().await.unwrap().text, "hello nothing");
    }

    #[tokio::test]
    async fn a_child_that_fails_is_named_with_its_last_lines() {
        let (mut child, _lines) = shell("echo first; echo 'no settings' >&2; exit 2").unwrap();
        let error = child.finished(Duration::from_secs(5)).await.unwrap_err().to_string();
        assert!(error.starts_with("child ended by itself (exit status: 2)"), "{error}");
        assert!(error.contains("no settings"), "{error}");
    }

    #[tokio::test]
    async fn a_child_is_asked_before_it_is_killed() {
        let script = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done";
        let (mut child, mut lines) = shell(script).unwrap();
        assert_eq!(lines.recv().await.unwrap().text, "up");
        assert!(child.stop().await);
        assert_eq!(lines.recv().await.unwrap().text, "bye");
    }
}
