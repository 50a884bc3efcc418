//! The chain under test: the lab, the API, the web app and the daemon, as processes or as containers.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use entra_lab::EntraLab;
use serde_json::{Value, json};

/// How long a process may take to say that it listens.
const START_LIMIT: Duration = Duration::from_secs(20);

pub const TENANT: &str = "10000000-0000-4000-8000-000000000001";
pub const API: &str = "api://c0ffee00-0000-4000-8000-000000004000";
pub const OTHER_API: &str = "api://c0ffee00-0000-4000-8000-000000007000";

/// A running chain; everything it started ends with it.
pub struct Stack {
    pub lab: String,
    pub api: String,
    pub web_app: String,
    processes: Vec<Process>,
    in_process: Option<EntraLab>,
    clock: Option<MovableClock>,
}

/// How long a process may take to end by itself.
const STOP_LIMIT: Duration = Duration::from_secs(8);

/// A second web app beside the one of the compose file. Tests that want one run in turn.
const EXTRA_WEB_APP: &str = "web-app-with-other-settings";

/// The settings that a test wants otherwise.
pub type Changes<'a> = &'a [(&'a str, &'a str)];

impl Stack {
    /// The chain as the demo starts it.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The chain with other settings for the web app; a level of logging is for the API as well.
    pub async fn start_with(web_app: Changes<'_>) -> Self {
        if is_compose() {
            return Self {
                lab: "http://127.0.0.1:8400".into(),
                api: "http://localhost:4000".into(),
                web_app: "http://localhost:3000".into(),
                processes: Vec::new(),
                in_process: None,
                clock: None,
            }
            .with_web_app_container(web_app);
        }
        let lab = EntraLab::start().await.unwrap();
        let mut stack = Self::nothing_at(lab.url());
        stack.in_process = Some(lab);
        let log: Vec<_> = web_app.iter().copied().filter(|(name, _)| *name == "RUST_LOG").collect();
        stack.serve_all(&log, web_app);
        stack
    }

    /// Processes at a lab of the test's own, all with these settings.
    pub fn at(lab: EntraLab, changes: Changes<'_>) -> Self {
        let mut stack = Self::nothing_at(lab.url());
        stack.in_process = Some(lab);
        stack.serve_all(changes, changes);
        stack
    }

    /// One more API and one more site at the same lab. It does not outlive this one.
    pub fn beside(&self, api: Changes<'_>, web_app: Changes<'_>) -> Self {
        let mut stack = Self::nothing_at(&self.lab);
        stack.serve_all(api, web_app);
        stack
    }

    /// Ends the API and the site at once, as a crash does; the lab stays for as long as the returned stack.
    pub fn kill(mut self) -> Self {
        for process in &mut self.processes {
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
        self
    }

    fn nothing_at(lab: &str) -> Self {
        Self {
            lab: lab.to_owned(),
            api: String::new(),
            web_app: String::new(),
            processes: Vec::new(),
            in_process: None,
            clock: None,
        }
    }

    fn serve_all(&mut self, api: Changes<'_>, web_app: Changes<'_>) {
        self.api = self.serve("web-api-obo", api);
        self.web_app = self.serve("web-app", web_app);
    }

    /// The lab and the API, in processes whose clock can be moved while they run.
    pub async fn start_with_a_movable_clock() -> Self {
        let lab = EntraLab::start().await.unwrap();
        let mut stack = Self::nothing_at(lab.url());
        stack.in_process = Some(lab);
        stack.clock = Some(MovableClock::new());
        stack.api = stack.serve("web-api-obo", &[]);
        stack
    }

    /// Moves the clocks of the lab, the API and whatever is started from now on.
    pub async fn move_every_clock(&self, seconds: i64) {
        self.clock.as_ref().expect("start_with_a_movable_clock").move_by(seconds);
        self.move_the_labs_clock(seconds).await;
    }

    /// How often this lab was asked for tokens with a grant.
    pub fn token_requests(&self, grant: &str) -> usize {
        let lab = self.in_process.as_ref().expect("a lab in process");
        lab.requests().iter().filter(|request| request.grant == Some(grant)).count()
    }

    /// One round of the daemon.
    pub fn run_daemon_once(&self, changes: Changes<'_>) -> Output {
        if is_compose() {
            let mut command = Command::new("docker");
            command.current_dir(repository()).args(["compose", "run", "--rm", "--no-deps", "-T"]);
            for (name, value) in changes {
                command.args(["-e", &format!("{name}={value}")]);
            }
            return command.args(["daemon-app", "--once"]).output().unwrap();
        }
        let output = self.command("daemon-app", changes).arg("--once").output().unwrap();
        String::from_utf8_lossy(&output.stdout).lines().for_each(entra_lab::scan::logged);
        output
    }

    /// Moves the lab's clock; the samples keep theirs.
    pub async fn move_the_labs_clock(&self, seconds: i64) {
        let request =
            http().post(format!("{}/lab/clock", self.lab)).json(&json!({ "advance_seconds": seconds }));
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "the lab refused to move its clock: {}", answer.status());
    }

    /// The lab as it was seeded: nobody has consented, nobody is signed in there.
    pub async fn reset_the_lab(&self) {
        let answer = http().post(format!("{}/lab/reset", self.lab)).json(&json!({})).send().await.unwrap();
        assert!(answer.status().is_success(), "the lab refused to reset: {}", answer.status());
    }

    /// A token of the daemon's for any resource, straight from the lab.
    pub async fn daemons_token_for(&self, resource: &str) -> String {
        let scope = format!("{resource}/.default");
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", "c0ffee00-0000-4000-8000-000000005000"),
            ("client_secret", "lab-secret-daemon-app"),
            ("scope", &scope),
        ];
        let url = format!("{}/{TENANT}/oauth2/v2.0/token", self.lab);
        let answer: Value = http().post(url).form(&form).send().await.unwrap().json().await.unwrap();
        answer["access_token"].as_str().unwrap_or_else(|| panic!("no token: {answer}")).to_owned()
    }

    /// `GET` at the API with a bearer token: status, challenge, body.
    pub async fn ask_api(&self, path: &str, token: Option<&str>) -> (u16, String, Value) {
        let mut request = http().get(format!("{}{path}", self.api));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.unwrap();
        let challenge =
            answer.headers().get("www-authenticate").map(|value| value.to_str().unwrap().to_owned());
        (answer.status().as_u16(), challenge.unwrap_or_default(), answer.json().await.unwrap_or(Value::Null))
    }

    /// Everything that the processes have logged so far; the containers' logs where there are containers.
    pub fn logs(&self) -> String {
        let mut logs = String::new();
        if is_compose() {
            let output = Command::new("docker")
                .current_dir(repository())
                .args(["compose", "logs", "--no-color"])
                .output();
            logs.push_str(&String::from_utf8_lossy(&output.unwrap().stdout));
        }
        for process in &self.processes {
            logs.push_str(&process.log.lock().unwrap().join("\n"));
            logs.push('\n');
        }
        logs
    }

    /// How many files, connections among them, the server of this name has open.
    #[cfg(target_os = "linux")]
    pub fn open_files(&self, name: &str) -> usize {
        let process = self.processes.iter().find(|process| process.name == name).unwrap();
        std::fs::read_dir(format!("/proc/{}/fd", process.child.id())).unwrap().count()
    }

    fn serve(&mut self, name: &'static str, changes: Changes<'_>) -> String {
        let mut command = self.command(name, &[&[("LISTEN_ADDR", "127.0.0.1:0")], changes].concat());
        let process = Process::start(&mut command, name);
        let url = process.url.clone();
        self.processes.push(process);
        url
    }

    /// A sample's binary with the settings of its own `.env.example`, pointed at this chain's addresses.
    pub fn command(&self, name: &str, changes: Changes<'_>) -> Command {
        let mut settings = example_settings(name);
        let addresses = [
            ("AZURE_AUTHORITY_HOST", self.lab.clone()),
            ("GRAPH_BASE_URL", format!("{}/v1.0", self.lab)),
            ("API_BASE_URL", self.api.clone()),
        ];
        for (variable, address) in addresses {
            if let Some(value) = settings.get_mut(variable) {
                *value = address;
            }
        }
        settings.remove("PUBLIC_URL"); // Derived from the port that the process gets.
        if entra_lab::scan::is_on() {
            settings.insert("RUST_LOG".into(), "trace".into());
        }
        settings.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let mut command = Command::new(binary(name));
        // A folder without a `.env`, and none of the variables of whoever runs the tests.
        command.env_clear().envs(settings).current_dir(std::env::temp_dir());
        if let Some(clock) = &self.clock {
            command.envs(clock.variables());
        }
        command
    }

    fn with_web_app_container(mut self, changes: Changes<'_>) -> Self {
        if changes.is_empty() {
            return self;
        }
        remove_extra_web_app();
        let mut command = Command::new("docker");
        command.current_dir(repository()).args([
            "compose",
            "run",
            "--rm",
            "--no-deps",
            "-T",
            "--name",
            EXTRA_WEB_APP,
        ]);
        command.args(["-p", "127.0.0.1:3100:3000", "-e", "PUBLIC_URL=http://localhost:3100"]);
        for (name, value) in changes {
            command.args(["-e", &format!("{name}={value}")]);
        }
        self.processes.push(Process::start(command.arg("web-app"), "web-app"));
        self.web_app = "http://localhost:3100".into();
        self
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if is_compose() && !self.processes.is_empty() {
            // The signal ends the client, not the container.
            remove_extra_web_app();
        }
        self.processes.clear();
        self.in_process.take();
    }
}

/// A clock of processes (libfaketime), in a file that they look at whenever they want to know the time.
struct MovableClock {
    file: tempfile::NamedTempFile,
    library: PathBuf,
}

impl MovableClock {
    fn new() -> Self {
        let folders = ["/usr/lib", "/usr/local/lib", "/usr/lib64"].into_iter().map(PathBuf::from);
        let below = std::fs::read_dir("/usr/lib").unwrap().flatten().map(|entry| entry.path());
        let library = folders.chain(below).map(|folder| folder.join("faketime/libfaketimeMT.so.1"));
        let library = { library }.find(|library| library.is_file());
        let library = library.expect("libfaketime is missing; `cargo xtask e2e` says how to get it");
        let clock = Self { file: tempfile::NamedTempFile::new().unwrap(), library };
        clock.move_by(0);
        clock
    }

    fn move_by(&self, seconds: i64) {
        std::fs::write(self.file.path(), format!("{seconds:+}\n")).unwrap();
    }

    fn variables(&self) -> [(&'static str, &Path); 4] {
        [
            ("LD_PRELOAD", &self.library),
            ("FAKETIME_TIMESTAMP_FILE", self.file.path()),
            ("FAKETIME_NO_CACHE", Path::new("1")),
            // Timers run on; only what the time is changes.
            ("DONT_FAKE_MONOTONIC", Path::new("1")),
        ]
    }
}

/// A server of the chain with what it prints.
struct Process {
    name: String,
    child: Child,
    url: String,
    log: Arc<Mutex<Vec<String>>>,
}

impl Process {
    fn start(command: &mut Command, name: &str) -> Self {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap_or_else(|error| {
                panic!("{name} cannot be started ({error}); build the binaries first: cargo xtask e2e")
            });
        let log = Arc::new(Mutex::new(Vec::new()));
        let (said, hears) = mpsc::channel();
        let marker = format!("{name} listening on ");
        let readers: [Box<dyn BufRead + Send>; 2] = [
            Box::new(BufReader::new(child.stdout.take().unwrap())),
            Box::new(BufReader::new(child.stderr.take().unwrap())),
        ];
        for reader in readers {
            let (log, said, marker) = (Arc::clone(&log), said.clone(), marker.clone());
            std::thread::spawn(move || {
                for line in reader.lines().map_while(Result::ok) {
                    if let Some(url) = line.strip_prefix(&marker) {
                        let _ = said.send(url.to_owned());
                    }
                    entra_lab::scan::logged(&line);
                    log.lock().unwrap().push(line);
                }
            });
        }
        drop(said);
        let url = hears.recv_timeout(START_LIMIT).unwrap_or_else(|_| {
            let _ = child.kill();
            panic!("{name} did not start listening:\n{}", log.lock().unwrap().join("\n"))
        });
        Self { name: name.to_owned(), child, url, log }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return; // It was killed.
        }
        // SIGTERM, as every orchestrator does it; a container is removed with its process.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let deadline = Instant::now() + STOP_LIMIT;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::yield_now();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command to the containers' engine, which must succeed.
pub fn compose(arguments: &[&str]) {
    let done =
        Command::new("docker").current_dir(repository()).arg("compose").args(arguments).output().unwrap();
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}

fn remove_extra_web_app() {
    let _ = Command::new("docker").args(["rm", "-f", EXTRA_WEB_APP]).output();
}

pub fn is_compose() -> bool {
    std::env::var("E2E_STACK").is_ok_and(|stack| stack == "compose")
}

pub fn http() -> reqwest::Client {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(START_LIMIT)
        .build()
        .unwrap()
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn example_settings(name: &str) -> HashMap<String, String> {
    let file = repository().join(name).join(".env.example");
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    lines
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.trim().into(), value.trim().trim_matches('"').into()))
        .collect()
}

/// The binary beside this test's own: `target/debug/deps/it-…` → `target/debug/NAME`.
fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().parent().unwrap().join(name)
}
