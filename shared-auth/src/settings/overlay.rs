//! Variables over a file, as .NET has them: `AzureAd__ClientCredentials__0__ClientSecret` replaces one member.

use serde_json::{Map, Value};

/// Parts of a name. No setting is as deep, and each part costs stack.
const DEEPEST: usize = 32;

/// Puts the variables below `sections` over the configuration; all others are left alone. Names are found whatever
/// their case, and list items go by number.
pub(super) fn put_over(
    configuration: &mut Value,
    sections: &[&str],
    variables: impl IntoIterator<Item = (String, String)>,
) {
    for (name, value) in variables {
        let path: Vec<&str> = name.split("__").collect();
        let ours =
            path.first().is_some_and(|first| sections.iter().any(|name| name.eq_ignore_ascii_case(first)));
        if ours && (2..=DEEPEST).contains(&path.len()) && path.iter().all(|part| !part.is_empty()) {
            set(configuration, &path, value);
        }
    }
}

fn set(at: &mut Value, path: &[&str], value: String) {
    let Some((name, rest)) = path.split_first() else {
        *at = Value::String(value);
        return;
    };
    if let (Value::Array(items), Ok(index)) = (&mut *at, name.parse::<usize>()) {
        if index == items.len() {
            items.push(Value::Null);
        }
        if let Some(item) = items.get_mut(index) {
            set(item, rest, value);
        }
        return;
    }
    if at.is_null() {
        // A list begins with its first item; anything else is a member.
        if *name == "0" {
            *at = Value::Array(Vec::new());
            return set(at, path, value);
        }
        *at = Value::Object(Map::new());
    }
    // What is neither an object nor absent stays as it is: reading it will say that it must be one.
    if let Value::Object(members) = at {
        let spelled = members.keys().find(|key| key.eq_ignore_ascii_case(name)).cloned();
        set(members.entry(spelled.unwrap_or_else(|| (*name).to_owned())).or_insert(Value::Null), rest, value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn over(mut configuration: Value, name: &str) -> Value {
        put_over(&mut configuration, &["AzureAd"], [(name.to_owned(), "new".to_owned())]);
        configuration
    }

    #[test]
    fn members_are_replaced_and_made_whatever_their_case() {
        assert_eq!(
            over(json!({"AzureAd": {"ClientId": "old"}}), "AZUREAD__CLIENTID"),
            json!({"AzureAd": {"ClientId": "new"}})
        );
        assert_eq!(over(json!({}), "AzureAd__ClientId"), json!({"AzureAd": {"ClientId": "new"}}));
        assert_eq!(over(json!({}), "AzureAd__L__0__S"), json!({"AzureAd": {"L": [{"S": "new"}]}}));
        assert_eq!(
            over(json!({"AzureAd": {"L": [{"S": 1, "T": 2}]}}), "AzureAd__L__0__S"),
            json!({"AzureAd": {"L": [{"S": "new", "T": 2}]}})
        );
    }

    #[test]
    fn a_name_of_very_many_parts_changes_nothing() {
        let name = format!("AzureAd{}", "__0".repeat(200_000));

        assert_eq!(over(json!({}), &name), json!({}));
    }

    #[test]
    fn what_has_no_place_changes_nothing() {
        for name in
            ["PATH", "AzureAd", "AzureAd__", "Other__X", "AzureAd__L__7__S", "AzureAd__T__X", "__AzureAd__X"]
        {
            let before = json!({"AzureAd": {"L": [], "T": "text"}});
            assert_eq!(over(before.clone(), name), before, "{name}");
        }
    }
}
