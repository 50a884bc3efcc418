//! `docs/parity.md` and `docs/compared-with-msal.md` keep their word: behind every row that says that something is there
//! stands a test that exists.

use std::collections::BTreeSet;
use std::path::Path;

const PAGE: &str = include_str!("../../../docs/parity.md");
const COMPARED: &str = include_str!("../../../docs/compared-with-msal.md");

/// The tests in the Rust files below these folders of the repository.
fn tests(folders: &[&str]) -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut todo: Vec<_> = folders.iter().map(|folder| root.join(folder)).collect();
    let mut names = BTreeSet::new();
    while let Some(path) = todo.pop() {
        if path.is_dir() {
            todo.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(path).unwrap();
            // An attribute that ends in "test", alone or with arguments, and perhaps others before the function.
            let after = text.split("test]\n").skip(1).chain(text.split("test(").skip(1));
            let after = after.filter_map(|rest| rest.split_once("fn ")?.1.split_once('('));
            names.extend(after.map(|(name, _)| name.to_owned()));
        }
    }
    names
}

/// The names in backticks that can only be a test's: a sentence with underscores.
fn tests_in(text: &str) -> impl Iterator<Item = &str> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter(|name| name.len() > 12 && name.matches('_').count() > 2 && !name.contains(' '))
}

#[test]
fn every_row_has_a_level_and_what_is_the_same_has_a_test_that_exists() {
    let own = tests(&["entra-lab/tests"]);
    let (mut rows, mut named) = (0, 0);
    for line in PAGE.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let &[feature, level, proof] = cells.as_slice() else { continue };
        if feature == "feature" {
            continue;
        }
        rows += 1;
        assert!(["real", "same", "simplified", "absent"].contains(&level), "{line}");
        let tests: Vec<&str> = tests_in(proof).collect();
        assert!(!matches!(level, "real" | "same") || !tests.is_empty(), "no test: {line}");
        assert!(level != "simplified" || !proof.is_empty(), "the difference is not said: {line}");
        for test in tests {
            named += 1;
            assert!(own.contains(test), "there is no test {test}: {line}");
        }
    }
    assert!(rows > 60 && named > 70, "{rows} rows, {named} tests");
}

#[test]
fn the_reactions_of_the_error_lab_name_tests_that_exist() {
    let all =
        tests(&["shared-auth/tests", "web-api-obo/tests", "web-app/tests", "daemon-app/tests", "e2e/tests"]);
    let lab = PAGE.split_once("## The Error Lab").unwrap().1;
    let mut named = 0;
    for line in lab.lines().filter(|line| line.starts_with("| ") && line.as_bytes()[2].is_ascii_digit()) {
        for test in tests_in(line.rsplit(" | ").next().unwrap()) {
            named += 1;
            assert!(all.contains(test), "there is no test {test}: {line}");
        }
    }
    assert!(named > 12, "{named}");
}

#[test]
fn what_is_there_in_the_comparison_with_msal_has_a_test_that_exists_and_what_is_not_has_a_reason() {
    let all = tests(&[
        "shared-auth/src",
        "shared-auth/tests",
        "bench/tests",
        "daemon-app/tests",
        "desktop-app/tests",
        "e2e/tests",
        "entra-lab/tests",
        "web-api-obo/tests",
        "web-app/tests",
    ]);
    let (mut rows, mut named) = (0, 0);
    for line in COMPARED.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let &[_, here, proof] = cells.as_slice() else { continue };
        if here == "here" {
            continue;
        }
        rows += 1;
        // Some tests are tables, and their names one word.
        let tables = proof.split('`').skip(1).step_by(2).filter(|name| all.contains(*name));
        let shown: BTreeSet<&str> = tests_in(proof).chain(tables).collect();
        match here {
            "yes" => assert!(!shown.is_empty(), "no test: {line}"),
            "no" | "not for us" => assert!(proof.len() > 20, "no reason: {line}"),
            _ => panic!("neither yes nor no: {line}"),
        }
        for test in shown {
            named += 1;
            assert!(all.contains(test), "there is no test {test}: {line}");
        }
    }
    assert!(rows > 250 && named > 300, "{rows} rows, {named} tests");
}

#[test]
fn it_says_that_it_is_for_local_use_only() {
    assert!(PAGE.contains("For local use only."));
    assert!(include_str!("../../README.md").contains("local use only"));
}
