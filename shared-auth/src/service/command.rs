//! The frame of a command that a person types: its arguments are its own affair, standard output belongs to it, and the
//! log keeps to standard error.

use std::future::Future;
use std::io::IsTerminal;
use std::process::ExitCode;

use tracing_subscriber::EnvFilter;

use super::{LOG_FILTER, complain, environment, print_lines, runtime};
use crate::env::Env;

/// Runs a command: `settings` reads the environment, `main` does the work and decides the exit code. The log holds errors
/// only, unless `RUST_LOG` asks for more.
///
/// Exit code 2 where the settings cannot be used. With `list`, the names of the variables are printed instead.
///
/// ```no_run
/// use shared_auth::{AppRegistration, service};
///
/// fn main() -> std::process::ExitCode {
///     service::run_command("my-tool", false, AppRegistration::from_env, |registration| async move {
///         println!("{}", registration.client_id);
///         std::process::ExitCode::SUCCESS
///     })
/// }
/// ```
pub fn run_command<S, F>(
    name: &str,
    list: bool,
    settings: impl FnOnce(&mut Env) -> Option<S>,
    main: impl FnOnce(S) -> F,
) -> ExitCode
where
    F: Future<Output = ExitCode>,
{
    let mut env = match environment() {
        Ok(env) => env,
        Err(problem) => return complain(name, &problem, 2),
    };
    if list {
        let _ = env.read(settings);
        let _ = env.optional::<String>(LOG_FILTER);
        return print_lines(env.asked());
    }
    start_log(&mut env);
    match (env.read(settings), runtime()) {
        (Ok(settings), Ok(runtime)) => runtime.block_on(main(settings)),
        (Err(error), _) => complain(name, &error, 2),
        (_, Err(error)) => complain(name, &error, 1),
    }
}

fn start_log(env: &mut Env) {
    let filter = env.or(LOG_FILTER, "error".to_owned()).unwrap_or_default();
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|error| {
        env.note(LOG_FILTER, format!("is not a filter such as warn,shared_auth=debug: {error}"));
        EnvFilter::new("error")
    });
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .try_init();
}
