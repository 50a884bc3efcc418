//! How a client proves who it is: what reaches the token endpoint, and what happens when it is not taken.
//!
//! The token endpoint here is a fake that keeps the forms, so that each assertion can be checked against the
//! certificate; `lab.rs` goes the whole way.

mod assertion;
mod certificate;
mod certificate_files;
mod federated;
mod from_env;
mod key_vault;
mod lab;
mod list;
mod logs;
mod managed_identity;
mod pki;
pub mod sts;
