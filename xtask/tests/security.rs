//! `docs/security.md` keeps its word: every item is there once, with tests that exist, and the tests name their items.
//!
//! A test names them in its documentation: a line `/// Checklist 3, 7 to 9.` above it. What is in a repository besides
//! code stands in `supply_chain.rs` and `containers.rs`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests say what they expect")]

#[path = "security/containers.rs"]
mod containers;
#[path = "security/supply_chain.rs"]
mod supply_chain;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const PAGE: &str = include_str!("../../docs/security.md");
/// So many items there are.
const ITEMS: usize = 171;
/// Why an item has no test of ours.
const REASONS: [&str; 2] = ["not code: ", "not here: "];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A function of a file, as the page names it: the path from `docs`, and the name.
type Function = (String, String);

/// The functions of our Rust files, each with the items that its documentation names.
fn functions() -> BTreeMap<Function, BTreeSet<usize>> {
    let (root, mut all) = (repository(), BTreeMap::new());
    let mut todo: Vec<_> = [
        "shared-auth",
        "entra-lab",
        "daemon-app",
        "web-api-obo",
        "web-app",
        "desktop-app",
        "e2e",
        "xtask",
        "bench",
    ]
    .iter()
    .flat_map(|member| ["src", "tests"].map(|folder| root.join(member).join(folder)))
    .collect();
    while let Some(path) = todo.pop() {
        if path.is_dir() {
            todo.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let file = format!("../{}", path.strip_prefix(&root).unwrap().display());
            for (name, items) in functions_of(&std::fs::read_to_string(&path).unwrap()) {
                all.insert((file.clone(), name), items);
            }
        }
    }
    all
}

fn functions_of(text: &str) -> Vec<(String, BTreeSet<usize>)> {
    let (mut found, mut items) = (Vec::new(), BTreeSet::new());
    for line in text.lines().map(str::trim) {
        if let Some(numbers) = line.strip_prefix("/// Checklist ") {
            items.extend(numbers_in(numbers));
        } else if let Some((name, _)) = line.split_once("fn ").and_then(|(_, rest)| rest.split_once('(')) {
            found.push((name.to_owned(), std::mem::take(&mut items)));
        } else if !line.starts_with("//") && !line.starts_with('#') {
            assert!(items.is_empty(), "a line \"Checklist\" that stands above no function: {line}");
        }
    }
    found
}

/// `3, 7 to 9.`
fn numbers_in(text: &str) -> BTreeSet<usize> {
    let number = |word: &str| word.trim().parse::<usize>().unwrap_or_else(|_| panic!("no number: {text}"));
    let parts = text.trim_end_matches('.').split(',');
    parts
        .flat_map(|part| match part.split_once(" to ") {
            Some((first, last)) => number(first)..=number(last),
            None => number(part)..=number(part),
        })
        .collect()
}

/// The tests of a cell: links to files, each followed by the names of tests in it.
fn named(cell: &str) -> BTreeSet<Function> {
    let mut tests = BTreeSet::new();
    for of_one_file in cell.split('[').skip(1) {
        let (link, names) = of_one_file.split_once(')').unwrap_or_else(|| panic!("no link: {cell}"));
        let (_, file) = link.split_once("](").unwrap_or_else(|| panic!("no link: {cell}"));
        for name in names.split('`').skip(1).step_by(2) {
            tests.insert((file.to_owned(), name.to_owned()));
        }
    }
    tests
}

/// The rows of the page's tables: the first cell and the last one.
fn rows() -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = PAGE.lines().filter(|line| line.starts_with("| "));
    lines.map(|line| {
        let cells: Vec<_> = line.trim_start_matches("| ").trim_end_matches(" |").split(" | ").collect();
        assert!(cells.len() > 2, "{line}");
        (cells[0], *cells.last().unwrap())
    })
}

#[test]
fn every_item_is_there_once() {
    let mut numbers: Vec<usize> = rows().filter_map(|(first, _)| first.parse().ok()).collect();
    numbers.sort_unstable();

    assert_eq!(numbers, (1..=ITEMS).collect::<Vec<_>>());
}

#[test]
fn every_row_has_a_test_that_exists_or_a_reason_and_each_test_names_the_row() {
    let functions = functions();
    let mut named_on_the_page = BTreeMap::<Function, BTreeSet<usize>>::new();
    for (first, proof) in rows() {
        if first == "no." || first == "module" || first.starts_with("---") {
            continue;
        }
        let (tests, item) = (named(proof), first.parse::<usize>());
        let reasoned = REASONS.iter().any(|reason| proof.len() > reason.len() + 10 && proof.contains(reason));
        assert!(!tests.is_empty() || reasoned, "{first}: neither a test nor a reason");
        for test in tests {
            let items = functions.get(&test).unwrap_or_else(|| panic!("{first}: {test:?} does not exist"));
            if let Ok(item) = item {
                assert!(items.contains(&item), "{test:?} does not name {item}, where the page names it");
                named_on_the_page.entry(test).or_default().insert(item);
            }
        }
    }
    for (test, items) in functions.iter().filter(|(_, items)| !items.is_empty()) {
        let on_the_page = named_on_the_page.get(test);
        assert_eq!(
            on_the_page,
            Some(items),
            "{test:?}: on the left what the page says, on the right what the test says"
        );
    }
}

#[test]
fn lists_of_items_are_read_as_people_read_them() {
    assert_eq!(numbers_in("3, 7 to 9."), BTreeSet::from([3, 7, 8, 9]));
    let text = "/// About it.\n/// Checklist 5.\n#[test]\nfn it_is_so() {\n    fn inner() {}\n}";
    let expected = [("it_is_so".to_owned(), BTreeSet::from([5])), ("inner".to_owned(), BTreeSet::new())];
    assert_eq!(functions_of(text), expected);
}
