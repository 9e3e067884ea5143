//! What people call an item, and where they can look at it.
//!
//! Addresses are built from the configured web base and escaped names, so that nothing a vendor
//! sent becomes part of a page unexamined. The one address that a vendor gives must be https.

use chrono::NaiveDate;
use url::Url;

use super::item::Answers;
use super::ledger_items::Subject;
use super::params::Demand;
use super::{ItemId, Params};
use crate::domain::fact::FindingPlace;
use crate::domain::{RepositoryId, ServiceName, SourceName, Timeline};

/// A name and an address for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// For example `acme/web#12`.
    pub name: String,
    /// The page, where there is one.
    pub url: Option<Url>,
}

impl Link {
    /// The link of the item `id`.
    pub fn of(id: &ItemId, timeline: &Timeline, params: &Params) -> Self {
        let places = Places { timeline, params };
        match id {
            ItemId::Change { repository, number } => {
                let number = number.to_string();
                Self {
                    name: format!("{}#{number}", places.name(repository)),
                    url: places.in_repository(repository, &["pull", &number]),
                }
            }
            ItemId::Deployment { service, repository, native } => {
                places.deployment(service.as_str(), repository, native)
            }
            ItemId::Incident { source, native, episode } => {
                places.incident(source, native, *episode)
            }
            ItemId::Answers(it) => {
                let Answers { survey, wave, dimension, group, team, .. } = &**it;
                let of = team.as_ref().map_or("everybody else", |team| team.as_str());
                Self { name: format!("{survey} {wave}: {dimension}, {group}, {of}"), url: None }
            }
            ItemId::Entry { source, native } => places.entry(source, native),
            ItemId::CostDay { service, unit, day } => {
                let of = service.as_ref().map_or("no service", |it| it.as_str());
                let per = if unit.is_empty() { "" } else { &format!(" per {unit}") };
                let counted = service.as_ref().and_then(|it| places.counted(it, unit, *day));
                Self { name: format!("{of}, {day}{per}"), url: counted }
            }
            ItemId::Ledger { name, day, .. } => places.ledger(id, name, *day),
            ItemId::Burnt { slo, during: None } => {
                Self { name: format!("{slo}: unattributed"), url: None }
            }
            ItemId::Burnt { slo, during: Some(during) } => {
                let during = Self::of(during, timeline, params);
                Self { name: format!("{slo}: burnt while {}", during.name), url: during.url }
            }
            ItemId::Maintenance { name } => Self { name: format!("maintenance {name}"), url: None },
            ItemId::Issue { repository, number, life } => {
                let mut name = format!("{}#{number}", places.name(repository));
                name.push_str(&again(*life));
                Self {
                    name,
                    url: places.in_repository(repository, &["issues", &number.to_string()]),
                }
            }
            ItemId::Finding { source, native } => places.finding(source, native),
            ItemId::FindingFeed { source, native } => places.feed(source, native),
            ItemId::Adoption { standard, service } => {
                Self { name: format!("{service}: {standard}"), url: places.of_service(service) }
            }
            ItemId::Boundary { name } => {
                let boundary = params.boundaries.iter().find(|it| it.name == *name);
                let repository = boundary.and_then(|it| timeline.repository_named(&it.repository));
                let url = repository.and_then(|it| places.in_repository(&it.id, &["actions"]));
                Self { name: name.clone(), url }
            }
            ItemId::Decision { repository, path } => {
                let mut segments = vec!["blob", "HEAD"];
                segments.extend(path.split('/'));
                Self {
                    name: format!("{} {path}", places.name(repository)),
                    url: places.in_repository(repository, &segments),
                }
            }
        }
    }
}

struct Places<'a> {
    timeline: &'a Timeline,
    params: &'a Params,
}

impl<'a> Places<'a> {
    /// `owner/name`, or the id where the repository itself is not known (any more).
    fn name(&self, repository: &'a RepositoryId) -> &'a str {
        let known = self.timeline.repositories.get(repository);
        known.map_or(repository.as_str(), |it| it.name.as_str())
    }

    fn in_repository(&self, repository: &RepositoryId, segments: &[&str]) -> Option<Url> {
        let name = &self.timeline.repositories.get(repository)?.name;
        let source = source_of(repository)?;
        self.page(&source, name.split('/').chain(segments.iter().copied()))
    }

    fn page<'s>(
        &self,
        source: &SourceName,
        segments: impl Iterator<Item = &'s str>,
    ) -> Option<Url> {
        let source = self.params.sources.iter().find(|it| it.name == *source)?;
        let mut url = source.web_base.clone();
        url.path_segments_mut().ok()?.pop_if_empty().extend(segments);
        Some(url)
    }

    /// A deployment has no page of its own: its run, its release or its commit has.
    fn deployment(&self, service: &str, repository: &'a RepositoryId, native: &str) -> Link {
        let key = source_of(repository).map(|source| (repository.clone(), source));
        let key = key.as_ref();
        let deployment = key.and_then(|key| self.timeline.deployments.get(key)?.get(native));
        let run = key.and_then(|key| self.timeline.runs.get(key)?.get(native));
        let release = key.and_then(|key| self.timeline.releases.get(key)?.get(native));
        let (what, url) = if let Some(deployment) = deployment {
            let commit = &deployment.commit.text();
            let what = format!("deployment {native} of {}", short(commit));
            (what, self.in_repository(repository, &["commit", commit]))
        } else if let Some(run) = run {
            let what = format!("run {native} on {}", short(&run.commit.text()));
            (what, self.in_repository(repository, &["actions", "runs", native]))
        } else if let Some(release) = release {
            let url = self.in_repository(repository, &["releases", "tag", &release.tag]);
            (format!("release {}", release.tag), url)
        } else {
            (format!("deployment {native}"), None)
        };
        Link { name: format!("{service}: {what} ({})", self.name(repository)), url }
    }

    /// An entry of a register leads to where it can be looked up.
    fn entry(&self, source: &SourceName, native: &str) -> Link {
        let key = (source.clone(), native.to_owned());
        let escalation = self.timeline.escalations.get(&key);
        let mentoring = self.timeline.mentoring.get(&key);
        let (name, link) = if let Some(it) = escalation {
            (format!("escalation of {}", it.day), it.link.as_deref())
        } else if let Some(it) = mentoring {
            (format!("entry of {}", it.day), it.evidence.as_deref())
        } else if let Some(it) = self.timeline.debt_items.get(&key) {
            (format!("debt {native}"), it.link.as_deref())
        } else if let Some(it) = self.timeline.boundaries.get(&key) {
            (it.name.clone(), None)
        } else {
            ("entry".to_owned(), None)
        };
        let url = link.and_then(|it| Url::parse(it).ok()).filter(|url| url.scheme() == "https");
        Link { name, url }
    }

    /// The graph of what was asked, at the end of the day.
    fn ledger(&self, id: &ItemId, name: &str, day: Option<NaiveDate>) -> Link {
        let subject = Subject::of(self.params, id);
        let url = subject.and_then(|it| self.graph(it.source(), &it.query(), day));
        let day = day.map_or_else(String::new, |it| format!(" on {it}"));
        Link { name: format!("{name}{day}"), url }
    }

    fn graph(&self, source: &SourceName, query: &str, day: Option<NaiveDate>) -> Option<Url> {
        let mut url = self.page(source, ["graph"].into_iter())?;
        let mut pairs = url.query_pairs_mut();
        pairs.append_pair("g0.expr", query).append_pair("g0.range_input", "1d");
        if let Some(end) = day.and_then(|it| it.succ_opt()) {
            pairs.append_pair("g0.end_input", &format!("{end} 00:00:00"));
        }
        drop(pairs);
        Some(url)
    }

    /// The graph of the units that a metric store counted on a day, if it did.
    fn counted(&self, service: &ServiceName, unit: &str, day: NaiveDate) -> Option<Url> {
        let services = &self.params.catalogue.services;
        let is_of = |it: &&Demand| services[it.service].name == *service && it.unit == unit;
        let demand = self.params.demand.iter().find(is_of)?;
        let ledger = self.timeline.ledgers.get(&(demand.source.clone(), demand.ledger()))?;
        let query = format!("sum(increase({}[1h]))", demand.counter);
        ledger.contains_key(&day).then(|| self.graph(&demand.source, &query, Some(day)))?
    }

    /// A finding goes by its number or key below its tool and its place.
    fn finding(&self, source: &SourceName, native: &str) -> Link {
        let Some(it) = self.timeline.findings.get(&(source.clone(), native.to_owned())) else {
            return Link { name: format!("finding {native}"), url: None };
        };
        let (place, repository) = self.place(&it.place);
        let key = native.rsplit_once(':').map_or(native, |(_, key)| key);
        let url = repository.zip(it.page.as_deref()).and_then(|(repository, page)| {
            self.in_repository(repository, &page.split('/').collect::<Vec<_>>())
        });
        Link { name: format!("{place}: {} {key}", it.tool), url }
    }

    fn feed(&self, source: &SourceName, native: &str) -> Link {
        let Some(it) = self.timeline.finding_feeds.get(&(source.clone(), native.to_owned())) else {
            return Link { name: format!("findings {native}"), url: None };
        };
        let (place, repository) = self.place(&it.place);
        let url = repository.and_then(|it| self.in_repository(it, &["security"]));
        Link { name: format!("{place}: {}", it.tool), url }
    }

    fn place(&self, place: &'a FindingPlace) -> (&'a str, Option<&'a RepositoryId>) {
        match place {
            FindingPlace::Repository(id) => (self.name(id), Some(id)),
            FindingPlace::Named(name) => {
                (name, self.timeline.repository_named(name).map(|it| &it.id))
            }
            FindingPlace::Service(service) => (service.as_str(), None),
        }
    }

    fn of_service(&self, service: &ServiceName) -> Option<Url> {
        let mut services = self.params.catalogue.services.iter();
        let service = services.find(|it| it.name == *service)?;
        let repository = self.timeline.repository_named(&service.repository)?;
        self.in_repository(&repository.id, &[])
    }

    fn incident(&self, source: &SourceName, native: &str, episode: u32) -> Link {
        let incident = self.timeline.incidents.get(&(source.clone(), native.into()));
        let mut name = incident.map_or_else(
            || format!("incident {native}"),
            |incident| format!("incident #{}", incident.number),
        );
        name.push_str(&again(episode));
        let named = incident.and_then(|it| Url::parse(it.url.as_deref()?).ok());
        let named = named.filter(|url| url.scheme() == "https");
        let url = named.or_else(|| self.page(source, ["incidents", native].into_iter()));
        Link { name, url }
    }
}

/// What tells a later life of something from its first.
fn again(life: u32) -> String {
    if life == 0 { String::new() } else { format!(", re-opened ({})", life + 1) }
}

/// The source that a repository id begins with.
fn source_of(repository: &RepositoryId) -> Option<SourceName> {
    repository.as_str().rsplit_once('/').map(|(source, _)| SourceName::from(source))
}

/// The first characters of a commit id, as people write it.
fn short(commit: &str) -> &str {
    commit.get(..7).unwrap_or(commit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Fact, ServiceName};
    use crate::kpi::params::SourceParams;
    use crate::kpi::testing::{Story, source};

    /// A story whose sources have web addresses.
    fn told(text: &str) -> Story {
        let mut story = Story::told(text);
        for (name, web_base) in
            [("github", "https://code.example/git/"), ("pagerduty", "https://acme.example")]
        {
            story.params.sources.push(SourceParams {
                web_base: web_base.parse().unwrap(),
                ..source(name, &[], story.as_of)
            });
        }
        story
    }

    fn link(story: &Story, id: &ItemId) -> (String, String) {
        let link = Link::of(id, &story.timeline(), &story.params);
        (link.name, link.url.map_or_else(String::new, String::from))
    }

    fn repository(story: &Story) -> RepositoryId {
        story.timeline().repositories.keys().next().unwrap().clone()
    }

    #[test]
    fn a_change_leads_to_its_pull_request_below_the_configured_base() {
        let story = told("service web");
        let id = ItemId::Change { repository: repository(&story), number: 12 };
        let (name, url) = link(&story, &id);
        assert_eq!(name, "acme/web#12");
        assert_eq!(url, "https://code.example/git/acme/web/pull/12");
    }

    #[test]
    fn a_deployment_leads_to_its_commit() {
        let story = told("service web\n05T11:00 deploy web c12");
        let timeline = story.timeline();
        let (_, own) = timeline.deployments.first_key_value().unwrap();
        let native = &own.iter().next().unwrap().id;
        let id = ItemId::Deployment {
            service: ServiceName::from("web"),
            repository: repository(&story),
            native: native.clone(),
        };
        let (name, url) = link(&story, &id);
        assert!(name.starts_with("web: deployment ") && name.ends_with("(acme/web)"), "{name}");
        assert!(url.starts_with("https://code.example/git/acme/web/commit/"), "{url}");
    }

    #[test]
    fn names_cannot_leave_the_page_they_belong_to() {
        let story = told("service web");
        let path = "docs/adr/0001 ?x=1#<b>.md".to_owned();
        let (_, url) =
            link(&story, &ItemId::Decision { repository: repository(&story), path: path.into() });
        assert_eq!(
            url,
            "https://code.example/git/acme/web/blob/HEAD/docs/adr/0001%20%3Fx=1%23%3Cb%3E.md"
        );
    }

    #[test]
    fn an_address_that_a_vendor_gives_must_be_https() {
        let mut story = told("06T10:00 incident 7 P1 on PWEB");
        let native = story.timeline().incidents.keys().next().unwrap().1.clone();
        let source = SourceName::from("pagerduty");
        let id = ItemId::Incident { source, native: native.clone(), episode: 1 };
        let mut url_with = |url: &str| {
            for (_, fact) in &mut story.facts {
                if let Fact::Incident(incident) = fact {
                    incident.url = Some(url.into());
                }
            }
            link(&story, &id).1
        };
        assert_eq!(url_with("https://acme.pagerduty.com/i/1"), "https://acme.pagerduty.com/i/1");
        let ours = format!("https://acme.example/incidents/{native}");
        assert_eq!(url_with("javascript:alert(1)"), ours);
        assert_eq!(url_with("http://elsewhere.example/"), ours);
        assert!(link(&story, &id).0.ends_with("re-opened (2)"));
    }

    #[test]
    fn what_is_not_known_any_more_has_a_name_and_no_address() {
        let story = told("service web");
        let repository = RepositoryId::of(&SourceName::from("github"), 404);
        let (name, url) = link(&story, &ItemId::Change { repository, number: 1 });
        assert_eq!((name.as_str(), url.as_str()), ("github/404#1", ""));
    }
}
