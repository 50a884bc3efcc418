//! A real, headless Chromium with the verbs of a person: open, click, type, read, look.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use thirtyfour::prelude::*;

/// How long a page may take.
const PATIENCE: Duration = Duration::from_secs(15);

pub struct Browser {
    pub driver: WebDriver,
    chromedriver: Child,
    _profile: TempDir,
}

impl Browser {
    /// A browser of its own: no cookies, no history.
    pub async fn open() -> Self {
        let port = entra_lab::free_port().unwrap();
        let chromedriver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver is missing; `cargo xtask e2e` says how to get it");
        let profile = tempfile::tempdir().unwrap();
        let mut capabilities = DesiredCapabilities::chrome();
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--disable-dev-shm-usage",
            "--hide-scrollbars",
            "--window-size=1280,900",
        ];
        for argument in arguments {
            capabilities.add_arg(argument).unwrap();
        }
        capabilities.add_arg(&format!("--user-data-dir={}", profile.path().display())).unwrap();
        let address = format!("http://127.0.0.1:{port}");
        let mut tries = 0;
        let driver = loop {
            match WebDriver::new(&address, capabilities.clone()).await {
                Ok(driver) => break driver,
                Err(error) if tries > 100 => panic!("no browser: {error}"),
                Err(_) => tries += 1,
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        Self { driver, chromedriver, _profile: profile }
    }

    pub async fn go(&self, url: &str) {
        self.driver.goto(url).await.unwrap_or_else(|error| panic!("{url}: {error}"));
    }

    pub async fn click(&self, selector: &str) {
        self.find(selector).await.click().await.unwrap();
    }

    pub async fn type_into(&self, selector: &str, text: &str) {
        self.find(selector).await.send_keys(text).await.unwrap();
    }

    pub async fn text(&self, selector: &str) -> String {
        self.find(selector).await.text().await.unwrap()
    }

    pub async fn shows(&self, selector: &str) -> bool {
        !self.driver.find_all(By::Css(selector)).await.unwrap().is_empty()
    }

    pub async fn page(&self) -> String {
        self.driver.source().await.unwrap()
    }

    pub async fn address(&self) -> String {
        self.driver.current_url().await.unwrap().to_string()
    }

    /// Runs a script in the page, as one of its own files would; its last argument is the function that ends it.
    pub async fn run(&self, script: &str) -> serde_json::Value {
        let script = format!("(async function () {{ {script} }}).apply(null, arguments);");
        self.driver.execute_async(&script, Vec::new()).await.unwrap().json().clone()
    }

    /// Waits for what a page does by itself.
    pub async fn until(&self, happened: impl AsyncFn() -> bool) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !happened().await {
            assert!(tokio::time::Instant::now() < deadline, "it did not happen:\n{}", self.page().await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// True where the picture was really loaded.
    pub async fn sees_picture(&self, selector: &str) -> bool {
        self.find(selector).await.prop("naturalWidth").await.unwrap().is_some_and(|width| width != "0")
    }

    /// The user's way through Entra's pages: account, password and, the first time, consent.
    pub async fn sign_in_as(&self, name: &str) {
        self.click(&format!("#account-{name}")).await;
        self.type_password().await;
    }

    /// The rest of it, where Entra is told who it is.
    pub async fn type_password(&self) {
        self.type_into("#password", "Passw0rd!lab").await;
        self.click("#sign-in").await;
    }

    pub async fn accept(&self) {
        self.click("#accept").await;
    }

    /// Accepts where this is the user's first time, and waits until the browser is back at the app either way.
    pub async fn accept_if_asked(&self) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while self.address().await.starts_with("http://127.0.0.1:") {
            if self.shows("#accept").await {
                self.accept().await;
            }
            assert!(tokio::time::Instant::now() < deadline, "still at Entra:\n{}", self.page().await);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// A picture of the page, for people, in `target/screenshots`.
    pub async fn photograph(&self, name: &str) {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/screenshots");
        std::fs::create_dir_all(&folder).unwrap();
        self.driver.screenshot(&folder.join(format!("{name}.png"))).await.unwrap();
    }

    pub async fn close(self) {
        // The cookies of the site that is open: none of them may be in a log.
        for cookie in self.driver.get_all_cookies().await.unwrap_or_default() {
            entra_lab::scan::secret(&cookie.value);
        }
        let _ = self.driver.clone().quit().await;
    }

    async fn find(&self, selector: &str) -> WebElement {
        let found =
            self.driver.query(By::Css(selector)).wait(PATIENCE, Duration::from_millis(50)).first().await;
        match found {
            Ok(element) => element,
            Err(_) => panic!("no {selector} at {}:\n{}", self.address().await, self.page().await),
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.chromedriver.kill();
        let _ = self.chromedriver.wait();
    }
}
