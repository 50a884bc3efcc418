//! The journeys live in `tests/it`; this crate has no code of its own. Run them with `cargo xtask e2e`.
