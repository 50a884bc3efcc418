//! Starts the binary with the lab's settings on a free port, and never leaves it running.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

use entra_lab::EntraLab;

/// 64 bytes in base64, of no worth to anybody.
const SESSION_KEY: &str =
    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw==";

/// The binary without any settings, neither from this environment nor from somebody's `.env`.
pub fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_web-app"));
    command.env_clear().current_dir(env!("CARGO_TARGET_TMPDIR")).stdin(Stdio::null());
    command
}

/// The binary with the settings of this lab, on any free port.
pub fn command_for(lab: &EntraLab) -> Command {
    let mut command = command();
    command
        .env("AZURE_TENANT_ID", lab.tenant_id().to_string())
        .env("AZURE_CLIENT_ID", "c0ffee00-0000-4000-8000-000000003000")
        .env("AZURE_CLIENT_SECRET", "lab-secret-web-app")
        .env("AZURE_AUTHORITY_HOST", lab.url())
        .env("GRAPH_BASE_URL", lab.graph_url())
        .env("API_BASE_URL", "http://127.0.0.1:9")
        .env("API_SCOPES", "api://c0ffee00-0000-4000-8000-000000004000/access_as_user")
        .env("SESSION_KEY", SESSION_KEY)
        .env("LISTEN_ADDR", "127.0.0.1:0");
    if entra_lab::scan::is_on() {
        command.env("RUST_LOG", "trace");
    }
    command
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The app at work, with the lab behind it.
pub struct WebApp {
    pub lab: EntraLab,
    pub url: String,
    pub http: reqwest::Client,
    child: Child,
}

impl WebApp {
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// With further settings.
    pub async fn start_with(settings: &[(&str, &str)]) -> Self {
        let lab = EntraLab::start().await.unwrap();
        let mut command = command_for(&lab);
        // The line that is waited for names the public address; with one that is set, the port has to be known before.
        let free = format!("127.0.0.1:{}", entra_lab::free_port().unwrap());
        command.env("LISTEN_ADDR", &free);
        let mut child = command.envs(settings.iter().copied()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("web-app listening on ").map(str::to_owned))
            .expect("the app ended before it listened");
        // Somebody has to read the log, or the pipe fills up.
        std::thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| entra_lab::scan::logged(&line))
        });
        let url = if settings.iter().any(|(name, _)| *name == "PUBLIC_URL") {
            format!("http://{free}")
        } else {
            url
        };
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap();
        Self { lab, url, http, child }
    }

    pub fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.http.get(format!("{}{path}", self.url))
    }

    /// Asks it to stop as `docker stop` does, and returns its exit code.
    #[cfg(unix)]
    pub fn terminate(&mut self) -> Option<i32> {
        self.ask_to_stop();
        self.child.wait().unwrap().code()
    }

    #[cfg(unix)]
    pub fn ask_to_stop(&self) {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(asked.success());
    }
}

impl Drop for WebApp {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
