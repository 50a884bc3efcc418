//! Tokens: what stands in them, how they are signed, how one of our own is checked again.

pub mod claims;
pub mod mint;
pub mod person;
pub mod signed;
pub mod verify;
