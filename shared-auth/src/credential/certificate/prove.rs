//! When an assertion is signed, and with which certificate.
//!
//! Signing costs a millisecond, so an assertion serves all requests to its endpoint until five minutes before its end.
//! The certificate in hand is kept until the source has one that is better: valid, complete, and readable.

use std::sync::Arc;

use jiff::SignedDuration;

use super::source::Look;
use super::{ClientCertificate, NEAR_THE_END, Remembered, SigningCertificate, assertion};
use crate::credential::{Proof, ProofContext};
use crate::env::ConfigError;
use crate::error::Error;

/// An assertion is not used in the last five minutes of its ten.
const SPARE: SignedDuration = SignedDuration::from_mins(5);
/// One for each token endpoint and client; more than this is a program that serves very many tenants.
const REMEMBERED_ASSERTIONS: usize = 1024;

impl ClientCertificate {
    /// An assertion for the request at hand; `again` reads the source whatever it looks like, because Entra refused
    /// what was signed before.
    pub(in crate::credential) async fn prove(
        &self,
        context: &ProofContext<'_>,
        again: bool,
    ) -> Result<Proof, Error> {
        let certificate = self.current(context, again).await?;
        let now = context.now();
        certificate.check_dates(now).map_err(|reason| ConfigError::new(self.shared.name, reason))?;

        let asked = &context.asked;
        let key = (asked.token_endpoint.as_str().to_owned(), asked.client_id.clone());
        let made_with = self.style.mark(&certificate);
        if let Some(known) = self.state().assertions.get(&key)
            && known.made_with == made_with
            && known.from <= now
            && now < known.until
        {
            return Ok(Proof::Assertion { assertion: known.assertion.clone(), made_with });
        }
        let signed = assertion::sign(&certificate, self.style, asked, now)
            .map_err(|reason| ConfigError::new(self.shared.name, reason))?;
        let mut state = self.state();
        if state.assertions.len() >= REMEMBERED_ASSERTIONS {
            state.assertions.clear();
        }
        let (from, until) = (now, now + assertion::LIFETIME - SPARE);
        let remembered = Remembered { assertion: signed.clone(), made_with: made_with.clone(), from, until };
        state.assertions.insert(key, remembered);
        Ok(Proof::Assertion { assertion: signed, made_with })
    }

    /// The certificate to sign with: a newer one where the source has it.
    async fn current(
        &self,
        context: &ProofContext<'_>,
        again: bool,
    ) -> Result<Arc<SigningCertificate>, Error> {
        let now = context.now();
        let _one_reader = match self.shared.reading.try_lock() {
            Ok(reader) => reader,
            Err(_) => {
                // Somebody looks already, and a vault may take seconds. What we have serves in the meantime.
                let known = self.state().certificate.clone();
                match known.filter(|known| !again && known.check_dates(now).is_ok()) {
                    Some(known) => return Ok(known),
                    None => self.shared.reading.lock().await,
                }
            }
        };
        let (known, stamp) = {
            let mut state = self.state();
            if again {
                state.assertions.clear();
            }
            (state.certificate.clone(), state.stamp.clone())
        };
        let ending = known.as_ref().is_some_and(|known| known.not_after.duration_since(now) < NEAR_THE_END);
        let read =
            self.shared.source.read(self.shared.name, context, stamp.as_ref(), Look { ending, again }).await;
        match (read, known) {
            (Ok(None), Some(known)) => Ok(known),
            (Ok(None), None) => Err(ConfigError::new(self.shared.name, "holds no certificate").into()),
            (Ok(Some((read, stamp))), known) => {
                // Put there ahead of its time: the one in hand serves until then.
                if let Some(known) = &known
                    && read.check_dates(now).is_err()
                    && known.check_dates(now).is_ok()
                {
                    self.state().stamp = self.shared.source.settled(stamp);
                    return Ok(Arc::clone(known));
                }
                let unchanged = known.filter(|known| known.thumbprint() == read.thumbprint());
                let current = unchanged.unwrap_or_else(|| {
                    tracing::info!(subject = %read.subject, not_after = %read.not_after, "the client certificate was read");
                    Arc::new(read)
                });
                let mut state = self.state();
                (state.certificate, state.stamp) = (Some(Arc::clone(&current)), Some(stamp));
                Ok(current)
            }
            // Half written, or the vault is away: what we have still works.
            (Err(error), Some(known)) if known.check_dates(now).is_ok() => {
                tracing::warn!(%error, "a newer client certificate cannot be read; the one in hand goes on");
                if let Some(stamp) = self.shared.source.failed(now) {
                    self.state().stamp = Some(stamp);
                }
                Ok(known)
            }
            (Err(error), _) => Err(error),
        }
    }
}
