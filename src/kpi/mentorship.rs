//! How many people grew (kpis.md 3.20).

use std::collections::{BTreeMap, BTreeSet};

use super::register_items::placement;
use super::statistics::{count, real};
use super::{
    Better, Exclusions, Family, Item, ItemId, Kpi, Mark, Need, Outcome, PlacedBy, Reading, Slice,
    TargetRule, Unit, View,
};
use crate::domain::Text;

const PEOPLE: &str = "engkpi_mentorship_people";

const PERSON: &str = "person";
const NO_EVIDENCE: &str = "no_evidence";

/// People with something to show for it.
pub static KPI: Kpi = Kpi {
    id: "mentorship",
    title: "Mentorship",
    definition: "People with at least one entry with evidence in a register of mentorship in the window, each counted once. \
        Entries without evidence are left out and shown. It is never inferred from activity such as reviews or comments, and no \
        name is kept: entries of one person are told apart by a number that means nothing elsewhere.",
    unit: Unit::People,
    better: Better::Band,
    default_window: "365d",
    target: TargetRule::Band { low: 2.0, high: 5.0 },
    target_stat: None,
    target_dimensions: &[],
    aims: None,
    min_n: 0,
    min_coverage: None,
    provisional_days: 0,
    placed_by: PlacedBy::Start,
    lookback_days: 0,
    needs: &[Need::Mentorship],
    uses: &[],
    baseline_value: None,
    families: &[Family {
        name: PEOPLE,
        help: "People with an entry with evidence in a register of mentorship.",
        dimensions: &[],
        distribution: false,
        now: false,
        needs: &[],
    }],
    assess,
    by_window: false,
    measure,
};

fn assess(view: &View<'_>) -> Vec<Item> {
    let entries = view.timeline.mentoring.iter().filter(|(_, it)| it.at() < view.as_of);
    let mut entries: Vec<_> = entries.collect();
    entries.sort_by_key(|(key, it)| (it.day, *key));
    let mut people: BTreeMap<&str, usize> = BTreeMap::new();
    let items = entries.into_iter().map(|((source, native), it)| {
        let next = people.len() + 1;
        let person = *people.entry(&it.person).or_insert(next);
        let mut marks = vec![Mark {
            name: PERSON,
            value: person.to_string().into(),
            evidence: it.evidence.as_ref().map(Text::from),
            at: None,
        }];
        marks.extend(it.what.iter().map(|what| Mark::new("what", what.clone())));
        Item {
            id: ItemId::Entry { source: source.clone(), native: native.clone() },
            placement: placement(view, None, it.team.as_deref()),
            started_at: it.at(),
            completed_at: Some(it.at()),
            outcome: match it.evidence {
                Some(_) => Outcome::Counted,
                None => Outcome::Excluded(NO_EVIDENCE),
            },
            values: Vec::new(),
            marks,
            times: Vec::new(),
        }
    });
    items.collect()
}

fn measure(items: &[&Item], slice: &Slice<'_>) -> Vec<Reading> {
    let mut people = BTreeSet::new();
    let mut excluded = Exclusions::default();
    for item in items.iter().filter(|it| slice.window.contains(it.started_at)) {
        match item.outcome {
            Outcome::Excluded(reason) | Outcome::Censored(reason) => {
                excluded.add(reason, 1);
            }
            Outcome::Counted | Outcome::Open => {
                people.extend(item.mark(PERSON).map(|mark| mark.value.as_ref()));
            }
        }
    }
    // Everybody is in the register: there is no sampling error.
    let people = count(people.len());
    let mut reading = Reading::new(PEOPLE, Some(real(people)), people);
    reading.excluded = excluded;
    vec![reading]
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::KPI;
    use crate::kpi::testing::Story;

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "expectations are written in place")]
    fn check(slice: &str, story: &str, readings: Expect) {
        readings.assert_eq(&Story::told(story).readings(&KPI, slice));
    }

    #[test]
    fn an_empty_register_is_nobody() {
        check(
            "org 365d",
            "service web",
            expect![[r#"
            mentorship_people 0 n=0
        "#]],
        );
    }

    #[test]
    fn a_person_counts_once() {
        check(
            "org 30d",
            "05T00:00 grew m1 alice evidence https://wiki/1
             06T00:00 grew m2 bob evidence https://wiki/2
             07T00:00 grew m3 alice evidence https://wiki/3",
            expect![[r#"
                mentorship_people 2 n=2
            "#]],
        );
    }

    #[test]
    fn without_evidence_nobody_counts() {
        check(
            "org 30d",
            "05T00:00 grew m1 alice
             06T00:00 grew m2 bob evidence https://wiki/2",
            expect![[r#"
                mentorship_people 1 n=1 no_evidence=1
            "#]],
        );
    }

    #[test]
    fn the_window_holds_its_start_and_not_its_end() {
        check(
            "org 05T00:00..07T00:00",
            "04T00:00 grew m1 alice evidence x
             05T00:00 grew m2 bob evidence x
             06T00:00 grew m3 carol evidence x
             07T00:00 grew m4 dave evidence x",
            expect![[r#"
                mentorship_people 2 n=2
            "#]],
        );
    }

    #[test]
    fn what_happens_at_as_of_or_later_is_not_known() {
        check(
            "org 30d",
            "as_of 10T00:00
             09T00:00 grew m1 alice evidence x
             10T00:00 grew m2 bob evidence x",
            expect![[r#"
                mentorship_people 1 n=1
            "#]],
        );
        let story = Story::told("as_of 10T00:00\n10T00:00 grew m2 bob evidence x");
        assert_eq!(story.items(&KPI, "org"), "");
    }

    #[test]
    fn a_team_has_its_own_and_the_organisation_each_once() {
        let story = Story::told(
            "service web team core
             service pay team money
             05T00:00 grew m1 alice evidence x team core
             06T00:00 grew m2 alice evidence x team money
             07T00:00 grew m3 bob evidence x team Money
             08T00:00 grew m4 carol evidence x",
        );
        expect![[r#"
            mentorship_people 3 n=3
        "#]]
        .assert_eq(&story.readings(&KPI, "org 30d"));
        expect![[r#"
            mentorship_people 1 n=1
        "#]]
        .assert_eq(&story.readings(&KPI, "team core 30d"));
        expect![[r#"
            mentorship_people 2 n=2
        "#]]
        .assert_eq(&story.readings(&KPI, "team money 30d"));
    }

    #[test]
    fn explain_shows_evidence_and_numbers_instead_of_people() {
        let story = Story::told(
            "05T00:00 grew m1 a1b2c3 evidence https://wiki/1 what talk
             06T00:00 grew m2 d4e5f6
             07T00:00 grew m3 a1b2c3 evidence https://wiki/3",
        );
        let items = story.items(&KPI, "org");
        expect![[r#"
            m1 counted 05T00:00 person=1(https://wiki/1) what=talk
            m2 excluded no_evidence person=2
            m3 counted 07T00:00 person=1(https://wiki/3)
        "#]]
        .assert_eq(&items);
        assert!(!items.contains("a1b2c3"), "not even a pseudonym");
    }
}
