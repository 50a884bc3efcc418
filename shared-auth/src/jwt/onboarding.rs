//! Tenants that are on no list: the program is asked, and its answer holds for a while.
//!
//! A tenant's id comes out of a token that the authority signed, so nobody can make this ask about tenants that do not
//! exist; the answers are kept for a bounded number of them all the same.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use quick_cache::sync::Cache;

use super::claims::Claims;
use super::key_set::KeySet;
use super::rejection::{Check, TokenRejection};
use crate::authority::Expected;
use crate::error::Error;

/// How soon a tenant that has left is noticed.
const YES_HOLDS: SignedDuration = SignedDuration::from_mins(5);
/// How soon a tenant that has just been taken on gets in.
const NO_HOLDS: SignedDuration = SignedDuration::from_mins(1);
const REMEMBERED_TENANTS: usize = 10_000;

type Ask = dyn Fn(String) -> BoxFuture<'static, Result<bool, Error>> + Send + Sync;

/// Decides about the tenants of an authority for several tenants (`common`, `organizations`) that are not on the list
/// of [`EntraConfig::allowed_tenants`](crate::EntraConfig::allowed_tenants). Clones share the answers.
///
/// ```
/// use shared_auth::TenantOnboarding;
///
/// # async fn is_customer(_: &str) -> bool { true }
/// let customers = TenantOnboarding::new(|tenant_id: String| async move { Ok(is_customer(&tenant_id).await) });
/// ```
#[derive(Clone)]
pub struct TenantOnboarding {
    ask: Arc<Ask>,
    answers: Arc<Cache<String, Answer>>,
}

#[derive(Debug, Clone, Copy)]
struct Answer {
    yes: bool,
    until: Timestamp,
}

impl TenantOnboarding {
    /// `ask` gets the tenant's id and says whether its users and applications are let in. It is asked at the first
    /// token of a tenant, again after five minutes (after one, where it said no), and perhaps more than once at the
    /// same time. Where it cannot say, its error becomes the answer to the request, and nothing is remembered.
    pub fn new<F, A>(ask: F) -> Self
    where
        F: Fn(String) -> A + Send + Sync + 'static,
        A: Future<Output = Result<bool, Error>> + Send + 'static,
    {
        let answers = Arc::new(Cache::new(REMEMBERED_TENANTS));
        Self { ask: Arc::new(move |tenant_id| ask(tenant_id).boxed()), answers }
    }

    async fn admits(&self, tenant_id: &str, now: Timestamp) -> Result<Answer, Error> {
        let recent = |answer: &Answer| {
            let left = answer.until.duration_since(now);
            left.is_positive() && left <= YES_HOLDS
        };
        if let Some(answer) = self.answers.get(tenant_id).filter(recent) {
            return Ok(answer);
        }
        let yes = (self.ask)(tenant_id.to_owned()).await?;
        let holds = if yes { YES_HOLDS } else { NO_HOLDS };
        let answer = Answer { yes, until: now.checked_add(holds).unwrap_or(now) };
        self.answers.insert(tenant_id.to_owned(), answer);
        Ok(answer)
    }
}

impl fmt::Debug for TenantOnboarding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantOnboarding").field("answers", &self.answers.len()).finish_non_exhaustive()
    }
}

/// Check 10, first half: what a token with these claims must name, if its tenant is let in; and until when that holds,
/// where somebody was asked.
pub(super) async fn let_in<'s>(
    set: &'s KeySet,
    claims: &Claims<'_>,
    onboarding: Option<&TenantOnboarding>,
    now: Timestamp,
) -> Result<(Expected<'s>, Option<Timestamp>), Error> {
    let rule = &set.source.rule;
    let refuse = |detail| TokenRejection::new(Check::Tenant, detail);
    // With one tenant the token's own word is not asked for.
    let tid = if rule.is_multi_tenant() { claims.guid(Check::Tenant, "tid")? } else { "" };
    let expected = rule.expects(tid).map_err(refuse)?;
    let Some(onboarding) = onboarding.filter(|_| rule.is_multi_tenant() && !rule.lists(tid)) else {
        rule.lets_in(tid).map_err(refuse)?;
        return Ok((expected, None));
    };
    let answer = onboarding.admits(tid, now).await?;
    match answer.yes {
        true => Ok((expected, Some(answer.until))),
        false => Err(refuse(format!("expected a tenant that was taken on, found {tid}, which was not"))
            .fix("Take the tenant on in this service first; it is asked about again after a minute.")
            .into()),
    }
}
