//! "How this page came to be": the numbered steps of `docs/scenarios/web-app.md`, and what happened in this request.
//!
//! The texts stand here once; a page says only which steps it took and where its tokens came from. The steps inside
//! the API carry the numbers of `docs/scenarios/web-api-on-behalf-of.md`.

use shared_auth::TokenSource;

/// One step, as the pages show it.
#[derive(Debug)]
pub struct Step {
    pub number: u8,
    pub text: &'static str,
    /// What happened in this request; `None` where the step was not part of it.
    pub now: Option<String>,
    /// The steps that another service took meanwhile.
    pub inside: Vec<Step>,
}

/// The steps at the foot of a page.
#[derive(Debug)]
pub struct Story {
    pub title: &'static str,
    pub before_title: &'static str,
    /// What happened earlier, folded away.
    pub before: Vec<Step>,
    pub steps: Vec<Step>,
}

const TITLE: &str = "How this page came to be";

const WEB_APP: [&str; 11] = [
    "The browser asks for a page that needs a user; there is none, so the sign-in begins.",
    "The app keeps what it must recognise later on the server, and sends the browser to Entra.",
    "The user signs in and agrees at Entra. The password never reaches this app.",
    "Entra sends the browser back with a code that works once.",
    "The app finds the sign-in that it began in this browser, and forgets it: it can be used only once.",
    "The app exchanges the code for tokens, server to server, and proves that both ends are its own.",
    "The ID token is checked: who issued it, for whom, until when, and that it answers this very sign-in.",
    "The tokens go to the cache on the server. The session gets a new id, and the cookie holds only that id.",
    "The page asks silently for an access token; the user notices nothing.",
    "The API is called with that token.",
    "Sign-out ends the session, empties the cache of this user and ends the session at Entra.",
];

const ON_BEHALF_OF: [&str; 8] = [
    "A request arrives with a bearer token.",
    "The token is checked: signature, issuer, audience, lifetime, tenant.",
    "The guard of the route asks for its scope.",
    "The cache is asked for a Graph token that was made from this incoming one.",
    "Nothing there: the API exchanges the incoming token for a Graph token at Entra.",
    "The Graph token is stored, never for longer than the incoming one lives.",
    "Microsoft Graph is called.",
    "The answer goes back to the web app.",
];

impl Story {
    /// The whole story, before anything of it has happened, or where a failure leaves open how far it came.
    pub fn untold(title: &'static str) -> Self {
        let steps = (1..=11).map(|number| web_app(number, None)).collect();
        Self { title, before_title: "", before: Vec::new(), steps }
    }

    /// A page that needs only the session.
    pub fn from_session(now: &str) -> Self {
        Self {
            title: TITLE,
            before_title: "Steps 1 to 7 happened when you signed in",
            before: (1..=7).map(|number| web_app(number, None)).collect(),
            steps: vec![web_app(8, Some(now.to_owned())), web_app(11, None)],
        }
    }

    /// A page that called Graph itself.
    pub fn from_graph(source: TokenSource) -> Self {
        let mut call = web_app(
            10,
            Some("the API is Microsoft Graph itself, which answered with the profile.".to_owned()),
        );
        call.text = "The API is called with that token; on this page there is nobody in between.";
        Self::after_sign_in(web_app(9, Some(told(source, "token for Graph"))), call)
    }

    /// A page whose data came through our API. `graph_token_from` is what the API says about its own token.
    pub fn through_api(source: TokenSource, graph_token_from: Option<&str>) -> Self {
        let mut call = web_app(10, Some("our API checked the token and answered.".to_owned()));
        let steps: &[u8] =
            if graph_token_from == Some("cache") { &[1, 2, 3, 4, 7, 8] } else { &[1, 2, 3, 4, 5, 6, 7, 8] };
        call.inside = steps.iter().map(|number| inside_api(*number, graph_token_from)).collect();
        Self::after_sign_in(web_app(9, Some(told(source, "token for the API"))), call)
    }

    fn after_sign_in(token: Step, call: Step) -> Self {
        Self {
            title: TITLE,
            before_title: "Steps 1 to 8 happened when you signed in",
            before: (1..=8).map(|number| web_app(number, None)).collect(),
            steps: vec![token, call, web_app(11, None)],
        }
    }
}

fn told(source: TokenSource, what: &str) -> String {
    match source {
        TokenSource::Cache => format!("the {what} was in the cache."),
        _ => format!("the {what} came from Entra, the identity provider, without a page for the user."),
    }
}

fn inside_api(number: u8, graph_token_from: Option<&str>) -> Step {
    let now = match (number, graph_token_from) {
        (4, Some("cache")) => Some("it was there, so the API did not ask Entra.".to_owned()),
        (4, Some(_)) => Some("it was not there.".to_owned()),
        _ => None,
    };
    let text = match (number, graph_token_from) {
        (5, None) => "If nothing is there, the API exchanges the incoming token for a Graph token at Entra.",
        _ => ON_BEHALF_OF[usize::from(number) - 1],
    };
    Step { number, text, now, inside: Vec::new() }
}

fn web_app(number: u8, now: Option<String>) -> Step {
    Step { number, text: WEB_APP[usize::from(number) - 1], now, inside: Vec::new() }
}
