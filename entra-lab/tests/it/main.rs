//! The lab over HTTP: one file per endpoint or grant, every test a sentence about what it answers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

mod admin_consent;
mod authorization_code;
mod authorize;
mod azure;
mod client_assertion;
mod client_authentication;
mod client_credentials;
mod combined_consent;
mod consent;
mod controls;
mod device_code;
mod discovery;
mod error_lab;
mod faults;
mod forge;
mod garbage;
mod graph_batch;
mod graph_groups;
mod graph_lab;
mod graph_mail;
mod graph_people;
mod graph_photo;
mod graph_refusals;
mod graph_registrations;
mod groups;
mod home_page;
mod https;
mod jwks;
mod logout;
mod loops;
mod on_behalf_of;
mod parity;
mod password;
mod people_in_trouble;
mod policy;
mod program;
mod prompts;
mod refresh_token;
mod seed;
mod token_endpoint;
mod use_from_anywhere;
mod userinfo;
mod version1;
