//! The pages keep their promises: links lead somewhere, commands exist, both languages say the same.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what they expect")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every Markdown page of the repository that people read.
fn pages() -> Vec<PathBuf> {
    let root = repository();
    let folders = [
        ".",
        "docs",
        "docs/scenarios",
        "shared-auth",
        "entra-lab",
        "web-app",
        "web-api-obo",
        "daemon-app",
        "desktop-app",
    ];
    let mut pages: Vec<_> = folders
        .iter()
        .flat_map(|folder| std::fs::read_dir(root.join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    pages.sort();
    assert!(pages.len() > 10, "{pages:?}");
    pages
}

/// The targets of `[text](target)` outside code blocks.
fn links(text: &str) -> Vec<String> {
    let prose: String = text.split("```").step_by(2).collect();
    prose
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(target, _)| target.to_owned())
        .collect()
}

/// The lines of shell blocks that start with `cargo`.
fn cargo_commands(text: &str) -> BTreeSet<String> {
    let blocks = text.split("```").skip(1).step_by(2).filter(|block| block.starts_with("sh"));
    let lines = blocks.flat_map(|block| block.lines()).flat_map(|line| line.split("&&"));
    let commands = lines.map(|line| line.split('#').next().unwrap_or_default().trim().to_owned());
    commands.filter(|command| command.starts_with("cargo ")).collect()
}

#[test]
fn every_link_leads_to_a_file_that_exists() {
    let mut broken = Vec::new();
    for page in pages() {
        for link in links(&std::fs::read_to_string(&page).unwrap()) {
            let file = link.split('#').next().unwrap();
            let elsewhere = link.contains("://") || file.is_empty();
            if !elsewhere && !page.parent().unwrap().join(file).exists() {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_cargo_command_of_the_pages_exists() {
    let aliases = std::fs::read_to_string(repository().join(".cargo/config.toml")).unwrap();
    for page in pages() {
        for command in cargo_commands(&std::fs::read_to_string(&page).unwrap()) {
            let words: Vec<_> = command.split_whitespace().skip(1).collect();
            match words[..] {
                ["xtask", verb, ..] => {
                    let help =
                        Command::new(env!("CARGO_BIN_EXE_xtask")).args([verb, "--help"]).output().unwrap();
                    assert!(help.status.success(), "{}: {command}", page.display());
                }
                ["run" | "build" | "test" | "clippy" | "fmt" | "doc" | "add" | "deny", ..] => {}
                [alias, ..] => {
                    assert!(aliases.contains(&format!("{alias} = ")), "{}: {command}", page.display());
                }
                [] => panic!("{}: an empty command", page.display()),
            }
        }
    }
}

#[test]
fn both_front_pages_show_the_same_commands_links_and_pictures() {
    let read = |name: &str| std::fs::read_to_string(repository().join(name)).unwrap();
    let (english, korean) = (read("README.md"), read("README.ko.md"));
    let targets = |text: &str| {
        let all = links(text).into_iter().filter(|link| !link.starts_with("README"));
        all.collect::<BTreeSet<_>>()
    };

    assert_eq!(cargo_commands(&english), cargo_commands(&korean));
    assert_eq!(targets(&english), targets(&korean));
}
