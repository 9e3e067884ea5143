//! What a snapshot of a quarter promises.

use chrono::{Duration, TimeDelta};
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::domain::{Fact, SourceName};
use crate::kpi::TargetRule;
use crate::kpi::evaluation::SourceFreshness;
use crate::kpi::params::KpiParams;
use crate::kpi::testing::worlds::{World, worlds};
use crate::kpi::testing::{Story, instant};
use crate::output::testing::{STORY, told};

/// The first quarter of 2026 has three severe incidents in February and March; the one before has two.
const QUARTER: &str = "
service api in mono paths api/** team red incidents PAPI
service web in mono paths web/** team blue incidents PWEB
2025-11-10T10:00 incident i0 P1 on PAPI
2025-11-10T12:00 resolve i0
2025-12-10T10:00 incident i1 P1 on PWEB
2025-12-10T12:00 resolve i1
02-10T10:00 incident i2 P1 on PAPI
02-10T12:00 resolve i2
03-05T10:00 incident i3 P1 on PAPI
03-05T10:30 resolve i3
03-06T10:00 incident i4 P2 on PWEB
03-06T12:00 resolve i4
as_of 06-01T00:00";

/// An incident of the quarter of which nobody knew.
const LATE: &str = "03-20T10:00 incident i5 P1 on PWEB\n03-20T11:00 resolve i5";

fn quarter(name: &str) -> Period {
    Period::quarter(name).expect("a quarter")
}

/// The snapshot of the first quarter of 2026 that is taken at `now`.
fn at(story: &Story, freshness: &Freshness, now: Instant) -> Snapshot {
    let asked = Asked { quarter: quarter("2026-Q1"), now };
    take(&story.timeline(), &story.params, freshness, asked)
}

/// The same at the end of a story.
fn of(text: &str) -> Snapshot {
    let (story, freshness) = told(text);
    at(&story, &freshness, story.as_of)
}

fn with(also: &str) -> String {
    QUARTER.replace("as_of", &format!("{also}\nas_of"))
}

/// The organisation's number that the target of a KPI names.
fn headline<'a>(snapshot: &'a Snapshot, kpi: &str) -> &'a Number {
    let mut numbers = snapshot.readings.iter();
    let number = numbers.find(|it| it.kpi == kpi && it.scope == "org" && it.is_headline());
    number.unwrap_or_else(|| panic!("{kpi} is not in the snapshot"))
}

fn file(snapshot: &Snapshot, name: &str) -> String {
    let mut files = snapshot.files().into_iter();
    files.find(|(it, _)| *it == name).unwrap_or_else(|| panic!("there is no {name}")).1
}

fn because(snapshot: &Snapshot) -> String {
    snapshot.corrected().map_or_else(String::new, |(because, _)| because.join("; "))
}

#[test]
fn a_number_has_its_n_its_interval_its_target_and_the_quarter_before() {
    let number = headline(&of(QUARTER), "incident_frequency").clone();
    assert_eq!(
        (number.value, number.n, number.window.as_str()),
        (Some(3.0), Some(3), "quarter:2026-Q1")
    );
    assert_eq!((number.previous_value, number.previous_n), (Some(2.0), Some(2)));
    // Three in 90 days are more than two in 92 days by more than half.
    assert_eq!(number.previous_ratio, Some(1.533_333_333_33));
    assert_eq!((number.lower.is_some(), number.upper.is_some()), (true, true));
    assert_eq!((number.target, number.status.as_deref()), (Some(1.0), Some("likely_missed")));
    assert_eq!(number.provisional, Some(false));
}

#[test]
fn what_is_there_is_compared_with_what_was_there_a_quarter_ago() {
    // The quarter before is settled on the 31st of January.
    let also = "01-20T10:00 incident i8 P1 on PAPI\n02-20T10:00 incident i9 P1 on PAPI";
    let snapshot = of(&with(also));
    let open = |scope: &str| {
        let mut numbers = snapshot.readings.iter().filter(|it| it.scope == scope);
        let open = numbers.find(|it| it.family == "engkpi_incidents_open");
        open.map(|it| (it.window.as_str(), it.value, it.previous_value))
    };
    assert_eq!(open("org"), Some(("now", Some(2.0), Some(1.0))));
    assert_eq!(open("service"), None, "of services what a target names");
}

#[test]
fn why_there_is_no_verdict_is_said() {
    let why = |also: &str| {
        let snapshot = of(&with(also));
        let missing = snapshot.missing.iter().find(|it| it.kpi == "incident_recurrence");
        missing.map(|it| it.why.clone()).expect("too little is known")
    };
    let named = |incident: &str| format!("03-10T10:00 field {incident} root_cause dns");
    assert_eq!(
        why(&named("i2")),
        "only 33.3 % of what it is about is known, and a verdict needs 60 %"
    );
    let all = ["i2", "i3", "i4"].map(named).join("\n");
    assert_eq!(why(&all), "too few for a verdict (n = 3)");
    assert_eq!(why(""), "only 0 % of what it is about is known, and a verdict needs 60 %");
}

#[test]
fn every_kpi_has_a_line_for_the_organisation_and_each_team() {
    let snapshot = of(QUARTER);
    for kpi in kpi::ALL {
        headline(&snapshot, kpi.id);
        let page = file(&snapshot, "snapshot.md");
        assert!(page.contains(&format!("| {}", kpi.title)), "{} is not in\n{page}", kpi.title);
    }
    let of_people = snapshot.readings.iter().filter(|it| it.kpi == "mentorship");
    assert!(of_people.clone().all(|it| it.service.is_none()), "people belong to teams");
    assert!(of_people.count() >= 3, "the organisation, red and blue");
}

#[test]
fn a_settled_quarter_is_the_same_whenever_it_is_looked_at() {
    let (story, freshness) = told(QUARTER);
    let first = at(&story, &freshness, instant("06-01T00:00"));
    assert_eq!((first.provisional, first.as_of), (false, instant("05-01T00:00")));
    for later in ["06-01T00:00:01", "2026-08-01T00:00", "2031-01-01T00:00"] {
        let later = at(&story, &freshness, instant(later));
        assert_eq!(later.files(), first.files());
    }
}

#[test]
fn a_snapshot_that_says_the_same_is_no_correction() {
    assert_eq!(of(QUARTER).correcting(&of(QUARTER)), None);
}

#[test]
fn a_late_incident_makes_a_revision_that_says_what_was_and_what_is() {
    let first = of(QUARTER);
    let second = of(&with(LATE)).correcting(&first).expect("a correction");
    assert_eq!(second.revision, 2);
    assert_eq!(
        because(&second),
        "facts changed, in change_failure, incident_detection_time, incident_frequency, \
         incident_recovery_time, incident_recurrence"
    );
    let json: Value = serde_json::from_str(&file(&second, "snapshot.json")).unwrap();
    let changed = json["changes"]["readings"].as_array().unwrap();
    let is = |it: &&Value, kpi, scope| {
        it["kpi"] == kpi
            && it["scope"] == scope
            && it["family"] == "engkpi_incident_frequency_incidents"
    };
    let org = changed.iter().find(|it| is(it, "incident_frequency", "org")).unwrap();
    assert_eq!((&org["was"]["value"], &org["is"]["value"]), (&3.0.into(), &4.0.into()));
    let blue = changed.iter().find(|it| is(it, "incident_frequency", "team")).unwrap();
    assert_eq!((&blue["team"], &blue["is"]["n"]), (&"blue".into(), &2.into()));
    assert!(!changed.iter().any(|it| it["team"] == "red"), "red had nothing to do with it");
    for name in ["snapshot.md", "snapshot.html"] {
        let page = file(&second, name);
        for needed in ["Corrects revision 1", "What changed since revision 1", "3, n 3", "4, n 4"] {
            assert!(page.contains(needed), "{needed} is not in {name}:\n{page}");
        }
    }
    assert_eq!(of(&with(LATE)).correcting(&second), None, "it is corrected once");
}

#[test]
fn an_incident_that_belongs_to_neither_quarter_corrects_nothing() {
    for other in ["2025-03-20T10:00", "04-20T10:00"] {
        let also = format!("{other} incident i5 P1 on PWEB\n{other}:30 resolve i5");
        let other = of(&with(&also));
        assert_eq!(other.correcting(&of(QUARTER)).map(|it| because(&it)), None);
    }
}

#[test]
fn a_late_incident_of_the_quarter_before_is_a_correction_too() {
    let earlier = LATE.replace("03-20", "2025-12-20");
    let second = of(&with(&earlier)).correcting(&of(QUARTER)).expect("a correction");
    let number = headline(&second, "incident_frequency");
    assert_eq!((number.value, number.previous_value), (Some(3.0), Some(3.0)));
    assert!(file(&second, "snapshot.md").contains("the quarter before 2"), "what it was is said");
}

#[test]
fn another_configuration_is_a_correction_and_is_named_as_the_reason() {
    let (mut story, freshness) = told(QUARTER);
    let first = at(&story, &freshness, story.as_of);
    let target = Some(TargetRule::RateRatio { ratio: 2.0 });
    let changed = KpiParams { target, ..KpiParams::default() };
    story.params.kpis.insert("incident_frequency".to_owned(), changed);
    let second = at(&story, &freshness, story.as_of).correcting(&first).expect("a correction");
    assert_eq!(first.input, second.input);
    assert_eq!(
        because(&second),
        "the configuration changed: rules, targets, teams, services or sources"
    );
    assert!(second.corrected().is_some_and(|(_, count)| count > 0));
}

#[test]
fn where_the_program_counts_otherwise_that_is_said() {
    let mut first = of(QUARTER);
    first.readings[0].n = first.readings[0].n.map(|it| it + 1).or(Some(1));
    let second = of(QUARTER).correcting(&first).expect("a correction");
    assert!(because(&second).contains("or engkpi"), "{}", because(&second));
    first.definition = "0".to_owned();
    let second = of(QUARTER).correcting(&first).expect("a correction");
    assert_eq!(because(&second), "the definitions changed from version 0 to version 1");
}

#[test]
fn no_address_and_no_name_of_a_thing_decides_about_the_hashes() {
    let (mut story, freshness) = told(QUARTER);
    let first = at(&story, &freshness, story.as_of);
    for source in &mut story.params.sources {
        source.web_base = "https://elsewhere.example".parse().unwrap();
    }
    assert_eq!(at(&story, &freshness, story.as_of).files(), first.files());
}

#[test]
fn before_the_lag_has_passed_it_is_provisional_and_then_it_is_not() {
    let (story, freshness) = told(QUARTER);
    let first = at(&story, &freshness, instant("04-03T00:00"));
    assert!(first.provisional);
    assert_eq!(
        first.provisional_because,
        ["what is learned until 2026-05-01 00:00 UTC still belongs to the quarter"]
    );
    assert_eq!(headline(&first, "incident_detection_time").provisional, Some(true));
    assert_eq!(headline(&first, "incident_frequency").provisional, Some(false));
    for name in ["snapshot.md", "snapshot.html"] {
        assert!(file(&first, name).contains("Provisional"), "{name} says so");
    }
    let again = at(&story, &freshness, instant("04-04T00:00"));
    assert_eq!(again.correcting(&first), None, "a day later nothing else is known of the quarter");
    let (late, _) = told(&with("04-10T10:00 learnt i2 fault 02-10T09:30"));
    let learned = at(&late, &freshness, instant("04-12T00:00"));
    let learned = learned.correcting(&first).expect("another revision");
    assert_eq!(
        because(&learned),
        "it is as of 2026-04-12 00:00 UTC instead of 2026-04-03 00:00 UTC, which matters in \
         incident_detection_time"
    );
    let last = at(&story, &freshness, instant("06-01T00:00"));
    let last = last.correcting(&first).expect("another revision");
    assert_eq!(
        (last.provisional, because(&last)),
        (false, "it is not provisional any more".to_owned())
    );
}

#[test]
fn a_source_that_was_not_read_far_enough_keeps_it_provisional() {
    let (story, mut freshness) = told(QUARTER);
    let read = instant("04-30T23:30");
    let behind = SourceFreshness { last_success: read, data_through: read };
    freshness.insert(SourceName::from("pagerduty"), behind);
    let snapshot = at(&story, &freshness, story.as_of);
    assert_eq!(
        snapshot.provisional_because,
        ["pagerduty was read up to 2026-04-30 23:30 UTC only"]
    );
    assert_eq!(snapshot.sources[1].state, Reached::Behind);
    assert_eq!(headline(&snapshot, "incident_frequency").value, Some(3.0), "but it is not stale");
}

#[test]
fn what_is_stale_or_was_never_read_has_no_value_and_says_why() {
    let (story, fresh) = told(QUARTER);
    let mut freshness = fresh.clone();
    let read = instant("03-20T00:00");
    let stale = SourceFreshness { last_success: read, data_through: read };
    freshness.insert(SourceName::from("pagerduty"), stale);
    let why = |snapshot: &Snapshot| {
        let missing = snapshot.missing.iter().find(|it| it.kpi == "incident_frequency").unwrap();
        (missing.status.clone(), missing.why.clone())
    };
    let first = at(&story, &freshness, story.as_of);
    assert_eq!(headline(&first, "incident_frequency").value, None);
    assert_eq!(headline(&first, "incident_frequency").n, None, "unknown is not zero");
    let expected =
        ("stale".to_owned(), "pagerduty was read up to 2026-03-20 00:00 UTC only".to_owned());
    assert_eq!(why(&first), expected);
    freshness.remove(&SourceName::from("pagerduty"));
    let never = at(&story, &freshness, story.as_of);
    assert_eq!(
        why(&never),
        ("no_data".to_owned(), "pagerduty was never read to its end".to_owned())
    );
    let read = at(&story, &fresh, story.as_of).correcting(&first).expect("a correction");
    assert!(because(&read).contains("pagerduty was read since"), "{}", because(&read));
}

#[test]
fn what_nobody_collects_is_missing_by_name() {
    let snapshot = of(QUARTER);
    let missing = snapshot.missing.iter().find(|it| it.kpi == "unit_cost").unwrap();
    assert_eq!(missing.why, "no source that feeds it is configured");
    let why =
        |kpi: &str| snapshot.missing.iter().find(|it| it.kpi == kpi).map(|it| it.why.as_str());
    assert_eq!(why("incident_recovery_time"), Some("no baseline is configured"));
    let by_month = "its target (4 to 8 per calendar month) is not about a quarter";
    assert_eq!(why("architecture_throughput"), Some(by_month));
    assert_eq!(why("incident_frequency"), None, "it is judged");
    assert!(
        file(&snapshot, "snapshot.md").contains("| Unit cost | no data | no source that feeds")
    );
}

#[test]
fn what_is_undefined_is_never_zero() {
    let calm = "service api team red incidents PAPI\nas_of 06-01T00:00";
    let snapshot = of(calm);
    let recovery = headline(&snapshot, "incident_recovery_time");
    assert_eq!((recovery.value, recovery.n, recovery.previous_value), (None, Some(0), None));
    let csv = file(&snapshot, "snapshot.csv");
    let row = csv.lines().find(|it| it.contains("incident_recovery_time,") && it.contains(",org,"));
    assert!(row.is_some_and(|it| it.contains(",median,,0,,0,")), "{row:?}");
    let page = file(&snapshot, "snapshot.md");
    assert!(
        page.contains("| Time to recover (median) | – |") || page.contains("(median) | – |"),
        "{page}"
    );
    let json: Value = serde_json::from_str(&file(&snapshot, "snapshot.json")).unwrap();
    let numbers = json["readings"].as_array().unwrap();
    let recovery = numbers.iter().find(|it| it["kpi"] == "incident_recovery_time").unwrap();
    assert_eq!(recovery["value"], Value::Null);
    assert_eq!(
        headline(&snapshot, "incident_frequency").value,
        Some(0.0),
        "none at all is a count"
    );
}

#[test]
fn quarters_are_fiscal_ones_cut_in_the_configured_zone() {
    let (mut story, freshness) = told(QUARTER);
    story.params.calendar.zone = chrono_tz::Europe::Berlin;
    let winter = at(&story, &freshness, story.as_of);
    assert_eq!(winter.start, instant("2025-12-31T23:00"));
    assert_eq!(winter.end, instant("2026-03-31T22:00"), "the clocks went forward in between");
    assert_eq!(winter.days(), "2026-01-01 to 2026-03-31, Europe/Berlin");
    assert_eq!(winter.as_of, instant("2026-04-30T22:00"));
    story.params.calendar.fiscal_year_start_month = 11;
    let asked = Asked { quarter: quarter("2025-Q2"), now: instant("2026-08-01T00:00") };
    let fiscal = take(&story.timeline(), &story.params, &freshness, asked);
    assert_eq!(fiscal.days(), "2026-02-01 to 2026-04-30, Europe/Berlin");
    assert_eq!((fiscal.quarter.as_str(), fiscal.previous_quarter.as_str()), ("2025-Q2", "2025-Q1"));
}

#[test]
fn an_earlier_revision_is_read_as_it_was_written() {
    let snapshot = of(QUARTER);
    let text = file(&snapshot, "snapshot.json");
    let again = read(&text).unwrap();
    assert_eq!(file(&again, "snapshot.json"), text);
    let later = text.replacen("\"format\": 1", "\"format\": 2", 1);
    assert!(read(&later).unwrap_err().to_string().contains("format 2"));
    assert!(read("{}").unwrap_err().to_string().contains("is no snapshot"));
    assert!(read(&text[..text.len() / 2]).is_err());
}

#[test]
fn what_has_no_history_corrects_nothing_alone_and_neither_does_the_present_at_another_time() {
    let first = of(QUARTER);
    let mut later = of(QUARTER);
    for number in later.readings.iter_mut().filter(|it| it.as_collected) {
        number.n = Some(7);
    }
    later.inputs.insert("standard_adoption".to_owned(), "sha256:other".to_owned());
    assert_eq!(later.clone().correcting(&first), None);
    for number in later.readings.iter_mut().filter(|it| it.window == "now") {
        number.n = Some(7);
    }
    assert!(later.clone().correcting(&first).is_some(), "at the same time it is another number");
    later.as_of += TimeDelta::hours(1);
    assert_eq!(later.correcting(&first), None, "later it is another present");
}

#[test]
fn a_page_needs_nothing_else_and_runs_nothing() {
    let page = file(&of(STORY), "snapshot.html");
    assert!(page.contains("<style>") && page.contains("@media print"));
    for forbidden in
        ["<script", "http-equiv", "<link", "<img", "src=", "href=", "url(", "@import", "onload"]
    {
        assert!(!page.contains(forbidden), "{forbidden} in\n{page}");
    }
    assert!(!page.contains("<b>api"), "names are escaped: {page}");
}

/// The first quarter of 2026 with these answers to a survey, in lines.
fn surveyed(answers: &str) -> Snapshot {
    let text = format!(
        "service web team core
         service pay team money
         service sdk team tools
         feeds surveys from 2023-01-01T00:00
         wave developer_experience w1 closed 02-01T00:00 invited 30 each core=8,money=8,tools=9
         wave developer_experience w2 closed 03-01T00:00 invited 30 each core=8,money=8,tools=9
         {answers}
         as_of 06-01T00:00"
    );
    let (story, mut freshness) = told(&text);
    let fresh = SourceFreshness { last_success: story.as_of, data_through: story.as_of };
    freshness.extend(story.params.sources.iter().map(|it| (it.name.clone(), fresh)));
    at(&story, &freshness, story.as_of)
}

/// The mean of a team, or of the organisation.
fn score<'a>(snapshot: &'a Snapshot, team: Option<&str>) -> &'a Number {
    let mut numbers = snapshot.readings.iter().filter(|it| it.kpi == "developer_experience");
    let is = |it: &&Number| it.team.as_deref() == team && it.stat.as_deref() == Some("mean");
    numbers.find(is).expect("a mean")
}

#[test]
fn who_said_what_in_a_hidden_cell_is_not_told_by_anything() {
    let told = |money: &str, tools: &str| {
        surveyed(&format!(
            "answers w1 flow team core 5,5,5,5,5,5,5,5
             answers w1 flow team money {money}
             answers w1 flow team tools {tools}"
        ))
    };
    let snapshot = told("3,3,3,3,3,3", "1,1,1,1");
    let core = score(&snapshot, Some("core"));
    assert_eq!((core.value, core.n), (Some(5.0), Some(8)));
    for team in ["money", "tools"] {
        let hidden = score(&snapshot, Some(team));
        assert_eq!((hidden.value, hidden.n, hidden.lower), (None, Some(0), None), "{team}");
        assert_eq!(hidden.excluded.get("suppressed"), Some(&1));
    }
    let alone = surveyed("answers w1 flow team core 5,5,5,5");
    let why = alone.missing.iter().find(|it| it.kpi == "developer_experience");
    assert!(why.is_some_and(|it| it.why == "of fewer than 5 people nothing is shown"), "{why:?}");
    let of_survey = snapshot.readings.iter().filter(|it| it.kpi == "developer_experience");
    assert!(of_survey.clone().count() > 6);
    assert!(of_survey.clone().all(|it| (it.previous_value, it.previous_n) == (None, None)));
    assert_eq!(snapshot.files(), told("1,1,1,3,3,3", "1,3,3,3").files(), "not even by a hash");
}

#[test]
fn what_one_person_answered_late_is_not_told_by_two_revisions() {
    let answers = |core: &str, tools: &str| {
        surveyed(&format!(
            "answers w1 flow team core {core}
             answers w1 flow team money 3,3,3,3,3,3
             answers w1 flow team tools {tools}"
        ))
    };
    let eight = "5,5,5,5,5,5,5,5";
    let first = answers(eight, "1,1,1,1");
    // With the fifth answer the team could be shown, and what the four had said be calculated.
    let late = answers(eight, "1,1,1,1,2");
    assert_eq!(score(&late, Some("tools")).n, Some(5));
    assert_eq!(late.correcting(&first), None, "it stands");
    assert_eq!(
        answers("5,5,5,5,5,5,5,1", "1,1,1,1").correcting(&first),
        None,
        "nor another answer"
    );
    // With another correction it is held, and said so; five answers later it is not.
    let mut earlier = first.clone();
    earlier.definition = "0".to_owned();
    let held = answers(eight, "1,1,1,1,2").correcting(&earlier).expect("a correction");
    assert_eq!(score(&held, None), score(&first, None));
    assert_eq!(score(&held, Some("tools")).n, Some(0));
    assert!(
        file(&held, "snapshot.md").contains("Developer experience stays as in the revision before")
    );
    assert_eq!(because(&held), "the definitions changed from version 0 to version 1");
    let many = answers("5,5,5,5,5,5,5,5,4,4,4,4,4", "1,1,1,1").correcting(&held);
    let many = many.expect("a correction");
    assert_eq!((score(&many, None).n, many.held.len()), (Some(23), 0));
}

#[test]
fn another_wave_is_shown_however_few_more_answered() {
    let first = surveyed("answers w1 flow team core 5,5,5,5,5,5");
    let other =
        surveyed("answers w1 flow team core 5,5,5,5,5,5\nanswers w2 flow team core 4,4,4,4,4,4,4");
    let second = other.correcting(&first).expect("a correction");
    assert_eq!((score(&second, None).value, score(&second, None).n), (Some(4.0), Some(7)));
}

/// A snapshot of a world whose sources were read until long after its quarter.
fn of_world(world: &World, facts: Vec<(SourceName, Fact)>) -> Snapshot {
    let story = world.story();
    let now = instant("2026-06-01T00:00");
    let fresh = SourceFreshness { last_success: now, data_through: now };
    let freshness = story.params.sources.iter().map(|it| (it.name.clone(), fresh)).collect();
    let asked = Asked { quarter: quarter("2026-Q1"), now };
    take(&story.known(facts), &story.params, &freshness, asked)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn the_order_in_which_facts_arrive_changes_no_byte(world in worlds(40), seed in any::<u64>()) {
        let facts = world.story().kept();
        let mut order: Vec<usize> = (0..facts.len()).collect();
        order.sort_by_key(|it| (*it as u64).wrapping_mul(seed | 1).rotate_left(17));
        let other = order.into_iter().map(|it| facts[it].clone()).collect();
        let (first, second) = (of_world(&world, facts), of_world(&world, other));
        prop_assert!(!first.provisional && first.readings.iter().all(|it| it.provisional != Some(true)));
        prop_assert_eq!(first.files(), second.files());
        let no_correction = second.correcting(&first);
        prop_assert!(no_correction.is_none());
        let of: std::collections::BTreeSet<_> = first.readings.iter().map(Number::place).collect();
        prop_assert_eq!(of.len(), first.readings.len(), "no two numbers are of the same");
    }

    #[test]
    fn no_cell_of_a_table_is_a_formula_whatever_a_service_is_called(name in "(?s)[=+@\t\r\n-]?.{1,9}") {
        let (mut story, freshness) = told(QUARTER);
        story.params.catalogue.services[0].name = crate::domain::ServiceName::new(name.clone());
        story.params.catalogue.teams[0] = crate::domain::TeamName::new(name.clone());
        let csv = file(&at(&story, &freshness, story.as_of), "snapshot.csv");
        let mut rows = ::csv::Reader::from_reader(csv.as_bytes());
        let columns = rows.headers().unwrap().len();
        let mut named = 0;
        for row in rows.records() {
            let row = row.unwrap();
            prop_assert_eq!(row.len(), columns);
            for cell in &row {
                let number = cell.parse::<f64>().is_ok();
                prop_assert!(number || !cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']), "{:?}", cell);
            }
            named += usize::from(row[6].trim_start_matches('\'') == name.trim_start_matches('\''));
        }
        prop_assert!(named > 10, "{} rows are of the team", named);
    }
}

#[test]
fn the_longest_lag_decides_when_a_quarter_is_settled() {
    let (mut story, _) = told(QUARTER);
    assert_eq!(settled(quarter("2026-Q1"), &story.params), instant("05-01T00:00"));
    story.params.rules.revert_window = Duration::days(61);
    assert_eq!(settled(quarter("2026-Q1"), &story.params), instant("06-01T00:00"));
    let named = |days| kpi::ALL.iter().find(|it| it.provisional_days == days).map(|it| it.id);
    let lags = [named(30), named(14), named(7)];
    let slow = [Some("debt_retirement"), Some("incident_detection_time"), Some("change_failure")];
    assert_eq!(lags, slow);
}
