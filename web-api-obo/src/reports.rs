//! A report on the caller's mail that takes longer than a request may: started here, finished by a worker.
//!
//! 1. The request is accepted: its token is exchanged once, and the answer, 202, says where to look.
//! 2. A worker takes it up, in this replica or in another, also when the request and its token are long gone.
//! 3. It gets the user's token from the cache that the replicas share, or renews it, and reads page after page.
//! 4. The report waits for its owner for an hour.

use std::collections::BTreeMap;

use actix_web::http::header::{LOCATION, RETRY_AFTER};
use actix_web::{HttpResponse, Responder, web};
use serde::{Deserialize, Serialize};
use shared_auth::actix::{ApiError, UserCaller};
use shared_auth::background::{BackgroundWork, Progress, Task, TaskId};
use shared_auth::{DownstreamApi, Error, RedisCache};
use utoipa::ToSchema;

use crate::Shared;
use crate::graph::{Mail, Message, Page};
use crate::openapi::Refusals;

/// The reports of this API: nothing to be said when one is started, a [`Report`] in the end.
pub type Reports = BackgroundWork<(), Report>;

/// What is in the caller's mailbox.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub messages: u32,
    /// How many messages each sender wrote.
    pub senders: BTreeMap<String, u32>,
    /// When the latest one came (RFC 3339).
    pub latest: Option<String>,
}

/// How far a report is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReportStatus {
    /// `accepted`, `running`, `done`, `needs_the_user` or `failed`.
    pub status: &'static str,
    /// Where to ask again.
    pub status_url: String,
    pub report: Option<Report>,
}

impl ReportStatus {
    fn new(id: &TaskId, progress: Progress<Report>) -> Self {
        let (status, report) = match progress {
            Progress::Accepted => ("accepted", None),
            Progress::Running => ("running", None),
            Progress::Done(report) => ("done", Some(report)),
            Progress::NeedsTheUser => ("needs_the_user", None),
            _ => ("failed", None),
        };
        Self { status, status_url: format!("/api/reports/{id}"), report }
    }
}

/// Starts a report; the answer says where to look for it.
#[utoipa::path(post, path = "/api/reports", tag = "users", security(("entra" = ["access_as_user"])),
    responses((status = 202, body = ReportStatus, headers(("Location" = String))), Refusals))]
pub async fn start(caller: UserCaller, reports: web::Data<Reports>) -> Result<impl Responder, ApiError> {
    // Step 1.
    let id = reports.accept(&caller, "Mail.Read", &()).await?;
    let status = ReportStatus::new(&id, Progress::Accepted);
    let mut answer = HttpResponse::Accepted();
    Ok(answer
        .insert_header((LOCATION, status.status_url.clone()))
        .insert_header((RETRY_AFTER, "1"))
        .json(status))
}

/// How far a report is, for the user who started it; 404 for everybody else.
#[utoipa::path(get, path = "/api/reports/{id}", tag = "users", security(("entra" = ["access_as_user"])),
    params(("id" = String, Path, description = "From the address that the start gave.")),
    responses((status = 200, body = ReportStatus), (status = 404, body = crate::openapi::Problem), Refusals))]
pub async fn status(
    caller: UserCaller,
    id: web::Path<TaskId>,
    reports: web::Data<Reports>,
) -> Result<impl Responder, ApiError> {
    // Step 4.
    let progress = reports.progress(&caller, &id).await?.ok_or_else(ApiError::not_found)?;
    Ok(web::Json(ReportStatus::new(&id, progress)))
}

/// The reports, and the worker beside the requests; those of other replicas share its work.
pub fn begin(shared: &Shared, redis: Option<RedisCache>) -> Reports {
    let (reports, graph) = (Reports::new("reports", &shared.client).shared(redis), shared.graph.clone());
    tokio::spawn(reports.clone().run(move |task| write(graph.clone(), task)));
    reports
}

/// Steps 2 and 3, as the worker does them.
async fn write(graph: DownstreamApi, task: Task<()>) -> Result<Report, Error> {
    let mut report = Report { messages: 0, senders: BTreeMap::new(), latest: None };
    let mut next: Option<String> = None;
    for _ in 0..1_000 {
        let token = task.acquire_token("Mail.Read").await?;
        let page: Page<Mail> = match &next {
            None => graph.get("/me/messages", &token.access_token).query("$top", "5").await?,
            Some(link) => graph.get_link(link, &token.access_token).await?,
        };
        page.value.into_iter().map(Message::from).for_each(|message| report.count(message));
        next = page.next_link;
        if next.is_none() {
            break;
        }
    }
    Ok(report)
}

impl Report {
    fn count(&mut self, message: Message) {
        self.messages += 1;
        *self.senders.entry(message.from).or_default() += 1;
        self.latest = self.latest.take().max(Some(message.received_date_time));
    }
}
