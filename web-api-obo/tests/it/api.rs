//! Starts the binary with the lab's settings on a free port, and never leaves it running.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

use entra_lab::EntraLab;

pub const OURS: &str = "api://c0ffee00-0000-4000-8000-000000004000";
pub const OTHER: &str = "api://c0ffee00-0000-4000-8000-000000007000";

/// The binary without any settings, neither from this environment nor from somebody's `.env`.
pub fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_web-api-obo"));
    command.env_clear().current_dir(env!("CARGO_TARGET_TMPDIR")).stdin(Stdio::null());
    command
}

/// The binary with the settings of this lab, on any free port.
pub fn command_for(lab: &EntraLab) -> Command {
    let mut command = command();
    command
        .env("AZURE_TENANT_ID", lab.tenant_id().to_string())
        .env("AZURE_CLIENT_ID", "c0ffee00-0000-4000-8000-000000004000")
        .env("AZURE_CLIENT_SECRET", "lab-secret-web-api-obo")
        .env("AZURE_AUTHORITY_HOST", lab.url())
        .env("GRAPH_BASE_URL", lab.graph_url())
        .env("LISTEN_ADDR", "127.0.0.1:0");
    if entra_lab::scan::is_on() {
        command.env("RUST_LOG", "trace");
    }
    command
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The lab's seed, in which everybody has agreed to what the program without a browser does for them.
fn agreed() -> String {
    let consent = format!(
        "[[tenant.consent]]\nclient = \"c0ffee00-0000-4000-8000-000000006000\"\nresource = \"{}\"\nscopes = [\"access_as_user\"]\n\n",
        OURS.trim_start_matches("api://")
    );
    entra_lab::DEFAULT_SEED.replacen("[[tenant.consent]]", &(consent + "[[tenant.consent]]"), 1)
}

/// The API at work, with the lab behind it.
pub struct Api {
    pub lab: EntraLab,
    pub url: String,
    pub http: reqwest::Client,
    child: Child,
}

impl Api {
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// With more settings.
    pub async fn start_with(settings: &[(&str, &str)]) -> Self {
        let lab = EntraLab::builder().seed_toml(&agreed()).start().await.unwrap();
        let mut command = command_for(&lab);
        let mut child = command.envs(settings.iter().copied()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("web-api-obo listening on ").map(str::to_owned))
            .expect("the API ended before it listened");
        // Somebody has to read the log, or the pipe fills up.
        std::thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| entra_lab::scan::logged(&line))
        });
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { lab, url, http, child }
    }

    pub fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.http.get(format!("{}{path}", self.url))
    }

    /// The daemon's own token for an API.
    pub async fn app_token(&self, api: &str) -> String {
        let endpoint = format!("{}/{}/oauth2/v2.0/token", self.lab.url(), self.lab.tenant_id());
        let scope = format!("{api}/.default");
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", "c0ffee00-0000-4000-8000-000000005000"),
            ("client_secret", "lab-secret-daemon-app"),
            ("scope", scope.as_str()),
        ];
        let answer = self.http.post(endpoint).form(&form).send().await.unwrap();
        let answer: serde_json::Value = answer.json().await.unwrap();
        answer["access_token"].as_str().expect("the lab gave no token").to_owned()
    }

    /// A token of a user for this API, as a program without a browser gets it.
    pub async fn user_token(&self, name: &str) -> String {
        let endpoint = format!("{}/{}/oauth2/v2.0/token", self.lab.url(), self.lab.tenant_id());
        let (user, scope) = (format!("{name}@contoso.test"), format!("{OURS}/access_as_user"));
        let form = [
            ("grant_type", "password"),
            ("client_id", "c0ffee00-0000-4000-8000-000000006000"),
            ("username", user.as_str()),
            ("password", "Passw0rd!lab"),
            ("scope", scope.as_str()),
        ];
        let answer = self.http.post(endpoint).form(&form).send().await.unwrap();
        let answer: serde_json::Value = answer.json().await.unwrap();
        answer["access_token"].as_str().unwrap_or_else(|| panic!("no token: {answer}")).to_owned()
    }

    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// Asks it to stop as `docker stop` does, and returns its exit code.
    #[cfg(unix)]
    pub fn terminate(&mut self) -> Option<i32> {
        self.ask_to_stop();
        self.child.wait().unwrap().code()
    }

    /// Asks it to stop, and waits until it takes nobody in any more.
    #[cfg(unix)]
    pub async fn begin_to_stop(&self) {
        self.ask_to_stop();
        while tokio::net::TcpStream::connect(self.address()).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }

    #[cfg(unix)]
    fn ask_to_stop(&self) {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(asked.success());
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
