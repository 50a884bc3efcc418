//! Starts the program with the lab's settings and a folder of its own, reads what it says, never leaves it running.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use entra_lab::EntraLab;
use tempfile::TempDir;

pub const DESKTOP: &str = "c0ffee00-0000-4000-8000-000000006000";

/// The lab, and a folder for the program's tokens.
pub struct Surroundings {
    pub lab: EntraLab,
    pub folder: TempDir,
}

impl Surroundings {
    pub async fn new() -> Self {
        Self { lab: EntraLab::start().await.unwrap(), folder: tempfile::tempdir().unwrap() }
    }

    /// The program with these arguments: no display, no key store, an API that nobody plays.
    pub fn app(&self, arguments: &[&str]) -> Command {
        let mut command = command(arguments);
        command
            .env("AZURE_TENANT_ID", self.lab.tenant_id().to_string())
            .env("AZURE_CLIENT_ID", DESKTOP)
            .env("AZURE_AUTHORITY_HOST", self.lab.url())
            .env("API_BASE_URL", "http://127.0.0.1:9")
            .env("API_SCOPES", "api://c0ffee00-0000-4000-8000-000000004000/access_as_user")
            .env("TOKEN_CACHE_DIR", self.folder.path());
        command
    }

    /// The same with a browser that does nothing but write down the address that it was given.
    pub fn with_browser(&self, arguments: &[&str]) -> Command {
        let browser = self.folder.path().join("browser");
        let script = format!("#!/bin/sh\necho \"$1\" > {0}.new && mv {0}.new {0}\n", self.address_file());
        std::fs::write(&browser, script).unwrap();
        #[cfg(unix)]
        std::fs::set_permissions(&browser, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let mut command = self.app(arguments);
        command.env("BROWSER", browser).env("PATH", "/usr/bin:/bin");
        command
    }

    pub fn address_file(&self) -> String {
        self.folder.path().join("address").display().to_string()
    }
}

/// The program without any settings, neither from this environment nor from somebody's `.env`.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_desktop-app"));
    command.env_clear().current_dir(env!("CARGO_TARGET_TMPDIR")).stdin(Stdio::null()).args(arguments);
    command
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A program that waits for a person.
pub struct Running {
    child: Child,
    said: Receiver<String>,
}

impl Running {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (tell, said) = channel();
        let output = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        Self { child, said }
    }

    /// The first line on standard error that contains `text`.
    pub fn until(&self, text: &str) -> String {
        let mut seen = Vec::new();
        loop {
            match self.said.recv_timeout(Duration::from_secs(30)) {
                Ok(line) if line.contains(text) => return line,
                Ok(line) => seen.push(line),
                Err(_) => panic!("no line with \"{text}\" came; so far:\n{}", seen.join("\n")),
            }
        }
    }

    /// What Ctrl-C does.
    #[cfg(unix)]
    pub fn interrupt(&self) {
        assert!(
            Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap().success()
        );
    }

    /// Waits for the end: exit code and standard output.
    pub fn end(mut self) -> (Option<i32>, String) {
        let mut text = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        (self.child.wait().unwrap().code(), text)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
