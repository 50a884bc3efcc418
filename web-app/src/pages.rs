//! The pages: a struct for each template, and a function that fills it. Nothing is fetched or decided here.
//!
//! Everything that comes from outside is escaped by askama. There is no inline script and no inline style, because the
//! Content-Security-Policy of the app allows neither. The one script is a file, and every page works without it.

use actix_web::web::Html;
use askama::Template;
use shared_auth::TokenSource;
use shared_auth::actix::{Failure, SignedInUser};

use crate::apis::{Me, Message, Profile};
use crate::glossary;
use crate::story::Story;

/// The pages for signed-in users, in the order of the navigation.
pub const NAVIGATION: &[(&str, &str)] = &[
    ("/", "Home"),
    ("/profile", "Profile"),
    ("/messages", "Messages"),
    ("/graph", "Graph"),
    ("/claims", "Claims"),
];

/// What every page has around its content.
struct Frame<'a> {
    path: &'static str,
    user: Option<Person<'a>>,
    story: Story,
}

/// The user, as the top of the page shows them.
struct Person<'a> {
    name: &'a str,
    username: &'a str,
    csrf_token: &'a str,
}

impl<'a> Frame<'a> {
    fn new(path: &'static str, user: Option<&'a SignedInUser>, story: Story) -> Self {
        let user = user.map(|user| Person {
            name: user.name(),
            username: user.username(),
            csrf_token: user.csrf_token(),
        });
        Self { path, user, story }
    }
}

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage<'a> {
    frame: Frame<'a>,
}

pub fn home(user: Option<&SignedInUser>) -> Html {
    let story = match user {
        Some(_) => Story::from_session("the cookie led to your session. No token was needed for this page."),
        None => Story::untold("What happens when you sign in"),
    };
    html(&HomePage { frame: Frame::new("/", user, story) })
}

#[derive(Template)]
#[template(path = "profile.html")]
struct ProfilePage<'a> {
    frame: Frame<'a>,
    profile: &'a Profile,
    source: TokenSource,
}

pub fn profile(user: &SignedInUser, profile: &Profile, source: TokenSource) -> Html {
    let story = Story::through_api(source, Some(&profile.graph_token_from));
    html(&ProfilePage { frame: Frame::new("/profile", Some(user), story), profile, source })
}

#[derive(Template)]
#[template(path = "messages.html")]
struct MessagesPage<'a> {
    frame: Frame<'a>,
    messages: &'a [Message],
    source: TokenSource,
}

pub fn messages(user: &SignedInUser, messages: &[Message], source: TokenSource) -> Html {
    let story = Story::through_api(source, None);
    html(&MessagesPage { frame: Frame::new("/messages", Some(user), story), messages, source })
}

#[derive(Template)]
#[template(path = "graph.html")]
struct GraphPage<'a> {
    frame: Frame<'a>,
    me: &'a Me,
    source: TokenSource,
}

pub fn graph(user: &SignedInUser, me: &Me, source: TokenSource) -> Html {
    html(&GraphPage { frame: Frame::new("/graph", Some(user), Story::from_graph(source)), me, source })
}

#[derive(Template)]
#[template(path = "claims.html")]
struct ClaimsPage<'a> {
    frame: Frame<'a>,
    claims: Vec<Claim<'a>>,
}

struct Claim<'a> {
    name: &'a str,
    value: String,
    meaning: &'static str,
}

pub fn claims(user: &SignedInUser) -> Html {
    let story = Story::from_session("the claims were kept with your session when you signed in.");
    let claims = user.claims().all.iter().map(|(name, value)| Claim {
        name,
        value: readable(name, value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
        meaning: glossary::meaning(name),
    });
    html(&ClaimsPage { claims: claims.collect(), frame: Frame::new("/claims", Some(user), story) })
}

#[derive(Template)]
#[template(path = "failure.html")]
struct FailurePage<'a> {
    frame: Frame<'a>,
    failure: &'a Failure,
}

/// Every failure is a page that says what happened and what to do; the library fills in the texts.
pub fn failure(failure: &Failure, user: Option<&SignedInUser>) -> String {
    let story = Story::untold("The story in which this happened");
    text(&FailurePage { frame: Frame::new("", user, story), failure })
}

/// The picture of somebody who has none: their initials on a disc.
pub fn initials(name: &str) -> String {
    let letters = name.split_whitespace().filter_map(|word| word.chars().find(|c| c.is_alphanumeric()));
    text(&Initials { letters: letters.take(2).flat_map(char::to_uppercase).collect() })
}

#[derive(Template)]
#[template(path = "initials.svg", escape = "html")]
struct Initials {
    letters: String,
}

/// A moment with its date beside the number.
fn readable(claim: &str, value: String) -> String {
    let moment = value.parse().ok().filter(|_| glossary::is_a_moment(claim));
    match moment.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok()) {
        Some(moment) => format!("{value} = {}", moment.strftime("%-d %B %Y, %H:%M:%S UTC")),
        None => value,
    }
}

fn html(page: &impl Template) -> Html {
    Html::new(text(page))
}

/// Rendering fails only when a value cannot be written, which none of ours does; the text is for that case.
fn text(page: &impl Template) -> String {
    page.render().unwrap_or_else(|error| {
        tracing::error!("a page could not be written: {error}");
        "This page could not be written. The log of the web app says why.".to_owned()
    })
}
