//! The program's settings: options and environment variables, checked together.
//!
//! Everything that is wrong is named at once. An empty variable counts as absent, except that an
//! empty `ENTRA_LAB_HTTPS_LISTEN` switches HTTPS off.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{CommandFactory, Parser, Subcommand};
use entra_lab::DEFAULT_SEED;
use entra_lab::serve::Options;

const LISTEN: &str = "127.0.0.1:8400";

/// A local Entra ID and Microsoft Graph. Local use only: its secrets are public.
#[derive(Debug, Parser)]
#[command(name = "entra-lab", version, about)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Address of the HTTP listener.
    #[arg(long, env = "ENTRA_LAB_LISTEN", default_value = LISTEN, global = true)]
    listen: String,

    /// Address of the HTTPS listener; empty switches it off.
    #[arg(long, env = "ENTRA_LAB_HTTPS_LISTEN", default_value = "127.0.0.1:8443")]
    https_listen: String,

    /// The address that browsers know. Default: http:// and the HTTP address.
    #[arg(long, env = "ENTRA_LAB_PUBLIC_URL")]
    public_url: Option<String>,

    /// Seed file. Default: the one that is built in.
    #[arg(long, env = "ENTRA_LAB_SEED")]
    seed: Option<PathBuf>,

    /// Directory to which the certificate of the HTTPS authority is written, as ca.pem.
    #[arg(long, env = "ENTRA_LAB_CA_DIR")]
    ca_dir: Option<PathBuf>,

    /// Allow addresses that other machines can reach. Containers need it.
    #[arg(long, env = "ENTRA_LAB_ALLOW_NON_LOOPBACK", value_parser = FalseyValueParser::new())]
    allow_non_loopback: bool,

    /// Allow an address of the public internet, where strangers find the lab. Think twice: its secrets are public.
    #[arg(long, env = "ENTRA_LAB_ALLOW_PUBLIC", value_parser = FalseyValueParser::new())]
    allow_public: bool,
}

#[derive(Debug, Clone, Copy, Subcommand)]
pub enum Command {
    /// Ask the running lab whether it is well; exit code 0 or 1.
    Healthcheck,
    /// Print the names of the environment variables that the program reads.
    Settings,
}

/// Settings that fit together.
#[derive(Debug)]
pub struct Settings {
    pub listen: SocketAddr,
    https_listen: Option<SocketAddr>,
    public_url: Option<String>,
    seed: Option<PathBuf>,
    ca_dir: Option<PathBuf>,
}

impl Cli {
    /// Checks the settings; the error is a list of sentences.
    pub fn check(&self) -> Result<Settings, Vec<String>> {
        let mut problems = Vec::new();
        let mut address = |name: &str, text: &str| {
            let parsed = text.trim().parse::<SocketAddr>();
            parsed
                .map_err(|_| problems.push(format!("{name} is not an address like {LISTEN}: '{text}'.")))
                .ok()
        };
        let listen = if self.listen.trim().is_empty() { LISTEN } else { &self.listen };
        let listen = address("ENTRA_LAB_LISTEN", listen);
        let https = Some(self.https_listen.as_str()).filter(|t| !t.trim().is_empty());
        let https_listen = https.and_then(|text| address("ENTRA_LAB_HTTPS_LISTEN", text));

        let open = [listen, https_listen].into_iter().flatten().find(|a| !a.ip().is_loopback());
        if let (Some(open), false) = (open, self.allow_non_loopback) {
            problems.push(format!(
                "{open} can be reached from other machines, and the lab's secrets are public: use a loopback \
                 address, or set ENTRA_LAB_ALLOW_NON_LOOPBACK=true inside a container."
            ));
        }
        let public = [listen, https_listen].into_iter().flatten().find(|a| is_public(a.ip()));
        if let (Some(public), false) = (public, self.allow_public) {
            problems.push(format!(
                "{public} is an address of the public internet: anybody could sign in with the passwords of the home \
                 page. If you mean it, say it twice: ENTRA_LAB_ALLOW_NON_LOOPBACK=true and ENTRA_LAB_ALLOW_PUBLIC=true."
            ));
        }
        let public_url = self.public_url.as_deref().map(str::trim).filter(|u| !u.is_empty());
        if let Some(url) = public_url
            && !is_origin(url)
        {
            problems.push(format!("ENTRA_LAB_PUBLIC_URL is not an address like http://{LISTEN}: '{url}'."));
        }
        if public_url.is_none() && listen.is_some_and(|a| a.ip().is_unspecified()) {
            problems.push("ENTRA_LAB_PUBLIC_URL is needed when the lab listens on all addresses.".into());
        }
        match listen {
            Some(listen) if problems.is_empty() => Ok(Settings {
                listen,
                https_listen,
                public_url: public_url.map(str::to_owned),
                seed: self.seed.clone().filter(|p| !p.as_os_str().is_empty()),
                ca_dir: self.ca_dir.clone().filter(|p| !p.as_os_str().is_empty()),
            }),
            _ => Err(problems),
        }
    }
}

impl Settings {
    /// What the lab starts with; reads the seed file.
    pub fn options(&self) -> Result<Options, String> {
        let seed = match &self.seed {
            None => DEFAULT_SEED.to_owned(),
            Some(path) => std::fs::read_to_string(path)
                .map_err(|e| format!("{} cannot be read: {e}.", self.seed_name()))?,
        };
        Ok(Options {
            listen: self.listen,
            https_listen: self.https_listen,
            public_url: self.public_url.clone(),
            seed,
            seed_file: self.seed.clone(),
            workers: 2,
        })
    }

    pub fn seed_name(&self) -> String {
        self.seed.as_ref().map_or("The built-in seed".to_owned(), |p| format!("The seed {}", p.display()))
    }

    /// Leaves the authority's certificate where containers can pick it up.
    pub fn write_ca(&self, pem: &str) -> Result<(), String> {
        let Some(directory) = &self.ca_dir else { return Ok(()) };
        let path = directory.join("ca.pem");
        std::fs::create_dir_all(directory)
            .and_then(|()| std::fs::write(&path, pem))
            .map_err(|e| format!("{} cannot be written: {e}.", path.display()))
    }
}

/// The environment variables of the program.
pub fn names() -> Vec<String> {
    let command = Cli::command();
    let from_options = command.get_arguments().filter_map(|a| a.get_env()?.to_str().map(str::to_owned));
    let mut names: Vec<String> = from_options.chain(["RUST_LOG".to_owned()]).collect();
    names.sort();
    names
}

/// Not of this machine, not of a private network (RFC 1918, RFC 4193), not local to a link.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => !(v4.is_loopback() || v4.is_unspecified() || v4.is_private() || v4.is_link_local()),
        IpAddr::V6(v6) => {
            !(v6.is_loopback() || v6.is_unspecified() || v6.is_unique_local() || v6.is_unicast_link_local())
        }
    }
}

fn is_origin(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.path() == "/"
            && url.query().is_none()
            && url.has_host()
    })
}
