//! What can be typed behind `desktop-app`.

use clap::{Parser, Subcommand};

/// Signs you in and shows your profile, as our API knows it.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong settings or arguments, 3 a sign-in is needed, \
    4 the sign-in was declined, 5 nobody finished it in time, 6 try again later, 130 cancelled"
)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
    /// One JSON object on standard output; what a person needs to read goes to standard error.
    #[arg(long, global = true)]
    pub json: bool,
    /// Only this account, such as alice@contoso.test.
    #[arg(long, global = true, value_name = "NAME")]
    pub user: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Signs you in, with the browser or with a code where there is none.
    SignIn {
        /// Shows a code to type on another device, even where a browser could be opened.
        #[arg(long)]
        device_code: bool,
    },
    /// Shows your profile; signs you in first if need be.
    Profile {
        /// Fails with exit code 3 instead of asking anybody.
        #[arg(long)]
        no_sign_in: bool,
    },
    /// Lists who has signed in here.
    Accounts,
    /// Forgets who has signed in here, and every token.
    SignOut,
    /// Lists the environment variables that are read.
    Settings,
}
