//! What holds of settings: whatever is read is settings, or a list of problems that repeats no value.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{APIS, SECTION, Settings, comments, json, overlay, toml};
use crate::env::ConfigError;
use crate::properties::{text, two};

const SECRET: &str = "5ecret-Va1ue";

/// A file, with variables over it where there is a zero byte; one line a variable.
pub fn settings(data: &[u8]) {
    let (file, variables) = two(data);
    let (file, variables) = (text(file), text(variables));
    let blanked = comments::blanked(&file);
    assert_eq!(blanked.chars().count(), file.chars().count());
    assert_eq!(comments::blanked(&blanked), blanked);

    for value in [json(&file), toml(&file)] {
        let Ok(mut value) = value.map_err(|error| said(&error)) else { continue };
        read(&value);
        let lines = variables.lines().filter_map(|line| line.split_once('='));
        overlay::put_over(
            &mut value,
            &[SECTION, APIS],
            lines.map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        read(&value);
    }

    // A value in every place, and never in what is said about it.
    let name = file.lines().next().unwrap_or_default();
    let section = json!({ SECTION: {
        "TenantId": "contoso.com", "ClientId": "id", "ClientSecret": SECRET, name: SECRET,
        "ClientCredentials": [{ "SourceType": name, name: SECRET, "ClientSecret": SECRET }],
    }, APIS: { "one": { "BaseUrl": SECRET, name: SECRET } } });
    read(&section);
}

fn read(value: &Value) {
    if names_a_file(value) {
        return;
    }
    match Settings::from_value(value, SECTION) {
        Ok(settings) => {
            assert!(!settings.api.audiences.is_empty());
            // The same from the other format, where it can say the same.
            if let Ok(text) = ::toml::to_string(value) {
                let again = Settings::from_toml(&text);
                assert_eq!(again.map(|again| names(&again)).ok(), Some(names(&settings)));
            }
        }
        Err(error) => said(&error),
    }
}

fn names(settings: &Settings) -> (String, String, Vec<String>) {
    let mut ignored = settings.ignored.clone();
    ignored.sort_unstable();
    (format!("{:?}", settings.entra), format!("{:?} {:?}", settings.api, settings.downstream), ignored)
}

fn said(error: &ConfigError) {
    assert!(!error.problems.is_empty());
    assert!(!error.to_string().contains(SECRET), "{error}");
}

/// Files are not for this: which ones there are differs from machine to machine.
fn names_a_file(value: &Value) -> bool {
    match value {
        Value::Object(members) => members
            .iter()
            .any(|(name, value)| name.to_ascii_lowercase().contains("path") || names_a_file(value)),
        Value::Array(items) => items.iter().any(names_a_file),
        Value::String(text) => PathBuf::from(text).is_absolute(),
        _ => false,
    }
}
