//! `cargo xtask copy SAMPLE DEST`: one sample becomes the first commit of a project.
//!
//! The sample's folder is taken as it is; only what belongs to the workspace is written anew: the manifest
//! (see `manifest`), the lock file with the versions that were tested here, a Dockerfile that builds just
//! this binary, and a `.env` with the lab's values so that it starts at once.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use anyhow::{Context, Result, bail};

use crate::manifest::{self, Library};
use crate::{output, services, workspace};

const DOCKERFILE: &str = include_str!("../templates/Dockerfile");
/// Not taken along: build output, somebody's own settings, and the manifest, which is written anew.
const LEFT_BEHIND: [&str; 4] = ["target", ".env", "Cargo.toml", "Cargo.lock"];
/// The house rules travel too; the copied code was written under them.
const HOUSE_RULES: [&str; 3] = ["clippy.toml", "rustfmt.toml", "LICENSE"];

/// The verb: copies, then says what to do next.
pub fn run(sample: &str, dest: &Path, git: Option<&str>) -> Result<()> {
    let library = git.map_or(Library::Checkout(workspace::root()), Library::Git);
    copy(sample, dest, library)?;
    let checkout = workspace::root().display();
    output::line(&format!("{sample} is now a project of its own in {}.", dest.display()));
    output::line(&format!("  cd {} && cargo run", dest.display()));
    output::line(&format!(
        "It reads .env, which points at the lab: start that with `cargo lab` in {checkout}."
    ));
    if git.is_none() {
        output::line("Its library is this checkout, by path. For a build elsewhere, copy with --git URL.");
    }
    Ok(())
}

/// Writes the project into `dest`, which must not hold anything yet.
pub fn copy(sample: &str, dest: &Path, library: Library<'_>) -> Result<()> {
    let known = workspace::SAMPLES.join(", ");
    if !workspace::SAMPLES.contains(&sample) {
        bail!("There is no sample called {sample:?}. The samples are: {known}.");
    }
    if dest.exists() && !fs::read_dir(dest).is_ok_and(|mut entries| entries.next().is_none()) {
        bail!("{} is there already and is not an empty folder: choose another place.", dest.display());
    }
    let source = workspace::root().join(sample);
    if std::path::absolute(dest)?.starts_with(&source) {
        bail!("{} lies inside the sample itself: choose another place.", dest.display());
    }
    tree(&source, dest)?;

    let root = workspace::root();
    let manifest =
        manifest::standalone(&read(&root.join("Cargo.toml"))?, &read(&source.join("Cargo.toml"))?, library)?;
    write(&dest.join("Cargo.toml"), &manifest)?;
    write(&dest.join("Cargo.lock"), &read(&root.join("Cargo.lock"))?)?;
    for file in HOUSE_RULES {
        write(&dest.join(file), &read(&root.join(file))?)?;
    }
    write(&dest.join(".gitignore"), "/target\n.env\n")?;
    write(&dest.join(".env"), &read(&source.join(".env.example"))?)?;
    if sample != workspace::DESKTOP {
        // A program for a person's own terminal has no place in a container.
        write(&dest.join(".dockerignore"), "target\n.git\n.env\n")?;
        write(&dest.join("Dockerfile"), &dockerfile(sample, library)?)?;
    }
    write(&dest.join("README.md"), &readme(sample, &source, library)?)?;
    fit_lock_file(dest);
    Ok(())
}

fn dockerfile(sample: &str, library: Library<'_>) -> Result<String> {
    let head = match library {
        Library::Git(url) => format!(" The library comes from {url}."),
        Library::Checkout(_) => {
            " It does not build yet: Cargo.toml finds the library by a path on your machine, and a container\n\
             # cannot see that. Put `git = \"URL\"` in place of `path = …` in Cargo.toml (or copy again with\n\
             # --git URL), run `cargo build` once so that Cargo.lock knows it, then build the image."
                .to_owned()
        }
    };
    let settings = services::settings(&workspace::root().join(sample).join(".env.example"))?;
    let port = settings
        .iter()
        .find(|(name, _)| name == "LISTEN_ADDR")
        .and_then(|(_, value)| value.rsplit_once(':').map(|(_, port)| port.to_owned()));
    let mut text = DOCKERFILE.replace("LIBRARY", &head).replace("SAMPLE", sample);
    text = match port {
        Some(port) => text.replace("PORT", &port),
        None => text.replace(" -e LISTEN_ADDR=0.0.0.0:PORT -p 127.0.0.1:PORT:PORT", ""),
    };
    Ok(text)
}

/// The sample's README with a note on top, and its links to the workspace pointing back there.
fn readme(sample: &str, source: &Path, library: Library<'_>) -> Result<String> {
    let file = source.join("README.md");
    let text = if file.is_file() { read(&file)? } else { format!("# {sample}\n") };
    let (home, from) = match library {
        Library::Git(url) => {
            let url = url.trim_end_matches('/').trim_end_matches(".git");
            (format!("{url}/blob/HEAD"), format!("the git repository {url}"))
        }
        Library::Checkout(root) => (
            root.display().to_string(),
            "a checkout on this machine, by path (see Cargo.toml). Before anybody else builds it, put \
             `git = \"URL\"` in place of the path"
                .to_owned(),
        ),
    };
    let text = text.replace("](../", &format!("]({home}/"));
    let (title, rest) = text.split_once('\n').unwrap_or((&text, ""));
    let note = format!(
        "> A copy of the sample `{sample}`. `cargo run` starts it with the settings in `.env`, which are the \
         lab's; `.env.example` says what each one means. `shared-auth` comes from {from}."
    );
    Ok(format!("{title}\n\n{note}\n{rest}"))
}

/// Takes out of the copied lock file what this sample does not use, and keeps every version that it does.
/// Where cargo cannot (no network for a git library), the first build does the same.
fn fit_lock_file(dest: &Path) {
    let fit = |more: &[&str]| {
        let mut command: Command = workspace::cargo(&[&["update", "--workspace", "--quiet"], more].concat());
        command.current_dir(dest);
        workspace::succeeds(command)
    };
    if !fit(&["--offline"]) && !fit(&[]) {
        output::line("Cargo.lock could not be fitted to the copy yet; the first `cargo build` will do it.");
    }
}

fn tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        if LEFT_BEHIND.iter().any(|left| name == *left) {
            continue;
        }
        let (source, target): (PathBuf, PathBuf) = (entry.path(), to.join(&name));
        if entry.file_type()?.is_dir() {
            tree(&source, &target)?;
        } else {
            fs::copy(&source, &target).with_context(|| format!("cannot copy {}", source.display()))?;
        }
    }
    Ok(())
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

fn write(file: &Path, text: &str) -> Result<()> {
    let done: io::Result<()> = fs::write(file, text);
    done.with_context(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_sample_is_answered_with_the_list() {
        let error = copy("web-ap", Path::new("/nowhere"), Library::Git("url")).unwrap_err().to_string();
        assert_eq!(
            error,
            "There is no sample called \"web-ap\". The samples are: daemon-app, web-api-obo, web-app, desktop-app."
        );
    }

    #[test]
    fn a_folder_that_holds_something_is_left_alone() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let error = copy("web-app", here, Library::Git("url")).unwrap_err().to_string();
        assert!(
            error.ends_with("is there already and is not an empty folder: choose another place."),
            "{error}"
        );
    }

    #[test]
    fn the_dockerfile_says_honestly_when_it_cannot_build() {
        let path = dockerfile("web-app", Library::Checkout(Path::new("/checkout"))).unwrap();
        assert!(path.contains("It does not build yet"), "{path}");
        let git = dockerfile("daemon-app", Library::Git("https://example.org/r")).unwrap();
        assert!(git.contains("https://example.org/r") && !git.contains("LISTEN_ADDR"), "{git}");
        for text in [path, git] {
            assert!(!["SAMPLE", "LIBRARY", "PORT"].iter().any(|word| text.contains(word)), "{text}");
        }
    }
}
