//! Production deployments per service (kpis.md 1.8).

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::Duration;
use regex::Regex;

use super::reach::Reach;
use crate::domain::fact::{Deployment, DeploymentState, Release, Repository, WorkflowRun};
use crate::domain::{CommitId, Instant, RepositoryId, Text, Timeline};
use crate::kpi::params::DeploymentRule;
use crate::kpi::{Params, parallel};

/// One production deployment of one service: the first success of a rollout.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceDeployment<'a> {
    /// Index of the service in the catalogue.
    pub service: usize,
    /// Its repository.
    pub repository: &'a RepositoryId,
    /// The vendor's id of the deployment, run or release that succeeded first.
    pub native: &'a Text,
    /// Vendor ids of everything else that this rollout joined.
    pub joined: Box<[&'a Text]>,
    /// Vendor ids of later successes of the same commit with nothing else in between: restarts,
    /// which are no deployments.
    pub restarts: Box<[&'a Text]>,
    /// What was deployed, where the vendor says.
    pub commit: Option<&'a CommitId>,
    /// The environment, as configured, in which it succeeded first; the workflow's name, or
    /// `release`, for the other rules.
    pub environment: &'a str,
    /// Every other environment that the rollout reached, in that order, and when.
    pub later_environments: Box<[(&'a str, Instant)]>,
    /// The tag, where a release is the deployment.
    pub tag: Option<&'a str>,
    /// The FIRST `success`.
    pub finished_at: Instant,
    /// Flagged as a rollback by whoever made it.
    pub flagged_rollback: bool,
}

impl<'a> ServiceDeployment<'a> {
    /// Every environment that the rollout reached, in that order, and when.
    pub fn environments(&self) -> impl Iterator<Item = (&'a str, Instant)> {
        let first = (self.environment, self.finished_at);
        std::iter::once(first).chain(self.later_environments.iter().copied())
    }

    /// Vendor ids of everything that this rollout joined, the first success first.
    pub fn members(&self) -> impl Iterator<Item = &'a Text> {
        std::iter::once(self.native).chain(self.joined.iter().copied())
    }
}

/// Finds the production deployments of every service in `reach` before `as_of`, by service and then
/// finish.
pub fn build<'a>(
    timeline: &'a Timeline,
    params: &'a Params,
    as_of: Instant,
    reach: Option<&Reach>,
) -> Vec<ServiceDeployment<'a>> {
    let mut repositories: BTreeMap<&RepositoryId, (&Repository, Vec<usize>)> = BTreeMap::new();
    for (service, configured) in params.catalogue.services.iter().enumerate() {
        let repository = timeline.repository_named(&configured.repository);
        let is_looked_at =
            |it: &&Repository| reach.is_none_or(|reach| reach.repositories.contains(&it.id));
        if let Some(repository) = repository.filter(is_looked_at) {
            repositories.entry(&repository.id).or_insert((repository, Vec::new())).1.push(service);
        }
    }
    let repositories: Vec<(&Repository, Vec<usize>)> = repositories.into_values().collect();
    let found = parallel::map(repositories.len(), |at| {
        let (repository, services) = &repositories[at];
        let attempts = Attempts::of(timeline, &repository.id, services.len() > 1);
        let of = |service: &usize| {
            let rule = &params.catalogue.services[*service].deployments;
            let mut successes = attempts.successes(repository, rule);
            successes.retain(|success| success.finished_at < as_of);
            successes.sort_by(|a, b| a.order().cmp(&b.order()));
            let rollouts = Rollouts::of(&successes, params.rules.rollout_window).into_iter();
            let deployment = |it: Rollout<'a>| it.deployment(*service, &repository.id);
            (*service, rollouts.map(deployment).collect())
        };
        services.iter().map(of).collect::<Vec<(usize, Vec<ServiceDeployment<'_>>)>>()
    });
    super::by_service(found)
}

/// Something that put a commit into production successfully.
#[derive(Clone, Debug)]
struct Success<'a> {
    native: &'a Text,
    commit: Option<&'a CommitId>,
    /// Where it went: the environment as configured, the workflow, or `release`.
    place: &'a str,
    tag: Option<&'a str>,
    created_at: Instant,
    finished_at: Instant,
    flagged_rollback: bool,
}

impl Success<'_> {
    /// By time. Simultaneous ones go by creation and then by id, numbers by their size.
    fn order(&self) -> (Instant, Instant, usize, &str) {
        (self.finished_at, self.created_at, self.native.len(), self.native)
    }
}

/// Everything in one repository that may be a deployment.
struct Attempts<'a> {
    deployments: Vec<&'a Deployment>,
    /// The same by facet, where several services share them.
    by_facet: Option<HashMap<Facet<'a>, Vec<&'a Deployment>>>,
    runs: Vec<&'a WorkflowRun>,
    releases: Vec<&'a Release>,
}

/// What tells the deployments of a repository's services apart. Found by it, a service meets its
/// own deployments and not those of all its neighbours.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Facet<'a> {
    Payload(&'a str, &'a str),
    Task(&'a str),
    /// In lower case: vendors compare the names of environments without case.
    Environment(String),
}

impl<'a> Facet<'a> {
    fn environment(name: &str) -> Self {
        Self::Environment(name.to_ascii_lowercase())
    }

    fn of(deployment: &'a Deployment) -> impl Iterator<Item = Self> {
        let payload = deployment.payload.iter().map(|(key, value)| Self::Payload(key, value));
        payload.chain([Self::Task(&deployment.task), Self::environment(&deployment.environment)])
    }

    /// The facets under which all deployments are found that a rule may want, each once.
    fn wanted(
        environments: &[String],
        task: Option<&'a String>,
        payload: Option<&'a (String, String)>,
    ) -> HashSet<Self> {
        match (payload, task) {
            (Some((key, value)), _) => HashSet::from([Self::Payload(key, value)]),
            (None, Some(task)) => HashSet::from([Self::Task(task)]),
            (None, None) => environments.iter().map(|it| Self::environment(it)).collect(),
        }
    }
}

impl<'a> Attempts<'a> {
    fn of(timeline: &'a Timeline, repository: &RepositoryId, shared: bool) -> Self {
        let deployments: Vec<_> =
            Timeline::of_repository(&timeline.deployments, repository).collect();
        let by_facet = shared.then(|| {
            let mut by_facet: HashMap<_, Vec<_>> = HashMap::new();
            for &deployment in &deployments {
                for facet in Facet::of(deployment) {
                    by_facet.entry(facet).or_default().push(deployment);
                }
            }
            by_facet
        });
        let runs = Timeline::of_repository(&timeline.runs, repository).collect();
        let releases = Timeline::of_repository(&timeline.releases, repository).collect();
        Self { deployments, by_facet, runs, releases }
    }

    fn successes(&self, repository: &'a Repository, rule: &'a DeploymentRule) -> Vec<Success<'a>> {
        match rule {
            DeploymentRule::Deployments { environments, task, payload } => {
                let found: Vec<&Deployment> = match &self.by_facet {
                    None => self.deployments.clone(),
                    Some(by_facet) => {
                        let facets = Facet::wanted(environments, task.as_ref(), payload.as_ref());
                        let found = facets.into_iter().filter_map(|it| by_facet.get(&it));
                        found.flatten().copied().collect()
                    }
                };
                let wanted = found.into_iter().filter(|it| rule.selects(it));
                wanted.filter_map(|it| deployment_success(it, environments)).collect()
            }
            DeploymentRule::Workflow { names } => {
                let branch = repository.default_branch.as_deref();
                self.runs.iter().filter_map(|it| run_success(it, names, branch)).collect()
            }
            DeploymentRule::Releases { tag } => {
                self.releases.iter().filter_map(|it| release_success(it, tag)).collect()
            }
        }
    }
}

fn deployment_success<'a>(
    deployment: &'a Deployment,
    environments: &'a [String],
) -> Option<Success<'a>> {
    let place = environments.iter().find(|it| it.eq_ignore_ascii_case(&deployment.environment))?;
    let successes = deployment.statuses.iter().filter(|it| it.state == DeploymentState::Success);
    Some(Success {
        native: &deployment.id,
        commit: Some(&deployment.commit),
        place,
        tag: None,
        created_at: deployment.created_at,
        finished_at: successes.map(|it| it.at).min()?,
        flagged_rollback: is_flagged(deployment),
    })
}

/// Whether whoever made it says that it is a rollback (kpis.md 3.9).
fn is_flagged(deployment: &Deployment) -> bool {
    const WORD: &str = "rollback";
    let described = deployment.description.as_ref();
    deployment.task.eq_ignore_ascii_case(WORD)
        || described.is_some_and(|it| it.to_ascii_lowercase().contains(WORD))
        || deployment.payload.get(WORD).is_some_and(|it| it.eq_ignore_ascii_case("true"))
}

fn run_success<'a>(
    run: &'a WorkflowRun,
    names: &'a [String],
    default_branch: Option<&str>,
) -> Option<Success<'a>> {
    let place = names.iter().find(|name| **name == run.workflow)?;
    let attempts = run.attempts.iter().filter(|it| it.conclusion.as_deref() == Some("success"));
    let finished_at = attempts.filter_map(|it| it.completed_at).min()?;
    run.is_of(default_branch).then_some(Success {
        native: &run.id,
        commit: Some(&run.commit),
        place,
        tag: None,
        created_at: run.created_at,
        finished_at,
        flagged_rollback: false,
    })
}

fn release_success<'a>(release: &'a Release, tag: &Regex) -> Option<Success<'a>> {
    let counts = !release.draft && !release.prerelease && tag.is_match(&release.tag);
    let finished_at = release.published_at?;
    counts.then_some(Success {
        native: &release.id,
        commit: release.commit.as_ref(),
        place: "release",
        tag: Some(&release.tag),
        created_at: release.created_at,
        finished_at,
        flagged_rollback: false,
    })
}

/// Successes that are one deployment.
struct Rollout<'a> {
    first: Success<'a>,
    /// The position of the first success among all of the service, and of the last in its place.
    position: usize,
    last: usize,
    /// What else succeeded soon, and what succeeded later.
    joined: Vec<&'a Text>,
    restarts: Vec<&'a Text>,
    /// Where else it went.
    places: Vec<Reached<'a>>,
}

/// A place that a rollout reached.
struct Reached<'a> {
    place: &'a str,
    first_at: Instant,
    /// The position of its last success there.
    last: usize,
}

impl<'a> Rollout<'a> {
    fn succeeded_again(&mut self, success: &Success<'a>, position: usize, window: Duration) {
        if success.finished_at - self.first.finished_at <= window {
            self.joined.push(success.native);
        } else {
            self.restarts.push(success.native);
        }
        if success.place == self.first.place {
            self.last = position;
            return;
        }
        match self.places.iter_mut().find(|it| it.place == success.place) {
            Some(reached) => reached.last = position,
            None => self.places.push(Reached {
                place: success.place,
                first_at: success.finished_at,
                last: position,
            }),
        }
    }

    /// The position of its last success in a place.
    fn last_in(&self, place: &str) -> Option<usize> {
        let elsewhere = || self.places.iter().find(|it| it.place == place).map(|it| it.last);
        if self.first.place == place { Some(self.last) } else { elsewhere() }
    }

    fn deployment(self, service: usize, repository: &'a RepositoryId) -> ServiceDeployment<'a> {
        ServiceDeployment {
            service,
            repository,
            native: self.first.native,
            joined: self.joined.into(),
            restarts: self.restarts.into(),
            commit: self.first.commit,
            environment: self.first.place,
            later_environments: self.places.iter().map(|it| (it.place, it.first_at)).collect(),
            tag: self.first.tag,
            finished_at: self.first.finished_at,
            flagged_rollback: self.first.flagged_rollback,
        }
    }
}

/// Joins successes to rollouts.
#[derive(Default)]
struct Rollouts<'a> {
    rollouts: Vec<Rollout<'a>>,
    latest_of: HashMap<&'a CommitId, usize>,
    seen: HashMap<&'a str, Place<'a>>,
}

/// What succeeded in one place: the last commit, and where the last success of any other was.
#[derive(Default)]
struct Place<'a> {
    last: Option<(Option<&'a CommitId>, usize)>,
    last_of_another: Option<usize>,
}

impl<'a> Place<'a> {
    fn succeeded(&mut self, commit: Option<&'a CommitId>, position: usize) {
        if let Some((last, at)) = self.last
            && (commit.is_none() || last != commit)
        {
            self.last_of_another = Some(at);
        }
        self.last = Some((commit, position));
    }

    /// The position of the last success of a commit other than `commit`.
    fn another(&self, commit: &CommitId) -> Option<usize> {
        match self.last {
            Some((Some(last), _)) if last == commit => self.last_of_another,
            last => last.map(|(_, position)| position),
        }
    }
}

impl<'a> Rollouts<'a> {
    fn of(successes: &[Success<'a>], window: Duration) -> Vec<Rollout<'a>> {
        let mut rollouts = Self::default();
        for (position, success) in successes.iter().enumerate() {
            rollouts.take_in(success, position, window);
            rollouts.seen.entry(success.place).or_default().succeeded(success.commit, position);
        }
        rollouts.rollouts
    }

    fn take_in(&mut self, success: &Success<'a>, position: usize, window: Duration) {
        if let Some(rollout) = self.continued(success, window) {
            rollout.succeeded_again(success, position, window);
            return;
        }
        if let Some(commit) = success.commit {
            self.latest_of.insert(commit, self.rollouts.len());
        }
        self.rollouts.push(Rollout {
            first: success.clone(),
            position,
            last: position,
            joined: Vec::new(),
            restarts: Vec::new(),
            places: Vec::new(),
        });
    }

    /// The rollout that `success` belongs to or restarts, unless another commit came in between.
    ///
    /// Within the window that means in between two successes of this commit in one environment:
    /// where the waves of two commits overlap, a commit that reaches an environment for the first
    /// time is still the same rollout. Later it means since the rollout began.
    fn continued(&mut self, success: &Success<'a>, window: Duration) -> Option<&mut Rollout<'a>> {
        let commit = success.commit?;
        let rollout = &mut self.rollouts[*self.latest_of.get(commit)?];
        let since = if success.finished_at - rollout.first.finished_at <= window {
            rollout.last_in(success.place)
        } else {
            Some(rollout.position)
        };
        let another = self.seen.get(success.place).and_then(|place| place.another(commit));
        let between = since.zip(another).is_some_and(|(since, another)| another > since);
        (!between).then_some(rollout)
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use crate::domain::{Fact, Text};
    use crate::kpi::testing::{Story, told};

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "expectations are written in place")]
    fn check(story: &str, deployments: Expect) {
        let story = Story::told(story);
        let timeline = story.timeline();
        let view = story.view(&timeline);
        let lines = view.deployments.iter().map(|it| {
            let service = &story.params.catalogue.services[it.service].name;
            let commit = it.commit.as_ref().map_or("?".to_owned(), ToString::to_string);
            let flag = if it.flagged_rollback { " rollback" } else { "" };
            let names: Vec<&str> = it.environments().map(|(name, _)| name).collect();
            let members: Vec<&str> = it.members().map(Text::as_str).collect();
            let (members, places) = (members.join("+"), names.join("+"));
            let restarts: String = it.restarts.iter().map(|id| format!(" ({id})")).collect();
            format!(
                "{} {service} {commit} {members}{restarts} {places}{flag}\n",
                told(it.finished_at)
            )
        });
        deployments.assert_eq(&lines.collect::<String>());
    }

    #[test]
    fn only_successes_in_a_production_environment_are_deployments_at_their_first_success() {
        check(
            "service web to production
             05T10:00 deploy web c1 id 1 to staging
             05T11:00 deploy web c1 id 2 failed
             05T12:00 deploy web c1 id 3 stuck
             05T13:00 deploy web c1 id 4 finished 05T13:20
             05T14:00 deploy web c2 id 5 to Production",
            expect![[r#"
                05T13:20 web c1 4 production
                05T14:00 web c2 5 production
            "#]],
        );
    }

    #[test]
    fn the_first_success_counts_whatever_is_said_later() {
        check(
            "service web
             05T10:00 deploy web c1 id 1 finished 05T10:20 then 05T12:00=success,06T10:00=failure
             05T11:00 deploy web c2 id 2 failed then 05T13:00=success,05T14:00=failure",
            expect![[r#"
                05T10:20 web c1 1 production
                05T13:00 web c2 2 production
            "#]],
        );
    }

    #[test]
    fn what_succeeds_at_as_of_or_later_is_not_known() {
        check(
            "service web
             as_of 06T00:00
             05T23:00 deploy web c1 id 1 finished 05T23:59:59
             05T23:30 deploy web c2 id 2 finished 06T00:00",
            expect![[r#"
                05T23:59:59 web c1 1 production
            "#]],
        );
    }

    #[test]
    fn successes_of_one_commit_within_the_rollout_window_of_the_first_are_one_deployment() {
        check(
            "service web to eu,us,asia
             05T10:00 deploy web c1 id 1 to eu
             05T10:20 deploy web c1 id 2 to us
             05T11:00 deploy web c1 id 3 to asia
             05T12:00 deploy web c2 id 4 to eu
             05T13:00:01 deploy web c2 id 5 to us",
            expect![[r#"
                05T10:00 web c1 1+2+3 eu+us+asia
                05T12:00 web c2 4 (5) eu+us
            "#]],
        );
    }

    #[test]
    fn waves_of_two_commits_may_overlap() {
        check(
            "service web to eu,us
             05T10:00 deploy web c1 id 1 to eu
             05T10:05 deploy web c2 id 2 to eu
             05T10:06 deploy web c1 id 3 to us
             05T10:10 deploy web c2 id 4 to us",
            expect![[r#"
                05T10:00 web c1 1+3 eu+us
                05T10:05 web c2 2+4 eu+us
            "#]],
        );
    }

    #[test]
    fn a_wave_that_comes_after_the_window_is_a_restart_unless_something_else_was_there_since() {
        check(
            "service web to eu,us
             05T10:00 deploy web a id 1 to eu
             05T13:00 deploy web a id 2 to us
             05T14:00 deploy web b id 3 to eu
             05T14:01 deploy web b id 4 to us
             05T15:30 deploy web a id 5 to us",
            expect![[r#"
                05T10:00 web a 1 (2) eu+us
                05T14:00 web b 3+4 eu+us
                05T15:30 web a 5 us
            "#]],
        );
    }

    #[test]
    fn another_commit_in_the_same_environment_in_between_makes_it_a_deployment_of_its_own() {
        check(
            "service web to eu,us
             05T10:00 deploy web a id 1 to eu
             05T10:02 deploy web a id 2 to us
             05T10:10 deploy web b id 3 to eu
             05T10:20 deploy web a id 4 to eu
             05T10:25 deploy web a id 5 to us",
            expect![[r#"
                05T10:00 web a 1+2 eu+us
                05T10:10 web b 3 eu
                05T10:20 web a 4+5 eu+us
            "#]],
        );
    }

    #[test]
    fn the_same_commit_again_with_nothing_else_in_between_is_a_restart() {
        check(
            "service web
             05T10:00 deploy web a id 1
             07T10:00 deploy web a id 2
             08T10:00 deploy web b id 3
             09T10:00 deploy web a id 4
             09T20:00 deploy web a id 5",
            expect![[r#"
                05T10:00 web a 1 (2) production
                08T10:00 web b 3 production
                09T10:00 web a 4 (5) production
            "#]],
        );
    }

    #[test]
    fn a_failed_attempt_or_staging_in_between_does_not_make_a_restart_a_deployment() {
        check(
            "service web
             05T10:00 deploy web a id 1
             06T10:00 deploy web b id 2 failed
             06T11:00 deploy web b id 3 to staging
             06T12:00 deploy web a id 4 task rollback",
            expect![[r#"
                05T10:00 web a 1 (4) production
            "#]],
        );
    }

    #[test]
    fn a_rollback_is_flagged_by_its_task_its_description_or_its_payload() {
        check(
            "service web
             05T10:00 deploy web a id 1 task rollback
             05T11:00 deploy web b id 2 saying Emergency-Rollback!
             05T12:00 deploy web c id 3 payload rollback=true
             05T13:00 deploy web d id 4 payload rollback=false task rollback-drill saying back",
            expect![[r#"
                05T10:00 web a 1 production rollback
                05T11:00 web b 2 production rollback
                05T12:00 web c 3 production rollback
                05T13:00 web d 4 production
            "#]],
        );
    }

    #[test]
    fn task_and_payload_tell_the_services_of_a_repository_apart() {
        check(
            "service api in mono task deploy:api
             service web in mono payload service=web
             service all in mono
             05T10:00 deploy mono c1 id 1 task deploy:api
             05T11:00 deploy mono c1 id 2 payload service=web",
            expect![[r#"
                05T10:00 api c1 1 production
                05T11:00 web c1 2 production
                05T10:00 all c1 1+2 production
            "#]],
        );
    }

    #[test]
    fn an_upstream_deployment_of_several_services_is_one_of_each() {
        check(
            "service api in mono paths api/**
             service web in mono paths web/**
             05T10:00 deploy mono c1 id 1",
            expect![[r#"
                05T10:00 api c1 1 production
                05T10:00 web c1 1 production
            "#]],
        );
    }

    #[test]
    fn a_workflow_run_counts_by_name_on_the_default_branch_at_its_first_successful_attempt() {
        check(
            "service web workflow Deploy,Ship
             05T10:00 run web Deploy c1 id 1 conclusion failure rerun 05T11:00=success,05T12:00=success
             05T13:00 run web Ship c2 id 2 finished 05T13:30 event workflow_dispatch
             05T14:00 run web Test c3 id 3
             05T15:00 run web Deploy c4 id 4 branch topic
             05T16:00 run web Deploy c5 id 5 event pull_request
             05T17:00 run web Deploy c6 id 6 conclusion cancelled",
            expect![[r#"
                05T11:00 web c1 1 Deploy
                05T13:30 web c2 2 Ship
            "#]],
        );
    }

    #[test]
    fn releases_count_by_tag_without_drafts_and_pre_releases() {
        check(
            "service web releases ^v\\d
             05T10:00 release web v1.0 c1 id 1
             05T11:00 release web v1.1-rc1 c2 id 2 prerelease
             05T12:00 release web v1.1 c2 id 3 draft
             05T13:00 release web docs-7 c2 id 4
             05T14:00 release web v1.1 c2 id 5
             05T14:30 release web v1.2 c1 id 6
             05T15:00 release web v1.3 ? id 7
             05T15:10 release web v1.4 ? id 8",
            expect![[r#"
                05T10:00 web c1 1 release
                05T14:00 web c2 5 release
                05T14:30 web c1 6 release
                05T15:00 web ? 7 release
                05T15:10 web ? 8 release
            "#]],
        );
    }

    #[test]
    fn a_service_whose_repository_is_not_known_has_no_deployments() {
        let mut story = Story::told("service web\n05T10:00 deploy web c1");
        story.params.catalogue.services[0].repository = "acme/elsewhere".to_owned();
        assert!(story.view(&story.timeline()).deployments.is_empty());
    }

    #[test]
    fn what_comes_back_under_another_repository_is_there_once() {
        let of = |repository: &str| {
            let story = format!("service {repository}\n01T10:00 deploy {repository} c0 id 7");
            let mut facts = Story::told(&story).facts.into_iter();
            facts.find(|(_, fact)| matches!(fact, Fact::Deployment(_))).expect("the story has one")
        };
        let (mut moved, mut straight) =
            (crate::domain::Timeline::default(), crate::domain::Timeline::default());
        for (source, fact) in [of("web"), of("api")] {
            moved.apply(&source, fact);
        }
        let (source, fact) = of("api");
        let key = fact.key(&source);
        straight.apply(&source, fact);
        assert_eq!(moved, straight);
        moved.remove(&key);
        assert_eq!(moved, crate::domain::Timeline::default());
    }
}
