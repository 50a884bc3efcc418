//! OData query options: `$top`, `$skip`, `$select`, `$skiptoken`.
//!
//! An option that the lab does not do is refused. Ignoring it would answer another question than the
//! one that was asked (`$filter` would list everybody), and the mistake would show up in production.

use crate::graph::errors::{GraphError, printable};

/// Graph takes these names with or without the dollar sign.
const SYSTEM: [&str; 12] = [
    "top",
    "skip",
    "select",
    "skiptoken",
    "filter",
    "orderby",
    "search",
    "count",
    "expand",
    "format",
    "apply",
    "compute",
];
const MOST_SELECTED: usize = 100;

/// The options of one request.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options {
    pub top: Option<u32>,
    pub skip: Option<u32>,
    /// Property names as the resource spells them.
    pub select: Option<Vec<&'static str>>,
    pub skip_token: Option<String>,
}

/// What a resource understands.
#[derive(Debug)]
pub struct Supported {
    /// How its type is called in messages.
    pub entity: &'static str,
    pub options: &'static [&'static str],
    pub properties: &'static [&'static str],
    /// Largest `$top`.
    pub most: u32,
}

impl Options {
    /// Reads the query of a request. Parameters that are no system option are left alone, as OData wants.
    pub fn read(query: &str, supported: &Supported) -> Result<Self, GraphError> {
        let mut options = Self::default();
        let mut seen: Vec<&str> = Vec::new();
        for (written, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let lower = written.to_ascii_lowercase();
            let Some(name) = SYSTEM.iter().find(|s| **s == lower.trim_start_matches('$')) else {
                if written.starts_with('$') {
                    return Err(GraphError::bad_request(format!(
                        "There is no query option '{}'.",
                        printable(&written)
                    )));
                }
                continue;
            };
            if seen.contains(name) {
                return Err(GraphError::bad_request(format!("${name} is there more than once.")));
            }
            seen.push(name);
            if !supported.options.contains(name) {
                return Err(GraphError::unsupported_query(format!(
                    "The lab's Graph does not do ${name} here. It would be wrong to ignore it."
                )));
            }
            match *name {
                "top" => options.top = Some(number(name, &value, 1, supported.most)?),
                "skip" => options.skip = Some(number(name, &value, 0, u32::MAX)?),
                "select" => options.select = Some(select(&value, supported)?),
                _ => options.skip_token = Some(value.into_owned()),
            }
        }
        Ok(options)
    }

    /// Whether a property belongs into the answer; without `$select` it is one of `by_default`.
    pub fn wants(&self, property: &str, by_default: &[&str]) -> bool {
        match &self.select {
            Some(select) => select.contains(&property),
            None => by_default.contains(&property),
        }
    }

    /// What `@odata.context` says about the selection: `(displayName,id)`, or nothing.
    pub fn selected(&self) -> String {
        self.select.as_ref().map(|names| format!("({})", names.join(","))).unwrap_or_default()
    }

    /// The query again for the next page, which is given as one more option.
    pub fn next_query(&self, option: &str, value: &str) -> String {
        let select = self.select.as_ref().map(|names| format!("$select={}&", names.join(",")));
        let top = self.top.map(|top| format!("$top={top}&"));
        format!("{}{}${option}={value}", select.unwrap_or_default(), top.unwrap_or_default())
    }
}

fn number(name: &str, value: &str, least: u32, most: u32) -> Result<u32, GraphError> {
    let number = value.parse().ok().filter(|n| (least..=most).contains(n));
    number.ok_or_else(|| {
        GraphError::bad_request(format!(
            "${name} must be a number from {least} to {most}, not '{}'.",
            printable(value)
        ))
    })
}

fn select(value: &str, supported: &Supported) -> Result<Vec<&'static str>, GraphError> {
    let mut names = Vec::new();
    for written in value.split(',').map(str::trim).take(MOST_SELECTED) {
        let known = supported.properties.iter().find(|p| p.eq_ignore_ascii_case(written));
        let name = known.ok_or_else(|| {
            GraphError::bad_request(format!(
                "The lab's {} has no property '{}'. It has {}.",
                supported.entity,
                printable(written),
                supported.properties.join(", ")
            ))
        })?;
        if !names.contains(name) {
            names.push(*name);
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEOPLE: Supported = Supported {
        entity: "user",
        options: &["top", "select", "skiptoken"],
        properties: &["displayName", "id"],
        most: 999,
    };

    fn read(query: &str) -> Result<Options, GraphError> {
        Options::read(query, &PEOPLE)
    }

    #[test]
    fn reads_options_with_and_without_the_dollar_sign() {
        let with = read("$top=5&$select=ID,displayname,id").unwrap();
        let without = read("top=5&select=id%2CdisplayName").unwrap();

        assert_eq!(with, without);
        assert_eq!(with.selected(), "(id,displayName)");
        assert_eq!(with.next_query("skiptoken", "abc"), "$select=id,displayName&$top=5&$skiptoken=abc");
    }

    #[test]
    fn refuses_what_it_does_not_do_instead_of_ignoring_it() {
        for query in ["$filter=x", "orderby=x", "$count=true", "%24search=x", "$expand=manager", "$skip=1"] {
            assert_eq!(read(query).unwrap_err().code, "Request_UnsupportedQuery", "{query}");
        }
        for query in [
            "$top=0",
            "$top=1000",
            "$top=-1",
            "$top=1e2",
            "$top=",
            "$nonsense=1",
            "$top=1&top=2",
            "$select=",
            "$select=id,,id",
        ] {
            assert_eq!(read(query).unwrap_err().code, "BadRequest", "{query}");
        }
    }

    #[test]
    fn leaves_parameters_alone_that_are_no_system_option() {
        assert_eq!(read("session=1&%00=%ff").unwrap(), Options::default());
    }
}
