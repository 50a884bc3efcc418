//! What the person sees, and what a script reads: sentences and colours for the one, JSON for the other.
//!
//! Results go to standard output, everything else to standard error. Colours and the turning wheel appear on a terminal
//! only.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is the program's face")]

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use console::style;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use shared_auth::Account;
use shared_auth::desktop::{DeviceFlow, SystemBrowser};
use url::Url;

use crate::answers::Profile;
use crate::exit::Ending;

/// The two ways to speak.
#[derive(Debug, Clone)]
pub struct Terminal {
    json: bool,
}

/// The wheel that turns while somebody is waited for; it stops with the last of its clones.
#[derive(Clone)]
pub struct Waiting(Arc<Wheel>);

struct Wheel(ProgressBar);

impl Drop for Wheel {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

impl Terminal {
    pub fn new(json: bool) -> Self {
        Self { json }
    }

    /// A sentence beside the result.
    pub fn say(&self, sentence: &str) {
        eprintln!("{sentence}");
    }

    /// Something that a person should know, on standard error.
    pub fn warn(&self, sentence: &str) {
        eprintln!("{} {sentence}.", style("note:").for_stderr().yellow());
    }

    pub fn browser(&self) -> Waiting {
        waiting("Waiting for you in the browser. Ctrl-C gives up.")
    }

    /// Opens the browser, and says where to go if none appears.
    pub fn open(&self, address: &Url, waiting: &Waiting) -> io::Result<()> {
        waiting.0.0.suspend(|| {
            self.say("Your browser opens to sign you in. If it does not, go to:");
            eprintln!("{}", style(address).for_stderr().cyan());
        });
        SystemBrowser::open(address)
    }

    pub fn device_code(&self, flow: &DeviceFlow, why: &str) -> Waiting {
        self.say(&format!("Signing in with a code ({why})."));
        let code = style(flow.user_code()).for_stderr().bold().yellow().to_string();
        self.say(&flow.message().replace(flow.user_code(), &code));
        waiting("Waiting for the code to be entered. Ctrl-C gives up.")
    }

    pub fn signed_in(&self, account: &Account) {
        self.result(json!({ "signedIn": shown(account) }), || {
            println!("{} Signed in as {}.", tick(), style(plain(&account.username)).bold());
        });
    }

    pub fn profile(&self, profile: &Profile) {
        self.result(json!(profile), || {
            println!("{} {}", tick(), style(plain(&profile.display_name)).bold());
            let lines = [
                ("Sign-in name", Some(&profile.user_principal_name)),
                ("Job", profile.job_title.as_ref()),
                ("Mail", profile.mail.as_ref()),
                ("Office", profile.office_location.as_ref()),
                ("Token from", Some(&profile.token_from)),
                ("Graph's from", Some(&profile.graph_token_from)),
            ];
            for (name, value) in lines {
                if let Some(value) = value {
                    println!("  {:<13} {}", style(name).dim(), plain(value));
                }
            }
        });
    }

    pub fn accounts(&self, accounts: &[Account]) {
        self.result(json!({ "accounts": accounts.iter().map(shown).collect::<Vec<_>>() }), || {
            if accounts.is_empty() {
                println!("Nobody is signed in.");
            }
            for account in accounts {
                println!("{}  {}", style(plain(&account.username)).bold(), style(&account.tenant_id).dim());
            }
        });
    }

    pub fn signed_out(&self, accounts: &[Account]) {
        self.result(
            json!({ "signedOut": accounts.iter().map(shown).collect::<Vec<_>>() }),
            || match accounts {
                [] => println!("Nobody was signed in."),
                accounts => {
                    let names: Vec<_> = accounts.iter().map(|account| plain(&account.username)).collect();
                    println!(
                        "{} Signed out: {}. The browser keeps its own session.",
                        tick(),
                        names.join(", ")
                    );
                }
            },
        );
    }

    /// The last words, and the exit code.
    pub fn end(&self, ending: Result<(), Ending>) -> ExitCode {
        let Err(ending) = ending else { return ExitCode::SUCCESS };
        let (code, word) = ending.code();
        if self.json {
            println!("{}", json!({ "error": word, "message": ending.sentence(), "exitCode": code }));
        }
        eprintln!("{} {}", style("desktop-app:").for_stderr().red().bold(), ending.sentence());
        ExitCode::from(code)
    }

    fn result(&self, value: Value, for_people: impl FnOnce()) {
        if self.json { println!("{value}") } else { for_people() }
    }
}

fn shown(account: &Account) -> Value {
    json!({
        "username": account.username,
        "tenantId": account.tenant_id,
        "homeAccountId": account.home_account_id,
    })
}

/// Text from a directory, which must not steer the terminal. JSON escapes it by itself.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

fn tick() -> impl std::fmt::Display {
    style("✓").green()
}

fn waiting(sentence: &'static str) -> Waiting {
    // A wheel and the lines of a log do not share a terminal.
    let wheel = match std::env::var_os("RUST_LOG") {
        None => ProgressBar::new_spinner().with_message(sentence),
        Some(_) => ProgressBar::hidden(),
    };
    if let Ok(look) = ProgressStyle::with_template("{spinner:.cyan} {msg} {elapsed:.dim}") {
        wheel.set_style(look);
    }
    // Hidden where standard error is no terminal.
    wheel.enable_steady_tick(Duration::from_millis(120));
    Waiting(Arc::new(Wheel(wheel)))
}
