//! `/me/messages` and `/users/{id}/messages`: newest first, page by page with `$skip`.
//!
//! A user reads their own mailbox only; an application with a mail role reads any. `Mail.ReadBasic`
//! shows the envelope without body and preview.

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::directory::{Message, User};
use crate::graph::call::Call;
use crate::graph::caller::Caller;
use crate::graph::entity::{Entity, Page};
use crate::graph::errors::GraphError;
use crate::graph::permissions::{MAIL, MAIL_IN_FULL};
use crate::graph::query::{Options, Supported};

const PAGE: u32 = 10;

const PROPERTIES: &[&str] = &[
    "id",
    "createdDateTime",
    "lastModifiedDateTime",
    "receivedDateTime",
    "sentDateTime",
    "subject",
    "bodyPreview",
    "body",
    "from",
    "sender",
    "toRecipients",
    "isRead",
    "isDraft",
    "hasAttachments",
    "importance",
    "conversationId",
    "internetMessageId",
    "parentFolderId",
    "categories",
    "webLink",
    "flag",
];

const SUPPORTED: Supported =
    Supported { entity: "message", options: &["top", "skip", "select"], properties: PROPERTIES, most: 1000 };

/// `GET /me/messages`
pub fn mine(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    let caller = Caller::with_user(call)?;
    caller.must(&MAIL, GraphError::mailbox_denied)?;
    mailbox(call, &caller, caller.me()?, "me/messages")
}

/// `GET /users/{id or sign-in name}/messages`
pub fn of_user(call: &Call<'_>) -> Result<HttpResponse, GraphError> {
    let caller = Caller::of(call)?;
    caller.must(&MAIL, GraphError::mailbox_denied)?;
    let wanted = call.path_part("user");
    if !caller.is_app() && !caller.is_me(wanted) {
        return Err(GraphError::foreign_mailbox());
    }
    let user = caller.user(wanted)?;
    mailbox(call, &caller, user, &format!("users/{}/messages", user.id))
}

fn mailbox(call: &Call<'_>, caller: &Caller, user: &User, path: &str) -> Result<HttpResponse, GraphError> {
    let options = Options::read(&call.ask.query, &SUPPORTED)?;
    let address = user.mail.as_deref().ok_or_else(GraphError::no_mailbox)?;
    let mut messages: Vec<&Message> = user.messages.iter().collect();
    messages.sort_by_key(|m| std::cmp::Reverse(m.received));

    let start = options.skip.unwrap_or(0) as usize;
    let size = options.top.unwrap_or(PAGE) as usize;
    let in_full = caller.may(&MAIL_IN_FULL);
    let wanted = |name: &str| {
        // Outlook adds the id to every selection.
        let asked = name == "id" || options.wants(name, PROPERTIES);
        asked && (in_full || !matches!(name, "body" | "bodyPreview"))
    };
    let value: Vec<Entity> = messages
        .iter()
        .skip(start)
        .take(size)
        .map(|message| shown(message, user, address, &call.base_url()).keep(wanted))
        .collect();
    let end = start.saturating_add(value.len());
    let more = !value.is_empty() && end < messages.len();
    let next = || format!("{}/v1.0/{path}?{}", call.base_url(), options.next_query("skip", &end.to_string()));
    let page = Page {
        context: call.context(&format!("users('{}')/messages{}", user.id, options.selected())),
        next_link: more.then(next),
        value,
    };
    let mut response = call.json(&page);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private"));
    Ok(response)
}

fn shown(message: &Message, user: &User, address: &str, base_url: &str) -> Entity {
    // The seed has no ids for messages; these are the same at every start.
    let id = Uuid::new_v5(&user.id, format!("{}{}", message.received, message.subject).as_bytes());
    let id_in = |what: &str| {
        let second = Uuid::new_v5(&id, what.as_bytes());
        format!("AAMk{}", URL_SAFE_NO_PAD.encode([id.into_bytes(), second.into_bytes()].concat()))
    };
    let person = |name: &str, address: &str| json!({ "emailAddress": { "name": name, "address": address } });
    let from = person(&message.from_name, &message.from_address);
    let message_id = id_in("message");
    Entity::default()
        .with("@odata.etag", format!("W/\"{}\"", URL_SAFE_NO_PAD.encode(id.as_bytes())))
        .with("id", message_id.clone())
        .with("createdDateTime", json!(message.received))
        .with("lastModifiedDateTime", json!(message.received))
        .with("receivedDateTime", json!(message.received))
        .with("sentDateTime", json!(message.received))
        .with("subject", message.subject.as_str())
        .with("bodyPreview", message.preview.as_str())
        .with("body", json!({ "contentType": "text", "content": message.preview }))
        .with("from", from.clone())
        .with("sender", from)
        .with("toRecipients", Value::Array(vec![person(&user.display_name, address)]))
        .with("isRead", message.is_read)
        .with("isDraft", false)
        .with("hasAttachments", false)
        .with("importance", "normal")
        .with("conversationId", id_in("conversation"))
        .with(
            "internetMessageId",
            format!("<{id}@{}>", address.split('@').next_back().unwrap_or("localhost")),
        )
        .with("parentFolderId", id_in("inbox"))
        .with("categories", json!([]))
        .with("webLink", format!("{base_url}/#{message_id}"))
        .with("flag", json!({ "flagStatus": "notFlagged" }))
}
