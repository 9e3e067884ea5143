//! How many services have adopted a standard (kpis.md 3.15).

use super::params::{Check, CheckRule, Params, Service, Standard, WORKFLOW_FILES};
use super::statistics::{count, real};
use super::{
    Aim, Better, Exclusions, Family, Item, ItemId, Kpi, Mark, Need, Outcome, PlacedBy, Placement,
    Reading, Scope, Slice, TargetRule, Unit, View,
};
use crate::domain::fact::{Contents, FileText, Repository};

const ADOPTION: &str = "engkpi_standard_adoption_ratio";

const STANDARD: &str = "standard";
const ADOPTED: &str = "adopted";
const UNKNOWN: &str = "unknown";

/// Services that have adopted each standard.
pub static KPI: Kpi = Kpi {
    id: "standard_adoption",
    title: "Standard adoption",
    definition: "Share of the services in the scope of a standard that pass each of its mandatory checks now, at the tip of the \
        default branch. All of them are counted, so there is no sampling error. A service whose checks could not all be run, and \
        that fails none of the others, is unknown: it is left out of the share, and the bounds are what the share is if every \
        unknown one fails or passes. Services of archived repositories are out of scope.",
    unit: Unit::Ratio,
    better: Better::Higher,
    default_window: "now",
    target: TargetRule::Value { target: 0.7, good: Some(0.9) },
    target_stat: None,
    target_dimensions: &[],
    aims: Some(aims),
    min_n: 1,
    min_coverage: None,
    provisional_days: 0,
    placed_by: PlacedBy::Start,
    lookback_days: 0,
    needs: &[Need::Standards],
    uses: &[],
    baseline_value: None,
    families: &[Family {
        name: ADOPTION,
        help: "Share of the services in scope that pass every mandatory check of the standard now.",
        dimensions: &[STANDARD],
        distribution: false,
        now: true,
        needs: &[],
    }],
    assess,
    by_window: false,
    measure,
};

fn aims(params: &Params, scope: Scope, rule: TargetRule) -> Vec<Aim> {
    let concerned = |standard: &&Standard| match scope {
        Scope::Service(index) => is_in_scope(standard, index, &params.catalogue.services[index]),
        Scope::Org | Scope::Team(_) => true,
    };
    let standards = params.standards.iter().filter(concerned);
    let aim = |it: &Standard| Aim { dimensions: vec![(STANDARD, it.name.clone())], rule };
    standards.map(aim).collect()
}

/// What became of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Passes,
    Fails,
    /// It could not be run.
    Unknown,
}

fn assess(view: &View<'_>) -> Vec<Item> {
    let services = view.params.catalogue.services.iter().enumerate();
    view.params
        .standards
        .iter()
        .flat_map(|standard| {
            services
                .clone()
                .filter(move |(index, service)| is_in_scope(standard, *index, service))
                .map(move |(index, service)| item(view, standard, index, service))
        })
        .collect()
}

fn is_in_scope(standard: &Standard, index: usize, service: &Service) -> bool {
    let of_tier = |tier| standard.tiers.contains(&tier);
    !standard.except.contains(&index)
        && (standard.tiers.is_empty() || service.tier.is_some_and(of_tier))
}

fn item(view: &View<'_>, standard: &Standard, index: usize, service: &Service) -> Item {
    let repository = view.timeline.repository_named(&service.repository);
    let mut marks = Vec::new();
    let mut all = Verdict::Passes;
    for check in &standard.checks {
        let verdict = repository.map_or(Verdict::Unknown, |it| run(view, it, check));
        marks.push(shown(check, verdict));
        if check.mandatory {
            all = match (all, verdict) {
                (Verdict::Fails, _) | (_, Verdict::Fails) => Verdict::Fails,
                (Verdict::Unknown, _) | (_, Verdict::Unknown) => Verdict::Unknown,
                (Verdict::Passes, Verdict::Passes) => Verdict::Passes,
            };
        }
    }
    if all == Verdict::Passes {
        marks.insert(0, Mark::new(ADOPTED, "yes"));
    }
    let outcome = match all {
        _ if repository.is_some_and(|it| it.archived) => Outcome::Excluded("archived"),
        Verdict::Unknown => Outcome::Excluded(UNKNOWN),
        Verdict::Passes | Verdict::Fails => Outcome::Counted,
    };
    Item {
        id: ItemId::Adoption { standard: standard.name.clone(), service: service.name.clone() },
        placement: Placement::of_services(&view.params.catalogue, [index]),
        started_at: view.as_of,
        completed_at: None,
        outcome,
        values: Vec::new(),
        marks,
        times: Vec::new(),
    }
}

fn shown(check: &Check, verdict: Verdict) -> Mark {
    let name = match verdict {
        Verdict::Passes => "passes",
        Verdict::Fails => "fails",
        Verdict::Unknown => UNKNOWN,
    };
    let evidence = (!check.mandatory).then(|| "optional".into());
    Mark { evidence, ..Mark::new(name, check.name.clone()) }
}

fn run(view: &View<'_>, repository: &Repository, check: &Check) -> Verdict {
    let contents =
        |pattern: &str| view.timeline.contents.get(&(repository.id.clone(), pattern.to_owned()));
    match &check.rule {
        CheckRule::File { path } => match contents(path) {
            None => Verdict::Unknown,
            Some(found) if found.files.is_empty() => Verdict::Fails,
            Some(_) => Verdict::Passes,
        },
        CheckRule::Matches { path, pattern } => {
            any_text(&[contents(path)], |text| pattern.is_match(text))
        }
        CheckRule::Uses { action } => {
            any_text(&WORKFLOW_FILES.map(contents), |text| uses(text, action))
        }
        CheckRule::Property { name, values } => {
            let Some(properties) = view.timeline.properties.get(&repository.id) else {
                return Verdict::Unknown;
            };
            let set = properties.values.get(name);
            let wanted = |value: &String| values.is_empty() || values.contains(value);
            if set.is_some_and(|set| set.iter().any(wanted)) {
                Verdict::Passes
            } else {
                Verdict::Fails
            }
        }
    }
}

/// Whether one of the texts is right. If none is and some are not known, that is not known.
fn any_text(contents: &[Option<&Contents>], is_right: impl Fn(&str) -> bool) -> Verdict {
    let mut unknown = contents.iter().any(Option::is_none);
    for file in contents.iter().flatten().flat_map(|it| it.files.values()) {
        match file {
            FileText::Text(text) if is_right(text) => return Verdict::Passes,
            FileText::Text(_) => {}
            FileText::NotRead | FileText::Unreadable => unknown = true,
        }
    }
    if unknown { Verdict::Unknown } else { Verdict::Fails }
}

/// Whether a workflow's text uses an action; a ref of the text counts only where `action` has one.
fn uses(text: &str, action: &str) -> bool {
    text.lines().any(|line| {
        let line = line.trim().trim_start_matches("- ").trim_start();
        let Some(used) = line.strip_prefix("uses:") else { return false };
        let used = used.split(" #").next().unwrap_or_default().trim();
        let used = used.trim_matches(['"', '\'']);
        let plain = used.split('@').next().unwrap_or_default();
        used.eq_ignore_ascii_case(action) || plain.eq_ignore_ascii_case(action)
    })
}

fn measure(items: &[&Item], slice: &Slice<'_>) -> Vec<Reading> {
    slice.view.params.standards.iter().filter_map(|it| adoption(items, it)).collect()
}

/// The reading of one standard; nothing where no service of the scope is concerned.
fn adoption(items: &[&Item], standard: &Standard) -> Option<Reading> {
    let of_standard = |item: &&&Item| match &item.id {
        ItemId::Adoption { standard: name, .. } => *name == standard.name,
        _ => false,
    };
    let items: Vec<&&Item> = items.iter().filter(of_standard).collect();
    let unknown = |item: &&&&Item| item.outcome == Outcome::Excluded(UNKNOWN);
    let unknown = count(items.iter().filter(unknown).count());
    let known: Vec<&&&Item> = items.iter().filter(|it| it.counted()).collect();
    let passing = count(known.iter().filter(|it| it.mark(ADOPTED).is_some()).count());
    let all = count(known.len()) + unknown;
    if all == 0 {
        return None;
    }
    let mut reading = Reading::census(ADOPTION, passing, count(known.len()));
    if unknown > 0 {
        reading.lower = Some(real(passing) / real(all));
        reading.upper = Some(real(passing + unknown) / real(all));
        reading.excluded = Exclusions::from_iter([(UNKNOWN, unknown)]);
    }
    reading.coverage = Some(real(count(known.len())) / real(all));
    Some(reading.with(STANDARD, standard.name.clone()))
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::{KPI, uses};
    use crate::kpi::testing::Story;

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "expectations are written in place")]
    fn check(story: &str, readings: Expect) {
        readings.assert_eq(&Story::told(story).readings(&KPI, "org 30d"));
    }

    #[test]
    fn without_standards_or_services_there_is_nothing_to_adopt() {
        check("service web", expect![[""]]);
        check("standard owners file CODEOWNERS", expect![[""]]);
    }

    #[test]
    fn a_file_is_there_or_not() {
        check(
            "service web
             service api
             standard owners file CODEOWNERS
             01T10:00 holds web CODEOWNERS file CODEOWNERS
             01T10:00 holds api CODEOWNERS",
            expect![[r#"
                standard_adoption_ratio owners 0.5 n=2 numerator=1 coverage=1.00
            "#]],
        );
    }

    #[test]
    fn a_text_matches_in_one_of_the_files() {
        check(
            "service web
             service api
             service old
             standard license file LICENSE* matches Apache
             01T10:00 holds web LICENSE* file LICENSE-MIT says MIT
             01T10:00 holds web LICENSE* file LICENSE-APACHE says The~Apache~License
             01T10:00 holds api LICENSE* file LICENSE says MIT
             01T10:00 holds old LICENSE*",
            expect![[r#"
                standard_adoption_ratio license 0.3333 n=3 numerator=1 coverage=1.00
            "#]],
        );
    }

    #[test]
    fn a_workflow_uses_an_action() {
        check(
            "service web
             service api
             service old
             standard ci uses acme/ci/.github/workflows/build.yml
             01T10:00 holds web .github/workflows/*.yml file .github/workflows/ci.yml says jobs:^a:^uses:~acme/ci/.github/workflows/build.yml@v2
             01T10:00 holds web .github/workflows/*.yaml
             01T10:00 holds api .github/workflows/*.yml file .github/workflows/ci.yml says uses:~acme/other@v1
             01T10:00 holds api .github/workflows/*.yaml
             01T10:00 holds old .github/workflows/*.yml",
            expect![[r#"
                standard_adoption_ratio ci 0.5 [0.3333, 0.6667] n=2 numerator=1 unknown=1 coverage=0.67
            "#]],
        );
    }

    #[test]
    fn an_action_is_named_with_or_without_its_ref() {
        for (text, action, expected) in [
            ("      - uses: actions/checkout@v4", "actions/checkout", true),
            ("      - uses: actions/checkout@v4", "actions/checkout@v4", true),
            ("      - uses: actions/checkout@v4", "actions/checkout@v3", false),
            ("    uses: 'Acme/ci/x.yml@main'  # ours", "acme/ci/x.yml", true),
            ("    uses: \"acme/ci@1\"", "acme/ci", true),
            ("      - name: uses acme/ci@1", "acme/ci", false),
            ("#     uses: acme/ci@1", "acme/ci", false),
            ("      - uses: acme/ci-old@v4", "acme/ci", false),
        ] {
            assert_eq!(uses(text, action), expected, "{text} {action}");
        }
    }

    #[test]
    fn a_property_is_set_to_one_of_the_values() {
        check(
            "service web
             service api
             service old
             service new
             standard tiered property tier values gold,silver
             01T10:00 properties web tier=gold
             01T10:00 properties api tier=bronze
             01T10:00 properties old",
            expect![[r#"
                standard_adoption_ratio tiered 0.3333 [0.25, 0.5] n=3 numerator=1 unknown=1 coverage=0.75
            "#]],
        );
    }

    #[test]
    fn what_could_not_be_checked_is_a_range_unless_another_check_fails() {
        check(
            "service a\nservice b\nservice c\nservice d
             standard s file CODEOWNERS
             standard s file README.md
             01T10:00 holds a CODEOWNERS file CODEOWNERS
             01T10:00 holds a README.md file README.md
             01T10:00 holds b CODEOWNERS file CODEOWNERS
             01T10:00 holds c CODEOWNERS",
            expect![[r#"
                standard_adoption_ratio s 0.5 [0.25, 0.75] n=2 numerator=1 unknown=2 coverage=0.50
            "#]],
        );
    }

    #[test]
    fn a_text_that_cannot_be_read_is_unknown() {
        check(
            "service web
             standard s file big.txt matches x
             01T10:00 holds web big.txt file big.txt unreadable",
            expect![[r#"
                standard_adoption_ratio s - [0, 1] n=0 numerator=0 unknown=1 coverage=0.00
            "#]],
        );
    }

    #[test]
    fn an_optional_check_is_shown_and_not_asked_for() {
        let story = Story::told(
            "service web
             standard s file CODEOWNERS
             standard s file CHANGELOG.md optional
             01T10:00 holds web CODEOWNERS file CODEOWNERS
             01T10:00 holds web CHANGELOG.md",
        );
        expect![[r#"
            s:web counted adopted=yes passes=CODEOWNERS fails=CHANGELOG.md(optional)
        "#]]
        .assert_eq(&story.items(&KPI, "org"));
    }

    #[test]
    fn tiers_exceptions_and_archives_are_out_of_scope() {
        check(
            "service a tier 1\nservice b tier 2\nservice c\nservice d tier 1\nservice e tier 1
             standard s file CODEOWNERS tiers 1 except d
             01T10:00 holds a CODEOWNERS file CODEOWNERS
             01T10:00 archive e",
            expect![[r#"
                standard_adoption_ratio s 1 n=1 numerator=1 coverage=1.00
            "#]],
        );
    }

    #[test]
    fn each_standard_and_each_scope_has_its_own_share() {
        let story = Story::told(
            "service web team shop
             service api team money
             standard owners file CODEOWNERS
             standard license file LICENSE except api
             01T10:00 holds web CODEOWNERS file CODEOWNERS
             01T10:00 holds web LICENSE
             01T10:00 holds api CODEOWNERS",
        );
        for (scope, reading) in [
            (
                "org",
                expect![[r#"
                standard_adoption_ratio owners 0.5 n=2 numerator=1 coverage=1.00
                standard_adoption_ratio license 0 n=1 numerator=0 coverage=1.00
            "#]],
            ),
            (
                "team shop",
                expect![[r#"
                standard_adoption_ratio owners 1 n=1 numerator=1 coverage=1.00
                standard_adoption_ratio license 0 n=1 numerator=0 coverage=1.00
            "#]],
            ),
            (
                "service api",
                expect![[r#"
                standard_adoption_ratio owners 0 n=1 numerator=0 coverage=1.00
            "#]],
            ),
        ] {
            reading.assert_eq(&story.readings(&KPI, &format!("{scope} 30d")));
        }
    }
}
