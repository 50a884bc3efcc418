//! The manifest of a copied sample: every `workspace = true` replaced by what the root says.
//!
//! Written by hand instead of serialised as a whole, because the first thing that the owner of a new project
//! reads is its Cargo.toml: one dependency a line, the version first.

use std::path::Path;

use anyhow::{Context, Result, bail};
use toml::{Table, Value};

/// Where the copy finds `shared-auth`, and for its tests `entra-lab`.
#[derive(Clone, Copy)]
pub enum Library<'a> {
    Git(&'a str),
    Checkout(&'a Path),
}

const SECTIONS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];
/// The order in which the keys of one dependency read well.
const KEYS: [&str; 7] = ["version", "git", "path", "package", "default-features", "optional", "features"];

/// The text of the new Cargo.toml.
pub fn standalone(root: &str, member: &str, library: Library<'_>) -> Result<String> {
    let root: Table = root.parse().context("the root Cargo.toml")?;
    let mut member: Table = member.parse().context("the sample's Cargo.toml")?;
    let shared = table(&root, "workspace")?;

    let mut text = "[package]\n".to_owned();
    let package = member.remove("package").context("the sample's Cargo.toml has no [package]")?;
    let mut entries: Vec<_> = package.as_table().context("[package] is not a table")?.iter().collect();
    entries
        .sort_by_key(|(key, _)| ["name", "description"].iter().position(|first| key == first).unwrap_or(2));
    for (key, value) in entries {
        let value = if inherited(value) { table(shared, "package")?.get(key) } else { Some(value) };
        let value = value.with_context(|| format!("[workspace.package] has no {key}"))?;
        text += &format!("{key} = {value}\n");
    }
    text += "\n# A workspace of its own: it builds the same wherever its folder lies.\n[workspace]\n";

    for section in SECTIONS {
        let Some(Value::Table(entries)) = member.remove(section) else { continue };
        text += &format!("\n[{section}]\n");
        for (name, entry) in &entries {
            let keys = dependency(name, entry, table(shared, "dependencies")?, library)?;
            text += &format!("{name} = {}\n", inline(&keys));
        }
    }
    let lints = member.remove("lints");
    if lints.as_ref().is_some_and(inherited) {
        member.insert("lints".to_owned(), Value::Table(table(shared, "lints")?.clone()));
    } else if let Some(lints) = lints {
        member.insert("lints".to_owned(), lints);
    }
    if let Some(profile) = root.get("profile") {
        member.insert("profile".to_owned(), profile.clone());
    }
    text += "\n";
    text += &toml::to_string(&member)?;
    Ok(text)
}

/// One dependency with all its keys, as a table.
fn dependency(name: &str, entry: &Value, shared: &Table, library: Library<'_>) -> Result<Table> {
    let own = as_table(entry);
    if !inherited(entry) {
        return Ok(own);
    }
    let base = shared.get(name).with_context(|| format!("[workspace.dependencies] has no {name}"))?;
    let mut keys = as_table(base);
    for (key, value) in own {
        match (key.as_str(), value) {
            ("workspace", _) => {}
            ("features", Value::Array(more)) => match keys.get_mut("features") {
                Some(Value::Array(features)) => features.extend(more),
                _ => drop(keys.insert(key, Value::Array(more))),
            },
            (_, value) => drop(keys.insert(key, value)),
        }
    }
    if keys.remove("path").is_some() {
        let (key, place) = match library {
            Library::Git(url) => ("git", url.to_owned()),
            Library::Checkout(root) => ("path", root.join(name).display().to_string()),
        };
        keys.insert(key.to_owned(), Value::String(place));
    }
    Ok(keys)
}

fn inline(keys: &Table) -> String {
    if let (1, Some(version)) = (keys.len(), keys.get("version")) {
        return version.to_string();
    }
    let mut names: Vec<_> = keys.keys().collect();
    names.sort_by_key(|name| KEYS.iter().position(|key| key == name).unwrap_or(KEYS.len()));
    let pairs: Vec<_> = names.iter().map(|name| format!("{name} = {}", keys[*name])).collect();
    format!("{{ {} }}", pairs.join(", "))
}

fn as_table(value: &Value) -> Table {
    match value {
        Value::Table(keys) => keys.clone(),
        version => Table::from_iter([("version".to_owned(), version.clone())]),
    }
}

fn inherited(value: &Value) -> bool {
    value.get("workspace").and_then(Value::as_bool) == Some(true)
}

fn table<'a>(parent: &'a Table, key: &str) -> Result<&'a Table> {
    match parent.get(key) {
        Some(Value::Table(child)) => Ok(child),
        _ => bail!("[{key}] is missing in the root Cargo.toml"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = r#"
        [workspace.package]
        edition = "2024"
        [workspace.dependencies]
        anyhow = "1.0"
        web = { version = "4", default-features = false, features = ["macros"] }
        shared-auth = { path = "shared-auth", default-features = false }
        [workspace.lints.rust]
        unsafe_code = "forbid"
        [profile.release]
        lto = "thin"
    "#;
    const MEMBER: &str = r#"
        [package]
        name = "sample"
        edition.workspace = true
        [lints]
        workspace = true
        [dependencies]
        anyhow.workspace = true
        web = { workspace = true, features = ["cookies"] }
        shared-auth = { workspace = true, features = ["actix"] }
        own = "3"
        [dev-dependencies]
        anyhow.workspace = true
    "#;

    fn copied(library: Library<'_>) -> (String, Table) {
        let text = standalone(ROOT, MEMBER, library).unwrap();
        let parsed = text.parse().unwrap();
        (text, parsed)
    }

    #[test]
    fn nothing_is_inherited_any_more() {
        let (text, parsed) = copied(Library::Git("https://example.org/repository"));
        assert!(!text.contains("workspace ="), "{text}");
        assert!(
            text.contains(
                "web = { version = \"4\", default-features = false, features = [\"macros\", \"cookies\"] }"
            ),
            "{text}"
        );
        assert_eq!(parsed["package"]["edition"].as_str(), Some("2024"));
        assert_eq!(parsed["dependencies"]["anyhow"].as_str(), Some("1.0"));
        assert_eq!(parsed["dependencies"]["own"].as_str(), Some("3"));
        assert_eq!(parsed["dev-dependencies"]["anyhow"].as_str(), Some("1.0"));
        assert_eq!(parsed["lints"]["rust"]["unsafe_code"].as_str(), Some("forbid"));
        assert_eq!(parsed["profile"]["release"]["lto"].as_str(), Some("thin"));
    }

    #[test]
    fn the_library_comes_from_git_or_from_the_checkout() {
        let (_, git) = copied(Library::Git("https://example.org/repository"));
        let library = &git["dependencies"]["shared-auth"];
        assert_eq!(library["git"].as_str(), Some("https://example.org/repository"));
        assert_eq!(library["features"][0].as_str(), Some("actix"));
        assert!(library.get("path").is_none());
        let (_, path) = copied(Library::Checkout(Path::new("/checkout")));
        let place = Path::new("/checkout").join("shared-auth").display().to_string();
        assert_eq!(path["dependencies"]["shared-auth"]["path"].as_str(), Some(place.as_str()));
    }

    #[test]
    fn a_dependency_that_the_root_does_not_know_is_named() {
        let member = "[package]\nname = \"x\"\n[dependencies]\nunknown.workspace = true\n";
        let error = standalone(ROOT, member, Library::Git("url")).unwrap_err().to_string();
        assert_eq!(error, "[workspace.dependencies] has no unknown");
    }
}
