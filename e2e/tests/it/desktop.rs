//! The desktop program under test: a folder of its own for its tokens, a `BROWSER` that writes down the address that it is
//! given, and a terminal (tmux) to watch it in.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::browser::Browser;
use crate::stack::{Changes, Stack};

/// How long the program may take for what nobody has to do anything for.
const PATIENCE: Duration = Duration::from_secs(30);

/// One person's machine.
pub struct Desktop<'a> {
    stack: &'a Stack,
    folder: TempDir,
}

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    /// Standard output where it is one JSON value.
    pub json: Value,
}

impl Ended {
    fn new(status: Option<i32>, stdout: String, stderr: String) -> Self {
        let json = serde_json::from_str(&stdout).unwrap_or(Value::Null);
        Self { status, stdout, stderr, json }
    }
}

impl<'a> Desktop<'a> {
    pub fn new(stack: &'a Stack) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let browser = folder.path().join("browser");
        // One file for each address, which appears as a whole.
        let script = "#!/bin/sh\nfolder=$(dirname \"$0\")/addresses\nmkdir -p \"$folder\"\n\
                      echo \"$1\" > \"$folder/.$PPID\" && mv \"$folder/.$PPID\" \"$folder/$PPID\"\n";
        std::fs::write(&browser, script).unwrap();
        std::fs::set_permissions(&browser, PermissionsExt::from_mode(0o755)).unwrap();
        Self { stack, folder }
    }

    /// Runs to the end.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.run_with(arguments, &[])
    }

    pub fn run_with(&self, arguments: &[&str], changes: Changes<'_>) -> Ended {
        let Output { status, stdout, stderr } =
            self.command(changes).args(arguments).stdin(Stdio::null()).output().unwrap();
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Ended::new(status.code(), text(&stdout), text(&stderr))
    }

    /// Starts, for somebody to take part.
    pub fn start(&self, arguments: &[&str]) -> Run {
        Run::new(self.command(&[]).args(arguments), self.addresses())
    }

    /// Starts where no browser could open: no display, and no `BROWSER`.
    pub fn start_without_display(&self, arguments: &[&str]) -> Run {
        Run::new(self.command(&[]).env_remove("BROWSER").args(arguments), self.addresses())
    }

    /// A whole sign-in at the browser.
    pub async fn sign_in(&self, browser: &Browser, user: &str) {
        let run = self.start(&["sign-in"]);
        browser.go(&run.address()).await;
        self.at_the_pages(browser, user).await;
        let ended = run.end();
        assert_eq!(ended.status, Some(0), "{ended:?}");
    }

    /// The person's part, up to the last page.
    pub async fn at_the_pages(&self, browser: &Browser, user: &str) {
        browser.sign_in_as(user).await;
        browser.accept_if_asked().await;
        assert_eq!(browser.text("#outcome h1").await, "You are signed in");
    }

    /// No file of the program can be read by anybody else or holds any of these texts.
    pub fn assert_that_the_files_say_nothing(&self, texts: &[&str]) {
        let mut files = 0;
        let mut folders = vec![self.tokens()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
                if entry.file_type().unwrap().is_dir() {
                    assert_eq!(mode, 0o700, "{}", entry.path().display());
                    folders.push(entry.path());
                    continue;
                }
                assert_eq!(mode, 0o600, "{}", entry.path().display());
                let bytes = std::fs::read(entry.path()).unwrap();
                for text in texts {
                    let found =
                        bytes.windows(text.len()).any(|part| part.eq_ignore_ascii_case(text.as_bytes()));
                    assert!(!found, "{} holds {text:?}", entry.path().display());
                }
                files += 1;
            }
        }
        assert!(files > 0, "nothing was written at all");
    }

    /// The address that the browser was given, whichever run it was.
    pub fn address(&self) -> String {
        wait_for(|| {
            std::fs::read_dir(self.addresses()).ok()?.flatten().find_map(|entry| address_in(&entry.path()))
        })
    }

    /// A terminal in which a command line runs, recorded.
    pub fn terminal(&self, arguments: &str) -> Terminal {
        Terminal::start(self, arguments)
    }

    fn command(&self, changes: Changes<'_>) -> Command {
        let mut command = self.stack.command("desktop-app", changes);
        command
            .env("TOKEN_CACHE_DIR", self.tokens())
            .env("BROWSER", self.folder.path().join("browser"))
            .env("PATH", "/usr/bin:/bin");
        command
    }

    fn tokens(&self) -> PathBuf {
        self.folder.path().join("tokens")
    }

    fn addresses(&self) -> PathBuf {
        self.folder.path().join("addresses")
    }
}

/// A run in which somebody takes part.
pub struct Run {
    child: Child,
    said: Receiver<String>,
    heard: Vec<String>,
    addresses: PathBuf,
}

impl Run {
    fn new(command: &mut Command, addresses: PathBuf) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| {
            panic!("desktop-app cannot be started ({error}); build the binaries first: cargo xtask e2e")
        });
        let (tell, said) = channel();
        let output = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| tell.send(line)));
        Self { child, said, heard: Vec::new(), addresses }
    }

    /// The address that this run gave to the browser.
    pub fn address(&self) -> String {
        let file = self.addresses.join(self.child.id().to_string());
        wait_for(|| address_in(&file))
    }

    /// The page and the code that it shows.
    pub fn page_and_code(&self) -> (String, String) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.said.recv_timeout(left).expect("no code was shown");
            let words: Vec<&str> = line.split(' ').collect();
            if let Some(page) = words.iter().find(|word| word.contains("/deviceauth")) {
                return ((*page).to_owned(), words.last().unwrap().trim_end_matches('.').to_owned());
            }
        }
    }

    /// What Ctrl-C does.
    pub fn interrupt(&self) {
        assert!(
            Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap().success()
        );
    }

    pub fn end(mut self) -> Ended {
        let mut stdout = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
        let status = self.child.wait().unwrap().code();
        self.heard.extend(self.said.iter());
        Ended::new(status, stdout, self.heard.join("\n"))
    }

    /// The end of a run with `--json`.
    pub fn json(self) -> (Option<i32>, Value) {
        let ended = self.end();
        assert!(!ended.json.is_null(), "no JSON: {ended:?}");
        (ended.status, ended.json)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A terminal of 100 columns with a shell in it, whose output is recorded.
pub struct Terminal {
    socket: PathBuf,
    record: PathBuf,
    _folder: TempDir,
}

impl Terminal {
    fn start(desktop: &Desktop<'_>, arguments: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (socket, record) = (folder.path().join("socket"), folder.path().join("record"));
        // The shell finds the program by its name, as a person's does.
        let program = desktop.command(&[]);
        let home = Path::new(program.get_program()).parent().unwrap();
        let terminal = Self { socket, record, _folder: folder };
        let mut start = Command::new("tmux");
        start.env_clear();
        // Without a log, which the wheel gives way to.
        let variables = program.get_envs().filter(|(name, _)| *name != "RUST_LOG");
        start.envs(variables.filter_map(|(name, value)| Some((name, value?))));
        start.env("PATH", format!("{}:/usr/bin:/bin", home.display())).env("TERM", "xterm-256color");
        start.env("LANG", "C.UTF-8").env("PS1", "$ ").current_dir(desktop.folder.path());
        start.arg("-u").arg("-S").arg(&terminal.socket).args(["-f", "/dev/null"]);
        start.args(["new-session", "-d", "-x", "100", "-y", "50", "sh"]);
        assert!(start.status().expect("tmux is missing; `cargo xtask e2e` says how to get it").success());
        terminal.tmux(&["pipe-pane", &format!("cat > '{}'", terminal.record.display())]);
        terminal.tmux(&["send-keys", &format!("desktop-app {arguments}"), "Enter"]);
        terminal
    }

    /// Waits until the screen shows a text; the whole screen.
    pub async fn shows(&self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen();
            if screen.contains(text) {
                return screen;
            }
            assert!(Instant::now() < deadline, "the terminal does not show {text:?}:\n{screen}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The different screens within a time.
    pub async fn frames(&self, time: Duration) -> HashSet<String> {
        let (deadline, mut frames) = (Instant::now() + time, HashSet::new());
        while Instant::now() < deadline {
            frames.insert(self.screen());
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
        frames
    }

    pub async fn types(&self, text: &str) {
        self.tmux(&["send-keys", "-l", text]);
    }

    /// The screen with its colours.
    pub fn in_colours(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-e", "-J"])
    }

    /// Everything that was ever shown, as it was sent; also for people, in `target/terminal`.
    pub fn record(&self) -> String {
        let record = String::from_utf8_lossy(&std::fs::read(&self.record).unwrap()).into_owned();
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/terminal");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("desktop-app.txt"), &record).unwrap();
        record
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-J"])
    }

    fn tmux(&self, words: &[&str]) -> String {
        let output = Command::new("tmux").arg("-S").arg(&self.socket).args(words).output().unwrap();
        assert!(output.status.success(), "tmux {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = Command::new("tmux").arg("-S").arg(&self.socket).arg("kill-server").output();
    }
}

fn address_in(file: &Path) -> Option<String> {
    let name = file.file_name()?.to_str()?;
    let text = std::fs::read_to_string(file).ok().filter(|_| !name.starts_with('.'))?;
    Some(text.trim().to_owned())
}

fn wait_for<T>(look: impl Fn() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "no browser was opened");
        std::thread::yield_now();
    }
}
