//! Merged changes per service, and the deployment that first shipped each (kpis.md 1.8, 3.11).

use std::collections::{BTreeMap, HashMap};

use super::deployments::ServiceDeployment;
use super::lineage::{Arrival, Line, Lineage};
use super::ownership::Ownership;
use super::reach::Reach;
use crate::domain::fact::{Actor, Change};
use crate::domain::graph::FirstReached;
use crate::domain::timeline::Shelf;
use crate::domain::{CommitId, Instant, RepositoryId, Text, Timeline};
use crate::kpi::params::Rules;
use crate::kpi::{Params, parallel};

/// A merged change as seen by one service that it touches.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceChange<'a> {
    /// The pull request.
    pub change: &'a Change,
    /// Index of the service in the catalogue.
    pub service: usize,
    /// Its author is a bot by the vendor's word or the configured list.
    pub bot: bool,
    /// Carries a hotfix label or came from a hotfix branch.
    pub hotfix: bool,
    /// What became of it.
    pub shipping: Shipping,
}

/// What became of a merged change in one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shipping {
    /// First contained in this deployment (index into the view's deployments).
    Shipped(usize),
    /// Not contained in any deployment yet.
    Unshipped,
    /// Contained in the first deployment that is known: nobody can say when it shipped.
    BeforeFirstDeployment,
    /// The service has no successful production deployment before `as_of`.
    NoDeploymentSource,
    /// Not contained in any deployment, and merged into a branch that is not (yet) part of the
    /// default branch: a step of another change, not one that waits for a deployment.
    NotOnDefaultBranch,
    /// The vendor names no commit that the merge made.
    NoMergeCommit,
}

/// Whether `actor` is a bot: by the vendor's word or by the configured list (kpis.md 1.7).
pub fn is_bot(actor: &Actor, rules: &Rules) -> bool {
    fn bare(login: &str) -> &str {
        login.trim_end_matches("[bot]")
    }
    let login = bare(&actor.login);
    let is_it = |bot: &String| bare(bot).eq_ignore_ascii_case(login);
    actor.bot || actor.login.ends_with("[bot]") || rules.bots.iter().any(is_it)
}

fn is_hotfix(change: &Change, rules: &Rules) -> bool {
    let labelled =
        |label: &Text| rules.hotfix_labels.iter().any(|it| it.eq_ignore_ascii_case(label));
    change.labels.iter().any(labelled)
        || rules.hotfix_branches.iter().any(|prefix| change.head_branch.starts_with(prefix))
}

/// Where changes are looked for.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a, 'r> {
    /// The facts.
    pub timeline: &'a Timeline,
    /// The rules.
    pub params: &'a Params,
    /// Nothing at or after it is known.
    pub as_of: Instant,
    /// Whose changes; `None` = everybody's.
    pub reach: Option<&'r Reach>,
}

impl<'a> Facts<'a, '_> {
    /// By repository, each with its changes by number.
    fn repositories(&self) -> Vec<(&'a RepositoryId, &'a Shelf<Change>)> {
        let is_looked_at =
            |it: &RepositoryId| self.reach.is_none_or(|reach| reach.repositories.contains(it));
        let changes = self.timeline.changes.iter();
        changes.filter(|(repository, _)| is_looked_at(repository)).collect()
    }
}

/// Finds every merged change of every service before `as_of`, by service and then by its key.
///
/// `lineage` must be that of `deployments`.
pub fn build<'a>(
    facts: &Facts<'a, '_>,
    deployments: &[ServiceDeployment<'a>],
    ownership: &Ownership<'_>,
    lineage: &Lineage<'_>,
) -> Vec<ServiceChange<'a>> {
    let mut lines: HashMap<&RepositoryId, Vec<&Line<'_>>> = HashMap::new();
    for line in lineage.lines() {
        lines.entry(line.repository).or_default().push(line);
    }
    let repositories = facts.repositories();
    let found = parallel::map(repositories.len(), |at| {
        let (repository, changes) = repositories[at];
        let mut by_service = owned(facts, changes, ownership);
        let lines = lines.get(repository).map_or(&[][..], Vec::as_slice);
        ship(&mut by_service, lines, facts.timeline, deployments);
        by_service
    });
    super::by_service(found)
}

/// The merged changes of a repository by the services that they touch, without what became of them.
fn owned<'a>(
    &Facts { params, as_of, .. }: &Facts<'a, '_>,
    changes: &'a Shelf<Change>,
    ownership: &Ownership<'_>,
) -> BTreeMap<usize, Vec<ServiceChange<'a>>> {
    let mut by_service: BTreeMap<usize, Vec<ServiceChange<'_>>> = BTreeMap::new();
    for change in changes.iter() {
        if change.merged_at.is_none_or(|at| at >= as_of) {
            continue;
        }
        let services = ownership.change(change);
        if services.is_empty() {
            continue;
        }
        let bot = change.author.as_ref().is_some_and(|author| is_bot(author, &params.rules));
        let hotfix = is_hotfix(change, &params.rules);
        let shipping = Shipping::NoDeploymentSource;
        for service in services {
            let shipping = shipping.clone();
            let change = ServiceChange { change, service, bot, hotfix, shipping };
            by_service.entry(service).or_default().push(change);
        }
    }
    by_service
}

/// Finds what became of the changes of one repository.
fn ship(
    by_service: &mut BTreeMap<usize, Vec<ServiceChange<'_>>>,
    lines: &[&Line<'_>],
    timeline: &Timeline,
    deployments: &[ServiceDeployment<'_>],
) {
    let mut branches = DefaultBranches { timeline, reached: HashMap::new() };
    for line in lines {
        for (service, first) in &line.services {
            let shipments = Shipments { line, first: *first, deployments };
            for change in by_service.get_mut(service).into_iter().flatten() {
                change.shipping = shipments.of(change.change, &mut branches);
            }
        }
    }
}

/// What the deployments of one service shipped.
struct Shipments<'w, 'a> {
    line: &'w Line<'w>,
    /// The position of the service's first deployment in `deployments`.
    first: usize,
    deployments: &'w [ServiceDeployment<'a>],
}

impl Shipments<'_, '_> {
    fn of(&self, change: &Change, branches: &mut DefaultBranches<'_>) -> Shipping {
        // Where the vendor names no merge commit, a merge that rewrote nothing still has put the
        // last commit of the branch into the target branch.
        let last = change.commits.last().filter(|commit| self.line.knows(commit));
        let Some(commit) = change.merge_commit.as_ref().or(last) else {
            return Shipping::NoMergeCommit;
        };
        match self.line.arrival(commit) {
            Some(Arrival::In(position)) => Shipping::Shipped(self.first + position),
            Some(Arrival::Before(position)) => self.swallowed(change, position),
            None if branches.lead_to(change, commit) => Shipping::Unshipped,
            None => Shipping::NotOnDefaultBranch,
        }
    }

    /// The first deployment swallows nothing that was merged before it. What was marked as merged
    /// only afterwards (a merge queue deploys first) is certainly new in it.
    fn swallowed(&self, change: &Change, position: usize) -> Shipping {
        let deployment = self.first + position;
        let finished_at = self.deployments[deployment].finished_at;
        if change.merged_at.is_some_and(|at| at >= finished_at) {
            Shipping::Shipped(deployment)
        } else {
            Shipping::BeforeFirstDeployment
        }
    }
}

/// Which commits are on the default branches.
struct DefaultBranches<'a> {
    timeline: &'a Timeline,
    reached: HashMap<&'a RepositoryId, Option<FirstReached>>,
}

impl DefaultBranches<'_> {
    /// Whether a change is, or was meant to be, on the default branch. Where that cannot be said,
    /// it is.
    fn lead_to(&mut self, change: &Change, commit: &CommitId) -> bool {
        let Some(repository) = self.timeline.repositories.get(&change.repository) else {
            return true;
        };
        if repository.default_branch.as_ref().is_none_or(|branch| *branch == change.base_branch) {
            return true;
        }
        let graph = self.timeline.commits.get(&repository.id);
        let reached = self.reached.entry(&repository.id).or_insert_with(|| {
            let graph = graph?;
            let head = graph.node(repository.head.as_ref()?)?;
            Some(graph.first_reached([Some(head)]))
        });
        let Some(reached) = reached else {
            return true;
        };
        graph.and_then(|graph| graph.node(commit)).is_some_and(|node| reached.by(node).is_some())
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::Shipping;
    use crate::domain::Fact;
    use crate::kpi::testing::Story;

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "expectations are written in place")]
    fn check(story: &str, changes: Expect) {
        check_story(&Story::told(story), &changes);
    }

    #[track_caller]
    fn check_story(story: &Story, changes: &Expect) {
        let timeline = story.timeline();
        let view = story.view(&timeline);
        let lines = view.changes.iter().map(|it| {
            let service = &story.params.catalogue.services[it.service].name;
            let shipping = match it.shipping {
                Shipping::Shipped(at) => format!("shipped in {}", view.deployments[at].native),
                ref other => format!("{other:?}"),
            };
            let marks = [(it.bot, " bot"), (it.hotfix, " hotfix")];
            let marks: String = marks.iter().filter(|it| it.0).map(|it| it.1).collect();
            format!("{service} #{}{marks} {shipping}\n", it.change.number)
        });
        changes.assert_eq(&lines.collect::<String>());
    }

    #[test]
    fn a_change_ships_in_the_first_deployment_that_has_its_merge_commit_as_ancestor() {
        check(
            "service web
             01T09:00 commit web c0
             01T10:00 deploy web c0 id 1
             05T10:00 merge web#1
             05T10:30 merge web#2
             05T10:40 deploy web c1 id 2
             05T11:00 deploy web c2 id 3
             05T12:00 deploy web c2 id 4
             05T13:00 merge web#3",
            expect![[r#"
                web #1 shipped in 2
                web #2 shipped in 3
                web #3 Unshipped
            "#]],
        );
    }

    #[test]
    fn ancestry_decides_and_never_time_order() {
        check(
            "service web
             01T09:00 commit web c0
             01T10:00 deploy web c0 id 1
             05T10:00 merge web#1
             05T10:10 commit web h1 on c0 aside  # a hotfix branch from the old release
             05T11:00 deploy web h1 id 2
             05T12:00 commit web m1 on c1,h1
             05T13:00 deploy web m1 id 3",
            expect![[r#"
                web #1 shipped in 3
            "#]],
        );
    }

    #[test]
    fn an_older_build_that_finishes_after_a_newer_one_ships_nothing_new() {
        check(
            "service web
             01T09:00 commit web c0
             01T10:00 deploy web c0 id 1
             05T10:00 merge web#1
             05T10:01 merge web#2
             05T11:00 deploy web c2 id 2
             05T11:02 deploy web c1 id 3",
            expect![[r#"
                web #1 shipped in 2
                web #2 shipped in 2
            "#]],
        );
    }

    #[test]
    fn the_first_deployment_ever_seen_swallows_nothing() {
        check(
            "service web
             05T10:00 merge web#1
             05T10:30 merge web#2
             05T11:00 deploy web c2 id 1
             05T11:30 merge web#3
             05T12:00 deploy web c3 id 2",
            expect![[r#"
                web #1 BeforeFirstDeployment
                web #2 shipped in 1
                web #3 shipped in 2
            "#]],
        );
    }

    #[test]
    fn merged_before_the_first_deployment_but_new_in_the_second_is_shipped_by_the_second() {
        check(
            "service web
             05T10:00 commit web c0
             05T10:30 merge web#1
             05T11:00 deploy web c0 id 1
             05T12:00 deploy web c1 id 2",
            expect![[r#"
                web #1 shipped in 2
            "#]],
        );
    }

    #[test]
    fn a_merge_queue_may_deploy_before_it_marks_the_change_as_merged() {
        check(
            "service web
             05T11:00 deploy web c3 id 1
             05T10:59:59 merge web#1
             05T11:00 merge web#2
             05T11:00:20 merge web#3",
            expect![[r#"
                web #1 BeforeFirstDeployment
                web #2 shipped in 1
                web #3 shipped in 1
            "#]],
        );
    }

    #[test]
    fn a_first_deployment_whose_ancestors_are_not_known_is_no_beginning() {
        check(
            "service web
             05T10:00 merge web#1
             05T10:10 merge web#2
             05T10:20 merge web#3
             05T11:00 deploy web elsewhere id 1
             05T12:00 deploy web c2 id 2
             05T13:00 deploy web c3 id 3",
            expect![[r#"
                web #1 BeforeFirstDeployment
                web #2 shipped in 2
                web #3 shipped in 3
            "#]],
        );
    }

    #[test]
    fn without_a_commit_graph_only_the_very_commit_that_was_deployed_is_known_to_be_shipped() {
        let mut story = Story::told(
            "service web
             05T10:00 merge web#1
             05T10:10 merge web#2
             05T11:00 deploy web c2 id 1
             05T12:00 deploy web c2 id 2",
        );
        story.facts.retain(|(_, fact)| !matches!(fact, Fact::Commit(_)));
        check_story(
            &story,
            &expect![[r#"
            web #1 Unshipped
            web #2 shipped in 1
        "#]],
        );
    }

    #[test]
    fn a_release_without_a_commit_ships_nothing_that_is_known() {
        check(
            "service web releases ^v
             05T10:00 commit web c0
             05T10:00 release web v0 c0 id 1
             05T10:30 merge web#1
             05T11:00 release web v1 ? id 2
             05T12:00 release web v2 c1 id 3",
            expect![[r#"
                web #1 shipped in 3
            "#]],
        );
    }

    #[test]
    fn squash_merge_and_rebase_ship_by_the_commit_that_the_merge_made() {
        check(
            "service web
             01T09:00 commit web c0
             01T10:00 deploy web c0 id 1
             05T09:00 commit web b1 on c0 aside
             05T10:00 merge web#1 with b1 as squashed
             05T10:10 commit web b2 on squashed aside
             05T10:20 merge web#2 with b2 as merged on squashed,b2
             05T10:30 commit web rebased1
             05T10:30 merge web#3 with b3,b4 as rebased2
             05T11:00 deploy web squashed id 2
             05T12:00 deploy web merged id 3
             05T13:00 deploy web rebased1 id 4
             05T14:00 deploy web rebased2 id 5",
            expect![[r#"
                web #1 shipped in 2
                web #2 shipped in 3
                web #3 shipped in 5
            "#]],
        );
    }

    #[test]
    fn without_a_merge_commit_the_last_commit_of_the_branch_stands_in_if_it_was_kept() {
        let mut story = Story::told(
            "service web
             01T09:00 commit web c0
             01T10:00 deploy web c0 id 1
             05T09:00 commit web b1 on c0 aside
             05T10:00 merge web#1 with b1 as merged on c0,b1
             05T10:00 merge web#2 with b2
             05T11:00 deploy web c2 id 2",
        );
        for (_, fact) in &mut story.facts {
            if let Fact::Change(change) = fact {
                change.merge_commit = None;
            }
        }
        check_story(
            &story,
            &expect![[r#"
            web #1 shipped in 2
            web #2 NoMergeCommit
        "#]],
        );
    }

    #[test]
    fn what_was_merged_into_another_branch_waits_only_once_it_is_on_the_default_branch() {
        let story = "service web
             01T09:00 commit web c0
             01T10:00 deploy web c0 id 1
             05T10:00 merge web#1 into topic as t1 aside
             05T10:30 merge web#2 into release as r1 aside
             05T11:00 deploy web r1 id 2
             05T11:30 merge web#3";
        check(
            &format!("{story}\nhead web c3"),
            expect![[r#"
                web #1 NotOnDefaultBranch
                web #2 shipped in 2
                web #3 Unshipped
            "#]],
        );
        check(
            &format!("{story}\n05T12:00 commit web m1 on c3,t1\nhead web m1"),
            expect![[r#"
                web #1 Unshipped
                web #2 shipped in 2
                web #3 Unshipped
            "#]],
        );
    }

    #[test]
    fn what_is_merged_at_as_of_or_later_is_not_known() {
        check(
            "service web
             as_of 06T00:00
             05T23:59:59 merge web#1
             06T00:00 merge web#2",
            expect![[r#"
                web #1 NoDeploymentSource
            "#]],
        );
    }

    #[test]
    fn a_change_belongs_to_every_service_that_its_paths_touch_and_ships_in_each_on_its_own() {
        check(
            "service api in mono paths api/** to prod-api
             service web in mono paths web/** to prod-web
             service lib in mono paths lib/** to prod-lib
             01T09:00 commit mono c0
             01T10:00 deploy mono c0 to prod-api id 1
             01T10:00 deploy mono c0 to prod-web id 2
             05T10:00 merge mono#1 touches api/a.rs,web/b.rs
             05T10:10 merge mono#2 touches lib/c.rs
             05T10:20 merge mono#3 touches README.md
             05T11:00 deploy mono c2 to prod-api id 3",
            expect![[r#"
                api #1 shipped in 3
                web #1 Unshipped
                lib #2 NoDeploymentSource
            "#]],
        );
    }

    #[test]
    fn services_without_paths_get_what_no_glob_matches() {
        check(
            "service api in mono paths api/**
             service rest in mono
             05T10:00 merge mono#1 touches api/a.rs,docs/b.md
             05T10:10 merge mono#2 touches api/a.rs
             05T10:20 merge mono#3",
            expect![[r#"
                api #1 NoDeploymentSource
                api #2 NoDeploymentSource
                rest #1 NoDeploymentSource
                rest #3 NoDeploymentSource
            "#]],
        );
    }

    #[test]
    fn bots_are_known_by_type_by_suffix_and_by_the_configured_list() {
        check(
            "service web
             rule bots Snyk-Bot,renovate[bot]
             05T10:00 merge web#1 by dependabot[bot]
             05T10:10 merge web#2 by snyk-bot
             05T10:20 merge web#3 by renovate
             05T10:30 merge web#4 by robotnik
             05T10:40 merge web#5 by ghost",
            expect![[r#"
                web #1 bot NoDeploymentSource
                web #2 bot NoDeploymentSource
                web #3 bot NoDeploymentSource
                web #4 NoDeploymentSource
                web #5 NoDeploymentSource
            "#]],
        );
    }

    #[test]
    fn a_login_that_ends_in_bot_is_one_even_if_the_vendor_does_not_say_so() {
        let story = Story::told("service web\nrule bots ci");
        let is_bot = |login: &str, bot: bool| {
            super::is_bot(&super::Actor { login: login.into(), bot }, &story.params.rules)
        };
        assert!(is_bot("renovate[bot]", false));
        assert!(is_bot("anything", true));
        assert!(is_bot("CI", false) && is_bot("ci[bot]", false));
        assert!(!is_bot("robot", false) && !is_bot("[bot]tom", false));
    }

    #[test]
    fn hotfixes_are_known_by_label_and_by_branch() {
        check(
            "service web
             05T10:00 merge web#1 labels bug,HotFix
             05T10:10 merge web#2 branch hotfix/login
             05T10:20 merge web#3 branch no-hotfix/login labels hotfixes",
            expect![[r#"
                web #1 hotfix NoDeploymentSource
                web #2 hotfix NoDeploymentSource
                web #3 NoDeploymentSource
            "#]],
        );
    }
}
