//! A D-Bus session of the test's own, with a real gnome-keyring on it where that is wanted.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use zbus::fdo::DBusProxy;
use zbus::names::BusName;

/// Stopped when it is dropped.
pub struct Bus {
    address: String,
    daemon: Child,
    keyring: Option<Child>,
    home: tempfile::TempDir,
}

impl Bus {
    /// A bus with nobody on it.
    pub fn start() -> Self {
        let mut daemon = Command::new("dbus-daemon")
            .args(["--session", "--nofork", "--print-address=1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("these tests need dbus-daemon: apt-get install dbus-daemon");
        let mut address = String::new();
        BufReader::new(daemon.stdout.take().unwrap()).read_line(&mut address).unwrap();
        let address = address.trim().to_owned();
        assert!(!address.is_empty(), "dbus-daemon tells its address");
        Self { address, daemon, keyring: None, home: tempfile::tempdir().unwrap() }
    }

    /// With a key store that is unlocked, as after a login.
    pub async fn with_key_store() -> Self {
        let mut bus = Self::start();
        let mut keyring = Command::new("gnome-keyring-daemon")
            .args(["--foreground", "--unlock", "--components=secrets"])
            .env("DBUS_SESSION_BUS_ADDRESS", &bus.address)
            .env("HOME", bus.home.path())
            .env("XDG_DATA_HOME", bus.home.path())
            .env("XDG_RUNTIME_DIR", bus.home.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("these tests need gnome-keyring-daemon: apt-get install gnome-keyring");
        // The password of the login, which it takes up to the end of its input.
        keyring.stdin.take().unwrap().write_all(b"test").unwrap();
        bus.keyring = Some(keyring);
        bus.is_served("org.freedesktop.secrets").await;
        bus
    }

    /// Waits until somebody has this name on the bus.
    pub async fn is_served(&self, name: &'static str) {
        let connection = self.connection().await;
        let bus = DBusProxy::new(&connection).await.unwrap();
        for _ in 0..1_000 {
            if bus.name_has_owner(BusName::try_from(name).unwrap()).await.unwrap() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("nobody serves {name}");
    }

    pub async fn connection(&self) -> zbus::Connection {
        zbus::connection::Builder::address(self.address.as_str()).unwrap().build().await.unwrap()
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    /// How many collections lie in the key store's folder.
    pub fn keyring_files(&self) -> usize {
        let files = std::fs::read_dir(self.home.path().join("keyrings")).unwrap();
        files
            .filter(|file| file.as_ref().unwrap().path().extension().is_some_and(|end| end == "keyring"))
            .count()
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        for child in self.keyring.iter_mut().chain([&mut self.daemon]) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
