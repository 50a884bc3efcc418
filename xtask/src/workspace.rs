//! Where things are in this checkout, and how cargo and other programs are called.
//!
//! Paths come from this crate's own manifest and from the folder that this binary runs in, so that every
//! verb works from any directory and with any target directory.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The binaries of the chain, in the order in which a story meets them.
pub const BINARIES: [&str; 4] = ["entra-lab", "web-api-obo", "web-app", "daemon-app"];

/// What a person runs beside the chain, in a terminal.
pub const DESKTOP: &str = "desktop-app";

/// What `copy` can copy: everything of the chain but the lab, and the program for the terminal.
pub const SAMPLES: [&str; 4] = ["daemon-app", "web-api-obo", "web-app", DESKTOP];

/// The root of the checkout.
pub fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// The folder that cargo puts finished binaries in: this one came from there.
pub fn bin_dir() -> Result<PathBuf> {
    let own = env::current_exe().context("cannot tell where this program lies")?;
    Ok(own.parent().map(Path::to_path_buf).unwrap_or(own))
}

/// The target directory, one above.
pub fn target_dir() -> Result<PathBuf> {
    let bins = bin_dir()?;
    Ok(bins.parent().map(Path::to_path_buf).unwrap_or(bins))
}

/// The built binary of that name.
pub fn binary(name: &str) -> Result<PathBuf> {
    let path = bin_dir()?.join(format!("{name}{}", env::consts::EXE_SUFFIX));
    if !path.is_file() {
        bail!("{name} is not built: run `cargo build -p {name}` first");
    }
    Ok(path)
}

/// The same cargo that started us, in the root of the checkout.
pub fn cargo(args: &[&str]) -> Command {
    let program = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    command.args(args).current_dir(root());
    command
}

/// Any other program, in the root of the checkout.
pub fn program(name: &str, args: &[&str]) -> Command {
    let mut command = Command::new(name);
    command.args(args).current_dir(root());
    command
}

/// The names of a package's features, without the default set.
pub fn features(package: &str) -> Result<Vec<String>> {
    let path = root().join(package).join("Cargo.toml");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let manifest: toml::Table = text.parse().with_context(|| format!("{} is not TOML", path.display()))?;
    let features = manifest.get("features").and_then(|features| features.as_table());
    let names = features.into_iter().flat_map(|features| features.keys());
    Ok(names.filter(|name| *name != "default").cloned().collect())
}

/// Runs it in the foreground; an exit code other than zero is an error that names the command.
pub fn run(mut command: Command) -> Result<()> {
    let shown = shown(&command);
    let status = command.status().with_context(|| format!("cannot start `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` failed ({status})");
    }
    Ok(())
}

/// Runs it without a word: did it end well? A program that is not there did not.
pub fn succeeds(mut command: Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// The command as a person would type it.
pub fn shown(command: &Command) -> String {
    let name = Path::new(command.get_program()).file_stem().unwrap_or_default();
    let mut text = name.to_string_lossy().into_owned();
    for argument in command.get_args() {
        let argument = argument.to_string_lossy();
        text.push(' ');
        text.push_str(&if argument.contains(' ') { format!("'{argument}'") } else { argument.into_owned() });
    }
    text
}
