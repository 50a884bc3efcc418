//! Starts the binary with the lab's settings, reads its log, and never leaves it running.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use entra_lab::EntraLab;
use wiremock::matchers::{header_exists, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

/// The lab and the mock of our API, and a daemon that knows both.
pub struct Surroundings {
    pub lab: EntraLab,
    pub api: MockServer,
}

impl Surroundings {
    pub async fn new() -> Self {
        let api = MockServer::start().await;
        let users = r#"{"users":[{"displayName":"Alice Kim"},{"displayName":"Bob Novak"}]}"#;
        Mock::given(method("GET"))
            .and(path("/api/directory"))
            .and(header_exists("authorization"))
            .respond_with(ResponseTemplate::new(200).set_body_raw(users, "application/json"))
            .mount(&api)
            .await;
        Self { lab: EntraLab::start().await.unwrap(), api }
    }

    pub fn daemon(&self) -> Command {
        let mut command = command();
        command
            .env("AZURE_TENANT_ID", self.lab.tenant_id().to_string())
            .env("AZURE_CLIENT_ID", "c0ffee00-0000-4000-8000-000000005000")
            .env("AZURE_CLIENT_SECRET", "lab-secret-daemon-app")
            .env("AZURE_AUTHORITY_HOST", self.lab.url())
            .env("GRAPH_BASE_URL", self.lab.graph_url())
            .env("API_BASE_URL", self.api.uri())
            .env("API_SCOPES", "api://c0ffee00-0000-4000-8000-000000004000/.default");
        if entra_lab::scan::is_on() {
            command.env("RUST_LOG", "trace");
        }
        command
    }

    /// How many token requests the lab has seen.
    pub fn token_requests(&self) -> usize {
        self.lab.requests().iter().filter(|request| request.grant == Some("client_credentials")).count()
    }
}

/// The binary without any settings, neither from this environment nor from somebody's `.env`.
pub fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_daemon-app"));
    command.env_clear().current_dir(env!("CARGO_TARGET_TMPDIR")).stdin(Stdio::null());
    command
}

pub fn stdout(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().for_each(entra_lab::scan::logged);
    text
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A daemon at work.
pub struct Running {
    child: Child,
    lines: Receiver<String>,
}

impl Running {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let (tell, lines) = channel();
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| {
                entra_lab::scan::logged(&line);
                tell.send(line)
            })
        });
        Self { child, lines }
    }

    /// The lines up to the first one that contains `text`, that one included.
    pub fn until(&self, text: &str) -> Vec<String> {
        let mut seen = Vec::new();
        loop {
            match self.lines.recv_timeout(Duration::from_secs(30)) {
                Ok(line) => seen.push(line),
                Err(_) => panic!("no line with \"{text}\" came; the log so far:\n{}", seen.join("\n")),
            }
            if seen.last().is_some_and(|line| line.contains(text)) {
                return seen;
            }
        }
    }

    /// Asks it to stop as `docker stop` does, and returns its exit code.
    #[cfg(unix)]
    pub fn terminate(mut self) -> Option<i32> {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(asked.success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
