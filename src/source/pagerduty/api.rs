//! The requests that are made, each of which only reads.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{StatusCode, header};
use serde::Deserialize;

use super::wire::{Alert, Incident, LogEntry, Named, Service};
use super::{listing, normalise};
use crate::domain::Instant;
use crate::source::PollReport;
use crate::source::outbound::{Outbound, OutboundError, Page, Request};

/// PagerDuty's REST API, version 2.
#[derive(Debug)]
pub(super) struct Api {
    http: Outbound,
    /// The plan has no priorities: they are not asked for.
    without_priorities: AtomicBool,
}

/// Most alerts that are read of one incident: the earliest ones, as the first tells when it was
/// detected. A storm may have thousands.
pub(super) const MOST_ALERTS: usize = 100;

/// An interval, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) since: Instant,
    pub(super) until: Instant,
}

/// One incident, as the vendor answers for it.
#[derive(Debug)]
pub(super) enum One {
    Found(Box<Incident>),
    /// It is not there any more, or not for this token.
    Gone,
    /// It is there and cannot be read.
    Unreadable,
}

impl Window {
    /// The query's bounds, in whole seconds that do not cut anything off, and always with a zone:
    /// without one they would be read in the account's.
    fn bounds(self) -> (String, String) {
        let text = |at: Instant| at.format("%Y-%m-%dT%H:%M:%SZ").to_string();
        let fraction = self.until.timestamp_subsec_nanos() > 0;
        (text(self.since), text(self.until + chrono::TimeDelta::seconds(i64::from(fraction))))
    }
}

fn request(segments: &[&str]) -> Request {
    Request::to(segments.iter().copied())
        .accept("application/vnd.pagerduty+json;version=2")
        .header(header::CONTENT_TYPE, "application/json")
}

impl Api {
    pub(super) fn new(http: Outbound) -> Self {
        Self { http, without_priorities: AtomicBool::new(false) }
    }

    /// How many requests may be under way at a time.
    pub(super) fn concurrency(&self) -> usize {
        self.http.limits().max_in_flight
    }

    /// The account-wide log of an interval, newest first. Never the overview: it leaves changes of
    /// fields out. `None` if there are too many.
    pub(super) async fn log(
        &self,
        window: Window,
        report: &mut PollReport,
    ) -> Result<Option<Vec<LogEntry>>, OutboundError> {
        let (since, until) = window.bounds();
        let request = request(&["log_entries"]).query("since", since).query("until", until);
        listing::read(&self.http, &request, report).await
    }

    /// The whole log of one incident.
    pub(super) async fn log_of(
        &self,
        incident: &str,
        report: &mut PollReport,
    ) -> Result<Vec<LogEntry>, OutboundError> {
        let request = request(&["incidents", incident, "log_entries"]);
        let entries = listing::read(&self.http, &request, report).await?;
        entries.ok_or_else(|| endless(&format!("GET /incidents/{incident}/log_entries")))
    }

    /// The incidents that were created in an interval, whatever their status. `None` if there are
    /// too many.
    pub(super) async fn created(
        &self,
        window: Window,
        report: &mut PollReport,
    ) -> Result<Option<Vec<Incident>>, OutboundError> {
        let (since, until) = window.bounds();
        let request = request(&["incidents"]).query("since", since).query("until", until);
        self.incidents(&request, &["triggered", "acknowledged", "resolved"], report).await
    }

    /// The incidents that are open, however old. `None` if there are too many.
    pub(super) async fn open(
        &self,
        report: &mut PollReport,
    ) -> Result<Option<Vec<Incident>>, OutboundError> {
        let request = request(&["incidents"]).query("date_range", "all");
        self.incidents(&request, &["triggered", "acknowledged"], report).await
    }

    /// Array parameters need their brackets: without them the vendor ignores the filter.
    async fn incidents(
        &self,
        request: &Request,
        statuses: &[&str],
        report: &mut PollReport,
    ) -> Result<Option<Vec<Incident>>, OutboundError> {
        let mut request = request.clone().query("sort_by", "created_at:asc");
        for status in statuses {
            request = request.query("statuses[]", status);
        }
        if let Some(request) = self.including_priorities(&request) {
            let result = listing::read(&self.http, &request, report).await;
            if !self.plan_lacks_priorities(&result) {
                return result;
            }
        }
        listing::read(&self.http, &request, report).await
    }

    /// One incident as it is now, with its custom fields if they are wanted.
    pub(super) async fn incident(
        &self,
        id: &str,
        custom_fields: bool,
    ) -> Result<One, OutboundError> {
        #[derive(Deserialize)]
        struct Answer<'a> {
            #[serde(borrow)]
            incident: &'a serde_json::value::RawValue,
        }
        let mut request = request(&["incidents", id]);
        if custom_fields {
            request = request.query("include[]", "custom_fields");
        }
        let page = match self.get_with_priorities(&request).await {
            Ok(page) => page,
            Err(error) => match error.status() {
                Some(StatusCode::NOT_FOUND | StatusCode::GONE) => return Ok(One::Gone),
                Some(StatusCode::FORBIDDEN) => return Ok(One::Unreadable),
                _ => return Err(error),
            },
        };
        let answer: Answer<'_> = page.json_ref()?;
        Ok(match serde_json::from_str(answer.incident.get()) {
            Ok(incident) => One::Found(Box::new(incident)),
            Err(_) => One::Unreadable,
        })
    }

    async fn get_with_priorities(&self, request: &Request) -> Result<Page, OutboundError> {
        if let Some(request) = self.including_priorities(request) {
            let result = self.http.get(&request).await;
            if !self.plan_lacks_priorities(&result) {
                return result;
            }
        }
        self.http.get(request).await
    }

    fn including_priorities(&self, request: &Request) -> Option<Request> {
        let asked_for = !self.without_priorities.load(Ordering::Relaxed);
        asked_for.then(|| request.clone().query("include[]", "priorities"))
    }

    /// Whether a request for priorities failed because the plan has none; from then on they are
    /// not asked for.
    fn plan_lacks_priorities<T>(&self, result: &Result<T, OutboundError>) -> bool {
        let unpaid = |error: &OutboundError| error.status() == Some(StatusCode::PAYMENT_REQUIRED);
        let lacking = result.as_ref().is_err_and(unpaid);
        if lacking {
            self.without_priorities.store(true, Ordering::Relaxed);
        }
        lacking
    }

    /// The custom fields of one incident by name.
    pub(super) async fn field_values(
        &self,
        incident: &str,
    ) -> Result<BTreeMap<String, String>, OutboundError> {
        #[derive(Deserialize)]
        struct Answer {
            custom_fields: Vec<serde_json::Value>,
        }
        let request = request(&["incidents", incident, "custom_fields", "values"]);
        let answer: Answer = self.http.get(&request).await?.json()?;
        Ok(normalise::fields(&answer.custom_fields))
    }

    /// Whether the account has custom fields. Where it cannot be told, the reason.
    pub(super) async fn has_fields(&self) -> Result<Result<bool, String>, OutboundError> {
        #[derive(Deserialize)]
        struct Answer {
            fields: Vec<serde::de::IgnoredAny>,
        }
        match self.http.get(&request(&["incidents", "custom_fields"])).await {
            Ok(page) => Ok(Ok(!page.json::<Answer>()?.fields.is_empty())),
            Err(error) if is_refusal(&error) => Ok(Err(error.to_string())),
            Err(error) => Err(error),
        }
    }

    /// The earliest alerts of an incident, at most [`MOST_ALERTS`].
    pub(super) async fn alerts(
        &self,
        incident: &str,
        report: &mut PollReport,
    ) -> Result<Vec<Alert>, OutboundError> {
        let request = request(&["incidents", incident, "alerts"])
            .query("sort_by", "created_at:asc")
            .query("limit", MOST_ALERTS);
        match self.http.get(&request).await {
            Ok(page) => listing::first_page(&page, report),
            Err(error) if error.status() == Some(StatusCode::NOT_FOUND) => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// The services.
    pub(super) async fn services(
        &self,
        report: &mut PollReport,
    ) -> Result<Vec<Service>, OutboundError> {
        let services = listing::read(&self.http, &request(&["services"]), report).await?;
        services.ok_or_else(|| endless("GET /services"))
    }

    /// The names of all priorities. `None` if the plan has none, or the key may not see them.
    pub(super) async fn priority_names(&self) -> Result<Option<Vec<String>>, OutboundError> {
        #[derive(Deserialize)]
        struct Answer {
            priorities: Vec<Named>,
        }
        let request = request(&["priorities"]).query("limit", 100);
        self.names(&request, |answer: Answer| answer.priorities).await
    }

    /// The names of all custom fields of incidents. `None` if the plan has none, or the key may
    /// not see them.
    pub(super) async fn field_names(&self) -> Result<Option<Vec<String>>, OutboundError> {
        #[derive(Deserialize)]
        struct Answer {
            fields: Vec<Named>,
        }
        self.names(&request(&["incidents", "custom_fields"]), |answer: Answer| answer.fields).await
    }

    async fn names<T: serde::de::DeserializeOwned>(
        &self,
        request: &Request,
        list: impl Fn(T) -> Vec<Named>,
    ) -> Result<Option<Vec<String>>, OutboundError> {
        match self.http.get(request).await {
            Ok(page) => {
                let named = list(page.json()?).into_iter();
                Ok(Some(named.filter_map(|it| it.name.or(it.summary)).collect()))
            }
            Err(error) if is_refusal(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// When the oldest incident was triggered, if there is any.
    pub(super) async fn oldest(&self) -> Result<Option<Instant>, OutboundError> {
        let request = request(&["incidents"])
            .query("date_range", "all")
            .query("sort_by", "created_at:asc")
            .query("limit", 1);
        let page = self.http.get(&request).await?;
        let incidents: Vec<Incident> = listing::first_page(&page, &mut PollReport::default())?;
        Ok(incidents.first().map(|it| it.created_at))
    }

    /// Whether the plan has priorities. Where it has not, the vendor's words.
    pub(super) async fn priorities(&self) -> Result<Result<(), String>, OutboundError> {
        match self.http.get(&request(&["priorities"]).query("limit", 1)).await {
            Ok(_) => Ok(Ok(())),
            Err(error) if is_refusal(&error) => Ok(Err(error.to_string())),
            Err(error) => Err(error),
        }
    }
}

fn endless(request: &str) -> OutboundError {
    let reason = "the list has more items than can be reached".to_owned();
    OutboundError::Malformed { request: request.to_owned(), reason }
}

/// Whether the vendor will not give this to us, whatever we do: the plan or the key lacks it.
pub(super) fn is_refusal(error: &OutboundError) -> bool {
    matches!(
        error,
        OutboundError::Status { status, .. }
            if matches!(status.as_u16(), 400 | 402 | 403 | 404)
    )
}

impl Incident {
    /// How many alerts the vendor says that it has.
    pub(super) fn alert_count(&self) -> Option<usize> {
        usize::try_from(self.alert_counts?.all).ok()
    }

    /// What would change if anything about it did.
    pub(super) fn fingerprint(&self) -> String {
        let fact = normalise::incident(self, BTreeMap::new());
        let priority = fact.priority.as_deref().unwrap_or_default();
        let alerts = self.alert_count();
        format!("{:?} {:?} {priority} {alerts:?}", fact.updated_at, fact.status)
    }
}
