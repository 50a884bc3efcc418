//! What comes into a build, and from where. The licences and advisories themselves are `cargo deny`'s to look at.

use toml::{Table, Value};

use super::repository;

fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn parsed(path: &str) -> Table {
    read(path).parse().unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn members() -> Vec<String> {
    let root = parsed("Cargo.toml");
    let members = root["workspace"]["members"].as_array().unwrap();
    members.iter().map(|member| member.as_str().unwrap().to_owned()).collect()
}

/// The tables of dependencies of a manifest, those for one platform included.
fn dependencies(manifest: &Table) -> Vec<(String, Value)> {
    let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
    let platforms = manifest.get("target").and_then(Value::as_table);
    let tables =
        platforms.into_iter().flat_map(|table| table.values().filter_map(Value::as_table)).chain([manifest]);
    let lists = tables.flat_map(|table| kinds.iter().filter_map(|kind| table.get(*kind)?.as_table()));
    lists.flat_map(|list| list.clone()).collect()
}

/// Checklist 158.
#[test]
fn what_may_come_in_is_a_list_and_every_exception_has_a_reason_and_a_date() {
    let deny = parsed("deny.toml");

    assert!(deny["licenses"]["allow"].as_array().unwrap().len() > 5);
    for (section, name) in
        [("bans", "wildcards"), ("sources", "unknown-registry"), ("sources", "unknown-git")]
    {
        assert_eq!(deny[section][name].as_str(), Some("deny"), "{section}.{name}");
    }
    let registries = deny["sources"]["allow-registry"].as_array().unwrap();
    assert_eq!(registries.len(), 1);
    assert!(registries[0].as_str().unwrap().ends_with("/crates.io-index"));
    assert_eq!(deny["advisories"]["yanked"].as_str(), Some("deny"));
    let exceptions = deny["advisories"].get("ignore").and_then(Value::as_array);
    for exception in exceptions.into_iter().flatten() {
        let reason = exception.get("reason").and_then(Value::as_str).unwrap_or_default();
        let dated =
            reason.split_whitespace().any(|word| word.starts_with("20") && word.matches('-').count() == 2);
        assert!(dated, "{exception} needs a reason with the date on which to look at it again");
    }
}

/// Checklist 159.
#[test]
fn every_dependency_comes_from_the_registry_and_is_pinned_by_its_hash() {
    for lock in ["Cargo.lock", "bench/Cargo.lock", "shared-auth/fuzz/Cargo.lock"] {
        let lock = parsed(lock);
        let packages = lock["package"].as_array().unwrap();
        assert!(packages.len() > 50);
        for package in packages {
            let text = |name: &str| package.get(name).and_then(Value::as_str);
            let Some(source) = text("source") else { continue }; // One of ours.
            assert_eq!(source, "registry+https://github.com/rust-lang/crates.io-index", "{package}");
            assert_eq!(text("checksum").map(str::len), Some(64), "{package}");
        }
    }
    let members = members();
    for path in members.iter().map(|member| format!("{member}/Cargo.toml")).chain(["Cargo.toml".to_owned()]) {
        let manifest = parsed(&path);
        let of_workspace = manifest.get("workspace").and_then(Value::as_table);
        for (name, value) in [&manifest].into_iter().chain(of_workspace).flat_map(dependencies) {
            assert!(value.get("git").is_none(), "{path}: {name} comes from a repository");
            let ours = value
                .get("path")
                .is_none_or(|path| members.iter().any(|member| path.as_str() == Some(member)));
            assert!(ours, "{path}: {name} comes from a folder that is no member");
        }
    }
}

/// Checklist 159.
#[test]
fn builds_keep_to_the_lock_file_and_the_bill_of_materials_has_a_recipe() {
    for line in read("Dockerfile").lines().filter(|line| line.contains("cargo build")) {
        assert!(line.contains("--locked"), "{line}");
    }
    for line in read(".github/workflows/ci.yml").lines().filter(|line| line.contains("cargo install")) {
        assert!(line.contains("--locked") && line.contains("--version"), "{line}");
    }
    assert!(read(".github/workflows/ci.yml").contains("cargo deny check"));
    assert!(read("CONTRIBUTING.md").contains("cargo cyclonedx"));
}

/// Checklist 154, 159.
#[test]
fn no_crate_of_ours_may_be_unsafe_and_none_reads_with_regular_expressions() {
    let root = parsed("Cargo.toml");
    assert_eq!(root["workspace"]["lints"]["rust"]["unsafe_code"].as_str(), Some("forbid"));
    for member in members() {
        let manifest = parsed(&format!("{member}/Cargo.toml"));
        assert_eq!(manifest["lints"]["workspace"].as_bool(), Some(true), "{member} has lints of its own");
        for (name, _) in dependencies(&manifest) {
            assert!(
                !name.contains("regex"),
                "{member}: what comes from outside is read by a parser, not by {name}"
            );
        }
    }
}
