//! `cargo xtask fuzz`: the fuzz targets of the library's parsers, one after another.
//!
//! A target fails by an assertion of its property (`shared-auth/src/properties.rs`); the input that did it then lies in
//! `shared-auth/fuzz/artifacts`. What was found on the way is kept in `corpus`, which is nobody's to commit; the seeds
//! are ours and run in the normal suite too.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::workspace;

pub fn run(only: Option<&str>, seconds: u32) -> Result<()> {
    if !workspace::succeeds(workspace::cargo(&["fuzz", "--version"])) {
        bail!(
            "cargo-fuzz is not here: run `cargo install cargo-fuzz --locked` (it also needs a C++ compiler)"
        );
    }
    let targets = targets()?;
    if let Some(only) = only.filter(|only| !targets.iter().any(|target| target == only)) {
        bail!("there is no target \"{only}\"; there are {}", targets.join(", "));
    }
    for target in targets.iter().filter(|target| only.is_none_or(|only| *target == only)) {
        let (corpus, seeds) = (format!("fuzz/corpus/{target}"), format!("fuzz/seeds/{target}"));
        let library = workspace::root().join("shared-auth");
        fs::create_dir_all(library.join(&corpus)).context("cannot keep what is found")?;
        let limit = format!("-max_total_time={seconds}");
        let words = ["fuzz", "run", target, &corpus, &seeds, "--", &limit, "-max_len=4096", "-timeout=20"];
        let mut command = workspace::cargo(&words);
        // The sanitizer's flags are those of a nightly compiler; the stable one takes them when told so.
        command.current_dir(library).env("RUSTC_BOOTSTRAP", "1");
        workspace::run(command)?;
    }
    Ok(())
}

fn targets() -> Result<Vec<String>> {
    let folder = workspace::root().join("shared-auth/fuzz/fuzz_targets");
    let mut names = Vec::new();
    for file in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
        names.extend(file?.path().file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}
