//! Collections of JSON objects: `$filter` by equality, `$select`, `$top`, and a link to the next page.
//!
//! Only `property eq 'value'` is done, joined by `and`; every other filter is refused rather than ignored.

use actix_web::HttpResponse;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use crate::graph::call::Call;
use crate::graph::errors::{GraphError, printable};

const PAGE: usize = 100;
const MOST: usize = 999;

/// The options of a request for JSON objects.
#[derive(Debug, Default)]
struct Options {
    top: Option<usize>,
    start: usize,
    select: Option<Vec<String>>,
    filter: Vec<(String, Value)>,
    count: bool,
    /// Everything but the place, for the link.
    again: String,
}

/// A page of these objects.
pub fn page(call: &Call<'_>, context: &str, items: Vec<Value>) -> Result<HttpResponse, GraphError> {
    let options = read(call, true)?;
    let fits = |item: &Value| options.filter.iter().all(|(name, value)| same(property(item, name), value));
    let found: Vec<Value> = items.into_iter().filter(fits).collect();
    let size = options.top.unwrap_or(PAGE);
    let end = options.start.saturating_add(size).min(found.len());
    let mut body = Map::new();
    let selected = options.select.as_ref().map(|s| format!("({})", s.join(","))).unwrap_or_default();
    body.insert("@odata.context".into(), json!(call.context(&format!("{context}{selected}"))));
    if options.count {
        body.insert("@odata.count".into(), json!(found.len()));
    }
    if end < found.len() {
        let token = URL_SAFE_NO_PAD.encode(format!("from{end}"));
        let path = call.ask.path.join("/");
        let link = format!("{}/v1.0/{path}?{}$skiptoken={token}", call.base_url(), options.again);
        body.insert("@odata.nextLink".into(), json!(link));
    }
    let value = found.into_iter().skip(options.start).take(size).map(|item| picked(item, &options));
    body.insert("value".into(), value.collect());
    Ok(call.json(&body))
}

/// One object.
pub fn one(call: &Call<'_>, context: &str, item: Value) -> Result<HttpResponse, GraphError> {
    let options = read(call, false)?;
    Ok(call.json(&with_context(call, context, picked(item, &options))))
}

/// An object with its `@odata.context`.
pub fn with_context(call: &Call<'_>, context: &str, mut item: Value) -> Value {
    if let Some(members) = item.as_object_mut() {
        let context = call.context(&format!("{context}/$entity"));
        members.insert("@odata.context".into(), json!(context));
    }
    item
}

fn read(call: &Call<'_>, of_many: bool) -> Result<Options, GraphError> {
    let mut options = Options::default();
    for (name, value) in url::form_urlencoded::parse(call.ask.query.as_bytes()) {
        let refused = || {
            let message =
                format!("The lab's Graph does not do '{}={}' here.", printable(&name), printable(&value));
            GraphError::unsupported_query(message)
        };
        match name.to_ascii_lowercase().trim_start_matches('$') {
            "select" => {
                let names = value.split(',').map(|n| n.trim().to_owned()).filter(|n| !n.is_empty());
                options.select = Some(names.collect());
            }
            "top" if of_many => {
                options.top =
                    Some(value.parse().ok().filter(|n| (1..=MOST).contains(n)).ok_or_else(refused)?);
            }
            "filter" if of_many => options.filter = filter(&value).ok_or_else(refused)?,
            "count" if of_many => options.count = value == "true",
            "skiptoken" if of_many => {
                let bytes = URL_SAFE_NO_PAD.decode(value.as_bytes()).map_err(|_| GraphError::lost_page())?;
                let text = String::from_utf8(bytes).map_err(|_| GraphError::lost_page())?;
                let start = text.strip_prefix("from").and_then(|n| n.parse().ok());
                options.start = start.ok_or_else(GraphError::lost_page)?;
                continue;
            }
            _ if name.starts_with('$') => return Err(refused()),
            _ => continue,
        }
        let value: String = url::form_urlencoded::byte_serialize(value.as_bytes()).collect();
        options.again.push_str(&format!("{name}={value}&"));
    }
    Ok(options)
}

/// `a eq 'x' and b eq 'y'`
fn filter(text: &str) -> Option<Vec<(String, Value)>> {
    let one = |part: &str| {
        let (name, value) = part.trim().split_once(" eq ")?;
        let value = match value.trim() {
            "true" => json!(true),
            "false" => json!(false),
            "null" => Value::Null,
            text => json!(text.strip_prefix('\'')?.strip_suffix('\'')?.replace("''", "'")),
        };
        Some((name.trim().to_owned(), value))
    };
    text.split(" and ").map(one).collect()
}

fn property<'v>(item: &'v Value, name: &str) -> Option<&'v Value> {
    item.as_object()?.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

/// Graph compares text without case.
fn same(found: Option<&Value>, wanted: &Value) -> bool {
    match (found, wanted) {
        (Some(Value::String(found)), Value::String(wanted)) => found.eq_ignore_ascii_case(wanted),
        (None, Value::Null) => true,
        (found, wanted) => found == Some(wanted),
    }
}

fn picked(item: Value, options: &Options) -> Value {
    match (&options.select, item) {
        (Some(select), Value::Object(members)) => {
            let wanted = |name: &str| {
                name.starts_with("@odata.") || select.iter().any(|s| s.eq_ignore_ascii_case(name))
            };
            members.into_iter().filter(|(name, _)| wanted(name)).collect()
        }
        (_, item) => item,
    }
}
