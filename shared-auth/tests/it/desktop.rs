//! The public client against the lab: the browser's way, the device's way, and what comes after.

#[cfg(target_os = "linux")]
mod broker;
#[cfg(target_os = "linux")]
mod bus;
mod device_code;
mod disk;
mod family;
mod interactive;
#[cfg(target_os = "linux")]
mod key_store;
mod loopback;
mod password;
mod silent;

use std::sync::Arc;

use entra_lab::EntraLab;
use shared_auth::{AppRegistration, ManualClock, PublicClient};
use tokio::sync::mpsc;
use url::Url;

use crate::support::{Person, now};

pub const DESKTOP: &str = "c0ffee00-0000-4000-8000-000000006000";

pub fn registration(lab: &EntraLab) -> AppRegistration {
    AppRegistration::new(lab.url().parse().unwrap(), lab.tenant_id().to_string(), DESKTOP)
}

pub fn client(lab: &EntraLab) -> PublicClient {
    PublicClient::new(registration(lab)).unwrap()
}

/// A client whose clock is moved by hand; it starts at the present, where the lab is as well.
pub fn client_with_clock(lab: &EntraLab) -> (PublicClient, ManualClock) {
    let clock = ManualClock::at(now());
    let client = PublicClient::builder(registration(lab)).clock(Arc::new(clock.clone())).build();
    (client.unwrap(), clock)
}

/// A browser that does nothing but tell the test which address it was given.
pub fn browser() -> (impl FnOnce(&Url) -> std::io::Result<()> + Send + 'static, mpsc::UnboundedReceiver<Url>)
{
    let (tell, told) = mpsc::unbounded_channel();
    let open = move |url: &Url| tell.send(url.clone()).map_err(std::io::Error::other);
    (open, told)
}

/// Signs `user` in at the lab's pages, and returns the form that the pages send to the loopback port.
pub async fn at_the_sign_in_page(address: &Url, user: &str) -> Vec<(String, String)> {
    Person::default().sign_in_for_form(address.as_str(), user).await
}

/// What the address asked for.
pub fn parameter(address: &Url, name: &str) -> String {
    let found = address.query_pairs().find(|(key, _)| key == name);
    found.unwrap_or_else(|| panic!("no {name} in {address}")).1.into_owned()
}

pub fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

/// A whole sign-in with the browser's way.
pub async fn sign_in(client: &PublicClient, user: &str, scopes: &str) -> shared_auth::SignIn {
    let (open, mut told) = browser();
    let request = client.acquire_token_interactive(scopes).open_with(open);
    let waiting = tokio::spawn(async move { request.await });
    let address = told.recv().await.unwrap();
    let form = at_the_sign_in_page(&address, user).await;
    let page = http().post(parameter(&address, "redirect_uri")).form(&form).send().await.unwrap();
    assert_eq!(page.status(), 200);
    waiting.await.unwrap().unwrap()
}
