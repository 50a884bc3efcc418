//! A good token, one change per row, and the check that must say no.
//!
//! The rows are meant to be read: the item of the security checklist, what was changed → which check. Form and header
//! stand here; `algorithms.rs`, `claims.rs` and `id_tokens.rs` have the rest, `keys.rs` the signing keys, which come and
//! go, and `remembered.rs` the tokens that were good before.

mod algorithms;
mod claims;
mod id_tokens;
mod keys;
mod remembered;

use base64::Engine;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use shared_auth::Caller;

use crate::tokens::{API, DAEMON_OBJECT, KEY, TENANT, TestAuthority, USER, WEB_APP, join, start, unsigned};

/// The number and subject of the item, and what was changed; the token; the check that refuses it.
type Row = (String, String, &'static str);

/// Every row is refused by its check, and the log line repeats nothing that could do harm.
async fn all_refused(authority: &TestAuthority, rows: Vec<Row>) {
    for (what, token, check) in rows {
        assert!(what.starts_with(|first: char| first.is_ascii_digit()), "each row names its item: {what}");
        let rejection = authority.rejection(&what, &token).await;

        assert_eq!(rejection.check.name(), check, "{what}: {rejection}");
        let line = rejection.to_string();
        assert!(line.len() < 700 && !line.chars().any(char::is_control), "{what}: {line:?}");
        assert!(token.len() < 20 || !line.contains(&token[..20]), "{what}: {line}");
    }
}

/// `claims` with one claim set.
fn with(claims: &Value, name: &str, value: impl Into<Value>) -> Value {
    let mut claims = claims.clone();
    claims[name] = value.into();
    claims
}

/// `claims` with one claim removed.
fn without(claims: &Value, name: &str) -> Value {
    let mut claims = claims.clone();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

/// The item of the checklist that a claim belongs to.
fn item(claim: &str) -> &'static str {
    match claim {
        "exp" => "31 to 33 expiry",
        "nbf" => "34 not before",
        "aud" => "38 and 39 audience",
        "iss" => "42 and 46 issuer",
        "tid" => "43 tenant",
        "ver" => "44 version",
        "scp" => "47 scopes",
        "roles" => "48 roles",
        "idtyp" => "50 kinds of callers",
        _ => "54 identity",
    }
}

/// Rows "`name` is `value`" for one claim.
fn each(claims: &Value, name: &str, check: &'static str, values: &[Value]) -> Vec<Row> {
    values
        .iter()
        .map(|value| {
            (
                format!("{}: {name} is {value}", item(name)),
                KEY.token(&with(claims, name, value.clone())),
                check,
            )
        })
        .collect()
}

fn missing(claims: &Value, name: &str, check: &'static str) -> Row {
    (format!("{}: {name} is missing", item(name)), KEY.token(&without(claims, name)), check)
}

fn row(what: &str, token: impl Into<String>, check: &'static str) -> Row {
    (what.to_owned(), token.into(), check)
}

fn header(change: &Value) -> String {
    let mut header = json!({"typ": "JWT", "alg": "RS256", "kid": "key-1"});
    for (name, value) in change.as_object().unwrap() {
        header[name] = value.clone();
    }
    header.to_string()
}

/// Claims that are not UTF-8, well signed.
fn not_text() -> String {
    let input = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header(&json!({}))),
        URL_SAFE_NO_PAD.encode(b"{\"a\":\"\xff\"}")
    );
    join(&input, &KEY.sign("RS256", &input))
}

#[tokio::test]
async fn good_tokens_say_who_is_calling() {
    let authority = TestAuthority::start().await;

    let user = authority.validate(&KEY.token(&authority.user_claims())).await.unwrap();
    let app = authority.validate(&KEY.token(&authority.app_claims())).await.unwrap();

    let Caller::User(user) = user else { panic!("{user:?}") };
    assert_eq!(
        (user.object_id.as_str(), user.tenant_id.as_str(), user.client_id.as_str()),
        (USER, TENANT, WEB_APP)
    );
    assert_eq!(user.username.as_deref(), Some("alice@contoso.test"));
    assert!(
        user.has_scope("access_as_user") && !user.has_scope("Access_As_User") && !user.has_scope("access")
    );
    assert!(!format!("{user:?}").contains("eyJ"), "the token is kept for on-behalf-of, and not printed");
    let Caller::App(app) = app else { panic!("{app:?}") };
    assert_eq!(app.object_id, DAEMON_OBJECT);
    assert!(app.has_role("Directory.Read") && !app.has_role("directory.read"));
    assert_eq!(authority.key_requests().await, 1);
}

/// Checklist 14, 27, 31.
#[tokio::test]
async fn harmless_differences_are_accepted() {
    let authority = TestAuthority::start().await;
    let claims = authority.user_claims();
    let now = start().as_second();
    let canary = authority.server.uri();
    let payload = claims.to_string();
    let tokens = [
        KEY.token_with(r#"{"alg":"RS256","kid":"key-1"}"#, &payload),
        KEY.token_with(&header(&json!({"typ": "at+jwt"})), &payload),
        // Where a token says its key can be found is nobody's business.
        KEY.token_with(
            &header(&json!({"jku": format!("{canary}/canary"), "x5u": format!("{canary}/canary")})),
            &payload,
        ),
        KEY.token(&with(&claims, "exp", now + 30)),
        KEY.token(&with(&claims, "exp", now - 59)),
        KEY.token(&with(&claims, "nbf", now + 60)),
        KEY.token(&without(&claims, "nbf")),
        KEY.token(&with(&claims, "aud", format!("api://{API}"))),
        KEY.token(&with(&claims, "scp", "other access_as_user")),
        KEY.token(&with(&claims, "idtyp", "user")),
        KEY.token(&with(&claims, "roles", json!(["Directory.Read"]))),
        KEY.token(&with(&claims, "groups", json!([{"unknown": ["claims", 1.5e300, null]}]))),
    ];
    for (at, token) in tokens.iter().enumerate() {
        assert!(matches!(authority.validate(token).await, Ok(Caller::User(_))), "token {at}");
    }
    let app = KEY.token(&with(&authority.app_claims(), "idtyp", "app"));
    assert!(matches!(authority.validate(&app).await, Ok(Caller::App(_))));

    let paths = authority.server.received_requests().await.unwrap();
    assert!(paths.iter().all(|request| !request.url.path().contains("canary")));
}

/// Checklist 1, 10, 11, 17, 18, 27 to 30, 52, 151.
#[tokio::test]
async fn form_and_header() {
    let authority = TestAuthority::start().await;
    let good = KEY.token(&authority.user_claims());
    let payload = authority.user_claims().to_string();
    let parts: Vec<&str> = good.split('.').collect();
    let [head, body, signature] = parts[..] else { panic!() };
    let padded = |text: &str| URL_SAFE.encode(text.as_bytes());
    let signed = |header: &str| KEY.token_with(header, &payload);

    let mut rows = vec![
        row("151 size: 16 KiB and a byte", "x".repeat(16 * 1024 + 1), "size"),
        row("151 size: 512 KiB", "x".repeat(512 * 1024), "size"),
        row("11 not three parts: empty", "", "shape"),
        row("52 not a token: an opaque string", "0.AAAA-refresh-token", "shape"),
        row("11 not three parts: one part", head, "shape"),
        row("11 not three parts: two parts", format!("{head}.{body}"), "shape"),
        row("11 not three parts: an empty signature", format!("{head}.{body}."), "shape"),
        row(
            "1 no algorithm: none, without a signature",
            format!("{}.", unsigned(r#"{"alg":"none"}"#, &payload)),
            "shape",
        ),
        row("11 not three parts: an empty header", format!(".{body}.{signature}"), "shape"),
        row("11 not three parts: four parts", format!("{good}.{signature}"), "shape"),
        row(
            "11 encrypted: five parts, as an encrypted token has",
            format!("{head}.{body}.{body}.{body}.{signature}"),
            "shape",
        ),
        row(
            "11 encrypted: and compressed, to far more than it seems",
            format!(
                "{}.{}.{}.{}.{}",
                URL_SAFE
                    .encode(r#"{"alg":"dir","enc":"A256GCM","zip":"DEF","kid":"key-1"}"#)
                    .trim_end_matches('='),
                "",
                "AAAAAAAAAAAAAAAA",
                "7cEBAQAAAICQ_q_uCAoAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".repeat(100),
                "AAAAAAAAAAAAAAAAAAAAAA"
            ),
            "shape",
        ),
        row(
            "11 nested: a good token is the text of another one",
            KEY.token_with(&header(&json!({})), &good),
            "payload",
        ),
        row(
            "11 nested: and the header says so",
            KEY.token_with(&header(&json!({"cty": "JWT"})), &good),
            "header",
        ),
        row("11 not three parts: 8000 dots", ".".repeat(8000), "shape"),
        row(
            "11 not three parts: JSON serialisation",
            json!({"payload": body, "signatures": []}).to_string(),
            "shape",
        ),
        row(
            "10 base64url: padding in the header",
            format!("{}.{body}.{signature}", padded(&header(&json!({"a": "b"})))),
            "shape",
        ),
        row("10 base64url: padding in the payload", format!("{head}.{body}=.{signature}"), "shape"),
        row("10 base64url: padding in the signature", format!("{good}=="), "shape"),
        row("10 base64url: the other alphabet", format!("{head}.{body}.+/{}", &signature[2..]), "shape"),
        row(
            "10 base64url: trailing bits that are not zero",
            format!("{head}.{body}.{}B", &signature[..signature.len() - 1]),
            "shape",
        ),
        row("10 base64url: a blank inside", format!("{head} .{body}.{signature}"), "shape"),
        row("10 base64url: a blank at the end", format!("{good} "), "shape"),
        row("10 base64url: a line break at the end", format!("{good}\n"), "shape"),
        row("10 base64url: letters that are not ASCII", format!("{head}.é{body}.{signature}"), "shape"),
        row(
            "29 members twice: a duplicate member",
            signed(r#"{"alg":"none","alg":"RS256","kid":"key-1"}"#),
            "header",
        ),
        row("30 strange JSON: trailing bytes", signed(&format!("{} x", header(&json!({})))), "header"),
        row(
            "17 strange key ids: a key id of 6 KB",
            signed(&header(&json!({"kid": "k".repeat(6000)}))),
            "key",
        ),
        row("18 no key id: no key id", signed(r#"{"typ":"JWT","alg":"RS256"}"#), "key"),
        row("30 strange JSON: 6000 levels", signed(&"[".repeat(6000)), "header"),
    ];
    for text in ["[]", "null", "7", "\"x\"", "{", "{\"alg\":NaN}", "\u{feff}{}"] {
        rows.push(row(&format!("30 strange JSON: the header is {text}"), signed(text), "header"));
    }
    for kid in [json!(null), json!(1), json!([]), json!({}), json!("")] {
        rows.push(row(
            &format!("17 strange key ids: kid is {kid}"),
            signed(&header(&json!({"kid": kid}))),
            "key",
        ));
    }
    for kid in [
        "KEY-1",
        "key-1 ",
        "../../etc/passwd",
        "/dev/null",
        "' or 1=1 --",
        "$(id)",
        "http://x/y",
        "a\u{0}b",
        "a\r\nlevel=ERROR",
        "🗝",
    ] {
        rows.push(row(
            &format!("17 strange key ids: kid is {kid:?}"),
            signed(&header(&json!({"kid": kid}))),
            "key",
        ));
    }
    for crit in [json!(["exp"]), json!(["b64"]), json!([]), json!(""), json!(null), json!("exp")] {
        rows.push(row(
            &format!("28 extensions: crit is {crit}"),
            signed(&header(&json!({"crit": crit}))),
            "header",
        ));
    }
    for (name, value) in
        [("ALG", "none"), ("Kid", "key-2"), ("zip", "DEF"), ("enc", "A256GCM"), ("cty", "JWT"), ("Crit", "x")]
    {
        let changed = signed(&header(&json!({ name: value })));
        rows.push(row(&format!("11 and 29 header members: {name}"), changed, "header"));
    }
    rows.push(row("28 extensions: b64 is false", signed(&header(&json!({"b64": false}))), "header"));
    for typ in [
        json!("logout+jwt"),
        json!("dpop+jwt"),
        json!("secevent+jwt"),
        json!("JWE"),
        json!(""),
        json!(null),
        json!(["JWT"]),
    ] {
        rows.push(row(&format!("27 types: typ is {typ}"), signed(&header(&json!({"typ": typ}))), "header"));
    }
    all_refused(&authority, rows).await;
}

/// Checklist 29, 30, 41.
#[tokio::test]
async fn payloads() {
    let authority = TestAuthority::start().await;
    let good = authority.user_claims().to_string();
    let twice = |member: &str| format!("{},{member}}}", good.trim_end_matches('}'));
    let rows = ["[]", "null", "7", "\"x\"", " ", "{", "{}x", "{\"exp\":1e999}", "{\"exp\":NaN}"]
        .map(str::to_owned)
        .into_iter()
        .chain([
            twice("\"aud\":\"other\""),
            twice(&format!("\"aud\":\"{API}\"")),
            twice("\"\\u0061ud\":1"),
            // A reader that does not tell upper from lower case would see two of them.
            twice("\"AUD\":\"other\""),
            twice("\"Tid\":\"20000000-0000-4000-8000-000000000002\""),
            twice("\"Roles\":[\"Directory.Read\"]"),
            twice("\"exp \":4102444800"),
            twice("\"\\u017fcp\":\"everything\""),
            "[".repeat(6000),
        ])
        .map(|payload| {
            (
                format!("29, 30 and 41 claims: {}", payload.chars().take(40).collect::<String>()),
                KEY.token_with(&header(&json!({})), &payload),
                "payload",
            )
        })
        .chain([
            row("30 strange JSON: bytes that are no text", not_text(), "payload"),
            row("30 strange JSON: no claims at all", KEY.token_with(&header(&json!({})), ""), "shape"),
        ])
        .collect();
    all_refused(&authority, rows).await;
}
