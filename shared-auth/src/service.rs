//! The frame of a program around the library: settings file, log, traces, health check, exit codes.
//!
//! A sample's `main` is one call of [`run`]; what is particular to it stands in the function that it passes.

#[cfg(feature = "desktop")]
mod command;

use std::fmt::Display;
use std::future::Future;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::process::ExitCode;
use std::time::Duration;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};
use url::Url;

use crate::client::ConfidentialClient;
use crate::env::Env;
use crate::error::Error;

#[cfg(feature = "desktop")]
pub use self::command::run_command;

const LOG_FILTER: &str = "RUST_LOG";
#[cfg(feature = "otel")]
const COLLECTOR: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
#[cfg(feature = "otel")]
const TRACED_AS: &str = "OTEL_SERVICE_NAME";

/// What a program says about itself.
///
/// ```
/// use shared_auth::service::{Health, Service};
///
/// const SERVICE: Service = Service {
///     name: "my-api",
///     flags: &["--once"],
///     health: Health::Http { default_listen: "127.0.0.1:4000" },
/// };
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Service {
    /// The name of the binary.
    pub name: &'static str,
    /// Flags that it takes beyond the subcommands that every program has.
    pub flags: &'static [&'static str],
    /// How `NAME healthcheck` finds out whether the running program is well.
    pub health: Health,
}

/// How a program is asked whether it is well.
///
/// ```
/// use shared_auth::service::Health;
///
/// // A program without a port is well while it touches a file.
/// let health = Health::Custom(|env| {
///     let file = env.or("HEARTBEAT_FILE", "/tmp/heartbeat".to_owned()).ok_or("HEARTBEAT_FILE cannot be used")?;
///     std::fs::metadata(&file).map(|_| ()).map_err(|_| format!("{file} is not there"))
/// });
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Health {
    /// `GET /health/ready` at `LISTEN_ADDR`, or at this address where it is not set.
    Http {
        /// The program's own default for `LISTEN_ADDR`.
        default_listen: &'static str,
    },
    /// A look at something else, such as a file that the program touches.
    Custom(fn(&mut Env) -> Result<(), String>),
}

/// Runs a program: `settings` reads the environment, `main` does the work.
///
/// Exit codes: 0 for a good end, 1 for a failure (one sentence on standard error), 2 for settings or arguments that
/// cannot be used (all problems at once). A file `.env` in the working directory is read first; variables that are set
/// already win over it.
///
/// With the feature `otel` and `OTEL_EXPORTER_OTLP_ENDPOINT` set, traces and metrics go to that collector, under
/// `OTEL_SERVICE_NAME` or the program's own name; the end of the program sends what is left.
///
/// ```no_run
/// use shared_auth::service::{self, Health, Service};
/// use shared_auth::{ConfidentialClient, EntraConfig, Error};
///
/// fn main() -> std::process::ExitCode {
///     let health = Health::Http { default_listen: "127.0.0.1:4000" };
///     service::run(Service { name: "my-api", flags: &[], health }, EntraConfig::from_env, serve)
/// }
///
/// async fn serve(config: EntraConfig) -> Result<(), Error> {
///     let client = ConfidentialClient::new(config)?;
///     service::until_reachable(&client).await?;
///     service::shutdown().await; // in place of a server
///     Ok(())
/// }
/// ```
pub fn run<S, F, E>(
    service: Service,
    settings: impl FnOnce(&mut Env) -> Option<S>,
    main: impl FnOnce(S) -> F,
) -> ExitCode
where
    F: Future<Output = Result<(), E>>,
    E: Display,
{
    let mut env = match environment() {
        Ok(env) => env,
        Err(problem) => return complain(service.name, &problem, 2),
    };

    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["healthcheck"] => return finish(service, health(service.health, &mut env)),
        ["settings"] => {
            let _ = env.read(settings);
            let _ = env.optional::<String>(LOG_FILTER);
            #[cfg(feature = "otel")]
            let _ = (env.optional::<Url>(COLLECTOR), env.optional::<String>(TRACED_AS));
            return print_lines(env.asked());
        }
        flags => {
            if let Some(unknown) = flags.iter().find(|flag| !service.flags.contains(flag)) {
                let known = [&["healthcheck", "settings"], service.flags].concat().join(", ");
                return complain(
                    service.name,
                    &format!("unknown argument \"{unknown}\"; it takes: {known}"),
                    2,
                );
            }
        }
    }

    let telemetry = Telemetry::start(service, &mut env);
    let settings = match env.read(settings) {
        Ok(settings) => settings,
        Err(error) => return complain(service.name, &error, 2),
    };
    match runtime() {
        Ok(runtime) => {
            let outcome = runtime.block_on(main(settings));
            telemetry.finish();
            finish(service, outcome)
        }
        Err(error) => complain(service.name, &error, 1),
    }
}

/// True where the program was started with this flag.
///
/// ```
/// assert!(!shared_auth::service::flag("--once"));
/// ```
pub fn flag(name: &str) -> bool {
    std::env::args().skip(1).any(|argument| argument == name)
}

/// `LISTEN_ADDR`, or the program's default.
///
/// ```
/// use shared_auth::{Env, service};
///
/// let mut env = Env::from_pairs([("LISTEN_ADDR", "127.0.0.1:0")]);
/// assert_eq!(env.read(|env| service::listen_addr(env, "127.0.0.1:4000"))?.port(), 0);
/// assert!(Env::from_pairs([("LISTEN_ADDR", "4000")]).read(|env| service::listen_addr(env, "")).is_err());
/// # Ok::<(), shared_auth::ConfigError>(())
/// ```
pub fn listen_addr(env: &mut Env, default: &'static str) -> Option<SocketAddr> {
    let text = env.or("LISTEN_ADDR", default.to_owned())?;
    match text.to_socket_addrs().ok().and_then(|mut addresses| addresses.next()) {
        Some(address) => Some(address),
        None => {
            env.note("LISTEN_ADDR", "is not an address and a port, such as 127.0.0.1:3000");
            None
        }
    }
}

/// Opens the port; port 0 takes any that is free.
///
/// ```
/// use shared_auth::service;
///
/// let first = service::bind(([127, 0, 0, 1], 0).into())?;
/// let error = service::bind(first.local_addr()?).unwrap_err().to_string();
/// assert!(error.contains("another program has it"), "{error}");
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// One sentence that says what to do about it.
pub fn bind(address: SocketAddr) -> Result<TcpListener, std::io::Error> {
    TcpListener::bind(address).map_err(|error| {
        let help = match error.kind() {
            std::io::ErrorKind::AddrInUse => "another program has it; stop that one or set LISTEN_ADDR",
            std::io::ErrorKind::PermissionDenied => "ports below 1024 need privileges; set LISTEN_ADDR",
            std::io::ErrorKind::AddrNotAvailable => {
                "this machine does not have that address; set LISTEN_ADDR"
            }
            _ => "is LISTEN_ADDR right?",
        };
        std::io::Error::new(error.kind(), format!("cannot listen on {address}: {error} ({help})"))
    })
}

/// Says on standard output where the program can be reached: one line, for people and for scripts.
///
/// ```
/// let url = "http://127.0.0.1:4000/".parse()?;
/// shared_auth::service::listening("my-api", &url); // my-api listening on http://127.0.0.1:4000
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[allow(clippy::print_stdout, reason = "this line is the program's interface")]
pub fn listening(name: &str, url: &Url) {
    println!("{name} listening on {}", url.as_str().trim_end_matches('/'));
}

/// Waits until the authority answers, with a log line for each try.
///
/// ```no_run
/// # async fn example(client: shared_auth::ConfidentialClient) -> Result<(), shared_auth::Error> {
/// shared_auth::service::until_reachable(&client).await?;
/// println!("the authority answers, and it is the configured one");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// At once where waiting does not help: Entra does not know the tenant, or somebody else answers in its place.
pub async fn until_reachable(client: &ConfidentialClient) -> Result<(), Error> {
    tokio::select! {
        reached = keep_trying(client) => reached,
        // A server has no signal handlers before it serves, and as the first process of a container none by default.
        () = shutdown() => {
            tracing::info!("asked to stop while waiting for the authority, and stopped");
            std::process::exit(0)
        }
    }
}

async fn keep_trying(client: &ConfidentialClient) -> Result<(), Error> {
    let mut pause = Duration::from_millis(500);
    loop {
        match client.connect().await {
            Err(error) if error.is_retryable() => {
                tracing::warn!("the authority cannot be reached yet, trying again in {pause:?}: {error}");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(15));
            }
            answered => return answered,
        }
    }
}

/// Ends when the program is asked to stop: SIGTERM, or Ctrl-C. Asked once more, the program ends at once.
///
/// ```no_run
/// # async fn example() {
/// tokio::select! {
///     () = tokio::time::sleep(std::time::Duration::from_secs(60)) => println!("work"),
///     () = shared_auth::service::shutdown() => println!("asked to stop"),
/// }
/// # }
/// ```
pub async fn shutdown() {
    end_when_asked_twice();
    asked().await;
}

/// Whoever asks a second time does not want to wait for what is under way: exit code 130 or 143, as if nobody had listened.
pub(crate) fn end_when_asked_twice() {
    static LISTENING: std::sync::Once = std::sync::Once::new();
    LISTENING.call_once(|| {
        tokio::spawn(async {
            asked().await;
            let signal = asked().await;
            std::process::exit(128 + signal)
        });
    });
}

/// The number of the next signal that asks to stop.
async fn asked() -> i32 {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            return tokio::select! {
                _ = interrupt => SignalKind::interrupt(),
                _ = terminate.recv() => SignalKind::terminate(),
            }
            .as_raw_value();
        }
    }
    let _ = interrupt.await;
    2
}

/// The log, and where the traces go.
struct Telemetry {
    #[cfg(feature = "otel")]
    export: Option<crate::otel::OtlpExport>,
}

impl Telemetry {
    fn start(service: Service, env: &mut Env) -> Self {
        // The HTTP libraries' own logs would show requests; ours say what matters.
        const DEFAULT: &str =
            "info,hyper=warn,hyper_util=warn,reqwest=warn,rustls=warn,h2=warn,actix_server=warn";
        let filter = env.or(LOG_FILTER, DEFAULT.to_owned()).unwrap_or_default();
        let filter = EnvFilter::try_new(filter).unwrap_or_else(|error| {
            env.note(LOG_FILTER, format!("is not a filter such as info,shared_auth=debug: {error}"));
            EnvFilter::new(DEFAULT)
        });
        // The filter is the log's own: what is exported does not depend on what somebody wants to read.
        let log = tracing_subscriber::fmt::layer()
            .with_target(false)
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stdout()))
            .with_filter(filter);
        let subscriber = tracing_subscriber::registry().with(log);
        #[cfg(feature = "otel")]
        {
            let export = Self::export(service, env);
            let _ = subscriber.with(export.as_ref().map(crate::otel::OtlpExport::layer)).try_init();
            Self { export }
        }
        #[cfg(not(feature = "otel"))]
        {
            let _ = (service, subscriber.try_init());
            Self {}
        }
    }

    #[cfg(feature = "otel")]
    fn export(service: Service, env: &mut Env) -> Option<crate::otel::OtlpExport> {
        let (collector, name) = (env.optional::<Url>(COLLECTOR), env.optional::<String>(TRACED_AS));
        let name = name.flatten().unwrap_or_else(|| service.name.to_owned());
        crate::otel::OtlpExport::start(&collector??, &name)
            .map_err(|problem| env.note(COLLECTOR, problem))
            .ok()
    }

    /// Sends what is left. Not from within the runtime: the exporters wait.
    fn finish(self) {
        #[cfg(feature = "otel")]
        self.export.into_iter().for_each(crate::otel::OtlpExport::shutdown);
    }
}

/// The variables of this process, after those of a file `.env` in the working directory, which win over nothing.
fn environment() -> Result<Env, String> {
    // Before any thread exists: setting variables is not thread-safe. This folder's file and no parent's.
    match dotenvy::from_path(".env") {
        Ok(()) => {}
        Err(error) if error.not_found() => {}
        Err(dotenvy::Error::LineParse(..)) => {
            return Err(
                "the file .env in this folder cannot be used: a line of it is not NAME=value; quote values that \
                 hold blanks or #"
                    .to_owned(),
            );
        }
        Err(_) => return Err("the file .env in this folder cannot be used: it cannot be read".to_owned()),
    }
    Ok(Env::from_process())
}

fn health(health: Health, env: &mut Env) -> Result<(), String> {
    match health {
        Health::Custom(look) => look(env),
        Health::Http { default_listen } => {
            let mut address =
                listen_addr(env, default_listen).ok_or("LISTEN_ADDR is not an address and a port")?;
            if address.ip().is_unspecified() {
                address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
            }
            let url = format!("http://{address}/health/ready");
            let ask = async {
                let client = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(3)).build()?;
                client.get(&url).send().await?.error_for_status().map(|_| ())
            };
            let answer: Result<(), reqwest::Error> =
                runtime().map_err(|error| error.to_string())?.block_on(ask);
            answer.map_err(|error| format!("{url} does not answer well: {}", error.without_url()))
        }
    }
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

fn finish<E: Display>(service: Service, outcome: Result<(), E>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(service.name, &error, 1),
    }
}

#[allow(clippy::print_stderr, reason = "the log may not exist yet")]
fn complain(name: &str, error: &dyn Display, code: u8) -> ExitCode {
    eprintln!("{name}: {error}");
    ExitCode::from(code)
}

#[allow(clippy::print_stdout, reason = "what the subcommand is for")]
fn print_lines(lines: &[&str]) -> ExitCode {
    lines.iter().for_each(|line| println!("{line}"));
    ExitCode::SUCCESS
}
