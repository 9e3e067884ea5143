//! What must hold of every decision record, however wild its history.

use chrono::Duration;
use proptest::prelude::*;
use proptest::sample::Index;

use super::{Decision, Record};
use crate::domain::{Instant, Timeline};
use crate::kpi::testing::Story;

/// Something that happens to the record of one of four pull requests, or to one of two records that
/// never had one.
#[derive(Clone, Debug)]
enum Event {
    Propose { draft: bool },
    Commit,
    Land(&'static str),
    Close,
    Edit(&'static str),
    Rename,
    Remove,
}

fn status() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&["Proposed", "Draft", "Accepted", "Rejected", "Superseded~by~9", "-"][..])
}

fn event() -> impl Strategy<Value = (i64, usize, Event)> {
    let event = prop_oneof![
        3 => any::<bool>().prop_map(|draft| Event::Propose { draft }),
        2 => Just(Event::Commit),
        3 => status().prop_map(Event::Land),
        1 => Just(Event::Close),
        3 => status().prop_map(Event::Edit),
        1 => Just(Event::Rename),
        1 => Just(Event::Remove),
    ];
    // Up to 50 days apart, so that some statuses are retro-fits.
    (1..72_000_i64, 0..6_usize, event)
}

/// How one record stands while its story is told.
#[derive(Clone, Debug, Default)]
struct Pen {
    proposed: bool,
    ended: bool,
    on_branch: bool,
    commits: Vec<String>,
    path: String,
    opening: usize,
}

/// The lines of a story with their times.
fn lines() -> impl Strategy<Value = Vec<(Instant, String)>> {
    let rule = prop::sample::select(&["auto", "merge", "status"][..]);
    (rule, prop::collection::vec(event(), 1..30)).prop_map(|(rule, events)| {
        let mut now: Instant = "2024-01-01T00:00:00Z".parse().unwrap();
        let mut lines = vec![(now, format!("records web docs/adr event {rule}"))];
        let mut pens: Vec<Pen> =
            (0..6).map(|of| Pen { path: format!("docs/adr/{of}.md"), ..Pen::default() }).collect();
        for (number, (minutes, of, event)) in events.into_iter().enumerate() {
            now += Duration::minutes(minutes);
            write(&mut lines, &mut pens[of], (now, number, of), event);
        }
        for pen in &pens {
            if pen.proposed {
                lines[pen.opening].1 += &format!(" with x,{}", pen.commits.join(","));
            }
        }
        lines
    })
}

fn write(
    lines: &mut Vec<(Instant, String)>,
    pen: &mut Pen,
    (now, number, of): (Instant, usize, usize),
    event: Event,
) {
    let path = pen.path.clone();
    let mut line = |text: String| lines.push((now, text));
    match event {
        Event::Propose { draft } if of < 4 && !pen.proposed && !pen.on_branch => {
            pen.proposed = true;
            let ready = (now + Duration::days(3)).format("%Y-%m-%dT%H:%M");
            let draft = if draft { format!(" draft ready {ready}") } else { String::new() };
            line(format!("propose web#{of} adds {path}{draft}"));
            pen.opening = lines.len() - 1;
        }
        // What a branch holds is seen when it is merged; it is told of then.
        Event::Commit if pen.proposed && !pen.ended => pen.commits.push(format!("b{number}")),
        Event::Land(status) if pen.proposed && !pen.ended => {
            (pen.ended, pen.on_branch) = (true, true);
            line(format!("land web#{of} as c{number}"));
            for branch in &pen.commits {
                line(format!("record web {branch} {path} Draft"));
            }
            line(format!("record web c{number} {path} {status}"));
        }
        Event::Close if pen.proposed && !pen.ended => {
            pen.ended = true;
            line(format!("close web#{of}"));
        }
        Event::Edit(status) if pen.on_branch || of >= 4 => {
            pen.on_branch = true;
            line(format!("record web e{number} {path} {status}"));
        }
        Event::Rename if pen.on_branch => {
            pen.path = format!("docs/adr/{of}-{number}.md");
            line(format!("record web e{number} {} Proposed from {path}", pen.path));
        }
        Event::Remove if pen.on_branch => line(format!("record web e{number} {path} - gone")),
        _ => {}
    }
}

fn told<'a>(lines: impl IntoIterator<Item = &'a (Instant, String)>, as_of: Instant) -> Story {
    let lines = lines.into_iter().map(|(at, line)| match line.starts_with("records") {
        true => line.clone(),
        false => format!("{} {line}", at.format("%Y-%m-%dT%H:%M")),
    });
    let mut story = Story::told(&lines.collect::<Vec<_>>().join("\n"));
    story.as_of = as_of;
    story
}

fn records(story: &Story) -> Vec<Record> {
    let timeline = story.timeline();
    story.view(&timeline).records.clone()
}

proptest! {
    #[test]
    fn the_order_of_arrival_and_duplicates_change_nothing(
        (story, shuffled) in lines().prop_flat_map(|lines| {
            let story = told(&lines, lines.last().unwrap().0 + Duration::minutes(1));
            let twice = [story.facts.clone(), story.facts.clone()].concat();
            (Just(story), Just(twice).prop_shuffle())
        })
    ) {
        let mut timeline = Timeline::default();
        for (source, fact) in shuffled {
            timeline.apply(&source, fact);
        }
        let view = story.view(&timeline);
        prop_assert_eq!(&view.records, &records(&story));
    }

    #[test]
    fn hindsight_changes_nothing_that_had_happened(lines in lines(), cut in any::<Index>()) {
        let as_of = lines[cut.index(lines.len())].0 + Duration::minutes(1);
        let at_the_time = told(lines.iter().filter(|(at, _)| *at < as_of), as_of);
        prop_assert_eq!(records(&at_the_time), records(&told(&lines, as_of)));
    }

    #[test]
    fn every_record_is_one_and_its_times_agree_with_its_decision(lines in lines()) {
        let as_of = lines.last().unwrap().0;
        let records = records(&told(&lines, as_of));
        let mut paths: Vec<&str> = records.iter().map(|it| it.path.as_str()).collect();
        prop_assert!(paths.is_sorted());
        paths.dedup();
        prop_assert_eq!(paths.len(), records.len(), "{:#?}", records);
        for it in &records {
            let decided = matches!(it.decision, Decision::Accepted | Decision::Rejected);
            prop_assert_eq!(decided, it.decided_at.is_some(), "{:#?}", it);
            let times = [it.proposed_at, it.decided_at, Some(it.seen_at)];
            prop_assert!(times.into_iter().flatten().all(|at| at < as_of), "{it:#?}");
            if it.decision == Decision::Pending {
                prop_assert!(it.proposed_at.is_some(), "what waits was proposed: {it:#?}");
            }
        }
    }

    #[test]
    fn what_was_decided_stays_decided(lines in lines(), cut in any::<Index>()) {
        // Under `auto` a repository can turn out to fill its statuses in later.
        prop_assume!(!lines[0].1.ends_with("auto"));
        let end = lines.last().unwrap().0 + Duration::minutes(1);
        let before = records(&told(&lines, lines[cut.index(lines.len())].0));
        let after = records(&told(&lines, end));
        for it in before.iter().filter(|it| it.decided_at.is_some()) {
            let same = |later: &&Record| later.decided_at == it.decided_at && later.decision == it.decision;
            prop_assert!(after.iter().any(|later| same(&later)), "{it:#?} in {after:#?}");
        }
    }
}
