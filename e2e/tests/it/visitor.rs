//! Somebody with a cookie jar and no browser, for journeys of hundreds of people: follows redirects, fills Entra's forms.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use reqwest::{Client, RequestBuilder};
use url::Url;

/// A visitor of one site that has several replicas, and of the lab.
pub struct Visitor {
    pub user: String,
    cookies: HashMap<String, HashMap<String, String>>,
    http: Client,
    /// The origin that the site says it has.
    public: Url,
    /// Where it really listens, one address for each replica.
    replicas: Vec<Url>,
    next: usize,
    pub figures: Figures,
}

/// What it was like.
#[derive(Debug, Default, Clone, Copy)]
pub struct Figures {
    pub requests: usize,
    /// Requests that one replica did not serve and the next one did.
    pub retries: usize,
    pub longest_wait: Duration,
}

impl Figures {
    pub fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.retries += other.retries;
        self.longest_wait = self.longest_wait.max(other.longest_wait);
    }
}

/// The end of all redirects.
pub struct Page {
    pub status: u16,
    pub text: String,
    /// True where the way here led over the lab's pages.
    pub signed_in_anew: bool,
}

impl Visitor {
    pub fn new(user: &str, public: &str, replicas: &[String], number: usize) -> Self {
        let http = Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
        Self {
            user: user.to_owned(),
            cookies: HashMap::new(),
            http: http.timeout(Duration::from_secs(20)).build().unwrap(),
            public: public.parse().unwrap(),
            replicas: replicas.iter().map(|replica| replica.parse().unwrap()).collect(),
            next: number,
            figures: Figures::default(),
        }
    }

    /// Opens a page of the site; signs in where Entra wants it.
    pub async fn open(&mut self, path: &str) -> Page {
        let mut url = self.public.join(path).unwrap();
        let mut form: Option<Vec<(String, String)>> = None;
        let mut signed_in_anew = false;
        for _ in 0..16 {
            let (status, location, text) = self.ask(&url, form.take()).await;
            if let Some(location) = location {
                url = url.join(&location).unwrap();
                continue;
            }
            if url.origin() == self.public.origin() {
                return Page { status, text, signed_in_anew };
            }
            signed_in_anew = true;
            let (action, fields) = self.fill(&text);
            url = url.join(&action).unwrap();
            form = Some(fields);
        }
        panic!("{}: the redirects do not end, at {}", self.user, url.path());
    }

    /// Sends a form of the site's own page and goes nowhere; the status.
    pub async fn post(&mut self, path: &str, form: Vec<(String, String)>) -> u16 {
        self.ask(&self.public.join(path).unwrap(), Some(form)).await.0
    }

    /// One request; at the site, of the next replica that answers.
    async fn ask(&mut self, url: &Url, form: Option<Vec<(String, String)>>) -> (u16, Option<String>, String) {
        let ours = url.origin() == self.public.origin();
        let begun = Instant::now();
        for attempt in 0..self.replicas.len() * 4 {
            let mut address = url.clone();
            if ours {
                self.next += 1;
                address.set_port(self.replicas[self.next % self.replicas.len()].port()).unwrap();
            }
            let request = match &form {
                Some(form) => self.http.post(address).form(form),
                None => self.http.get(address),
            };
            let answer = self.with_cookies(request, url).send().await;
            let answer = match answer {
                Ok(answer) if !ours || answer.status().as_u16() < 500 => answer,
                Ok(answer) if attempt > 2 => {
                    let status = answer.status();
                    let page = answer.text().await.unwrap_or_default();
                    panic!("{}: {status} for {}:\n{page}", self.user, url.path())
                }
                Err(error) if attempt > 2 => panic!("{}: {error} for {}", self.user, url.path()),
                _ => {
                    self.figures.retries += 1;
                    continue;
                }
            };
            self.keep_cookies(url, &answer);
            let status = answer.status().as_u16();
            let location = answer.headers().get("location").map(|value| value.to_str().unwrap().to_owned());
            let text = answer.text().await.unwrap_or_default();
            if ours {
                self.figures.requests += 1;
                self.figures.longest_wait = self.figures.longest_wait.max(begun.elapsed());
            }
            return (status, location, text);
        }
        panic!("{}: no replica answers", self.user);
    }

    fn with_cookies(&self, request: RequestBuilder, url: &Url) -> RequestBuilder {
        let Some(cookies) = self.cookies.get(&url.origin().ascii_serialization()) else { return request };
        let pairs: Vec<_> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        request.header("cookie", pairs.join("; "))
    }

    fn keep_cookies(&mut self, url: &Url, answer: &reqwest::Response) {
        let jar = self.cookies.entry(url.origin().ascii_serialization()).or_default();
        for cookie in answer.headers().get_all("set-cookie") {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            jar.insert(name.to_owned(), value.to_owned());
        }
    }

    /// Account, password, consent: whichever form the lab's page has.
    fn fill(&self, page: &str) -> (String, Vec<(String, String)>) {
        let (marker, name, value) = if page.contains("id=\"password\"") {
            ("id=\"password\"", "password", "Passw0rd!lab".to_owned())
        } else if page.contains("id=\"accept\"") {
            ("id=\"accept\"", "action", "accept".to_owned())
        } else {
            ("class=\"accounts\"", "account", format!("{}@contoso.test", self.user))
        };
        let form = page.split("<form").find(|form| form.contains(marker));
        let form = form.unwrap_or_else(|| panic!("{}: no form in\n{page}", self.user));
        let hidden = form.split("<input").filter(|input| input.contains("type=\"hidden\""));
        let mut fields: Vec<_> =
            hidden.map(|input| (attribute(input, "name"), attribute(input, "value"))).collect();
        fields.push((name.to_owned(), value));
        (attribute(form, "action"), fields)
    }
}

/// What an attribute of a tag holds.
pub fn attribute(tag: &str, name: &str) -> String {
    let rest = tag.split(&format!("{name}=\"")).nth(1).unwrap_or_default();
    rest.split('"').next().unwrap_or_default().replace("&amp;", "&")
}
