//! A browser that is good enough for the lab's pages: one cookie, forms, no scripts.

use std::collections::HashMap;

use entra_lab::EntraLab;

use super::{PASSWORD, client, members};

/// One browser with its cookie for the lab.
#[derive(Debug)]
pub struct Browser {
    base: String,
    pub cookie: Option<String>,
    client: reqwest::Client,
}

/// What the browser got.
#[derive(Debug)]
pub struct Page {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub location: Option<String>,
    pub body: String,
}

impl Browser {
    pub fn new(lab: &EntraLab) -> Self {
        Self { base: lab.url().to_owned(), cookie: None, client: client() }
    }

    /// The same at the lab's HTTPS address, which the tokens then carry.
    pub fn over_https(lab: &EntraLab) -> Self {
        let ca = reqwest::Certificate::from_pem(lab.ca_pem().as_bytes()).unwrap();
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let client = client.tls_certs_only([ca]).build().unwrap();
        Self { base: lab.https_url(), cookie: None, client }
    }

    pub async fn open(&mut self, url: &str) -> Page {
        self.send(self.client.get(url)).await
    }

    /// Presses a button of the page: its form's hidden fields go along.
    pub async fn submit(&mut self, page: &Page, fields: &[(&str, &str)]) -> Page {
        let hidden = [("transaction", page.hidden("transaction")), ("form_token", page.hidden("form_token"))];
        let mut form: Vec<(&str, &str)> = hidden.iter().map(|(n, v)| (*n, v.as_str())).collect();
        form.extend_from_slice(fields);
        let url = format!("{}{}", self.base, page.between("action=\"", "\""));
        self.send(self.client.post(url).form(&form)).await
    }

    /// Posts a form that has no hidden fields.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        self.send(self.client.post(format!("{}{path}", self.base)).form(fields)).await
    }

    pub async fn pick(&mut self, page: &Page, user: &str) -> Page {
        self.submit(page, &[("action", "account"), ("account", user)]).await
    }

    pub async fn type_password(&mut self, page: &Page, password: &str) -> Page {
        self.submit(page, &[("action", "password"), ("password", password)]).await
    }

    pub async fn accept(&mut self, page: &Page) -> Page {
        self.submit(page, &[("action", "accept")]).await
    }

    /// Picks the account, types the password and agrees, as far as the lab asks.
    pub async fn sign_in(&mut self, url: &str, user: &str) -> Page {
        let mut page = self.open(url).await;
        if page.is("Pick an account") {
            page = self.pick(&page, user).await;
        }
        if page.is("Enter password") {
            page = self.type_password(&page, PASSWORD).await;
        }
        if page.is("Permissions requested") {
            page = self.accept(&page).await;
        }
        page
    }

    async fn send(&mut self, mut request: reqwest::RequestBuilder) -> Page {
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", format!("entra_lab_session={cookie}"));
        }
        let response = request.send().await.unwrap();
        let headers = response.headers().clone();
        if let Some(set) = headers.get("set-cookie") {
            let value = set.to_str().unwrap().strip_prefix("entra_lab_session=").unwrap();
            self.cookie = Some(value.split(';').next().unwrap().to_owned()).filter(|v| !v.is_empty());
        }
        Page {
            status: response.status().as_u16(),
            location: headers.get("location").map(|v| v.to_str().unwrap().to_owned()),
            headers,
            body: response.text().await.unwrap(),
        }
    }
}

impl Page {
    /// Whether this is the page with this title.
    pub fn is(&self, title: &str) -> bool {
        self.body.contains(&format!("<title>{title} "))
    }

    pub fn hidden(&self, name: &str) -> String {
        self.between(&format!("name=\"{name}\" value=\""), "\"")
    }

    pub fn between(&self, start: &str, end: &str) -> String {
        let from = self.body.split_once(start).unwrap_or_else(|| panic!("no {start} in {}", self.body)).1;
        from.split_once(end).unwrap().0.to_owned()
    }

    /// The members of the answer in the query of the redirect.
    pub fn query(&self) -> HashMap<String, String> {
        let location = self.location.as_deref().unwrap_or_else(|| panic!("no redirect: {}", self.body));
        members(location.split_once('?').unwrap_or_default().1)
    }

    /// The lab shows a page, because it does not trust the way back.
    pub fn assert_error_page(&self, code: u32) {
        assert_eq!((self.status, self.location.as_deref()), (400, None), "{}", self.body);
        assert!(self.body.contains(&format!("id=\"code\">AADSTS{code}<")), "{}", self.body);
        assert!(self.body.contains("What to do:"), "{}", self.body);
    }

    /// The application is told.
    pub fn assert_sent_back(&self, error: &str, code: u32) {
        let members = self.query();
        assert_eq!(members["error"], error, "{members:?}");
        assert!(members["error_description"].starts_with(&format!("AADSTS{code}: ")), "{members:?}");
        assert_eq!(members["state"], "the state");
    }
}
