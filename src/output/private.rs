//! What /metrics and snapshots never say: who did something, what somebody wrote, and which commit, pull request
//! or incident it was.
//!
//! Every text of every fact that is a login, a name, an address, a title or another free text, and
//! every id, is replaced by one that can be recognised, and none of them may be in what is exposed or written.

use std::sync::LazyLock;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use regex::Regex;
use serde_json::Value;

use super::exposition::{self, Options};
use super::snapshot::{self, Asked};
use crate::domain::{Fact, Timeline};
use crate::kpi::Window;
use crate::kpi::evaluation::{Plan, SourceFreshness, evaluate};
use crate::kpi::testing::worlds::{World, worlds};
use crate::kpi::testing::{Story, instant};
use crate::kpi::window::Period;

/// Free texts by the name of their field, whatever they say.
const FREE: [&str; 16] = [
    "login",
    "person",
    "what",
    "evidence",
    "link",
    "description",
    "customer_impact",
    "category",
    "root_cause",
    "problem",
    "head_branch",
    "url",
    "page",
    "mentions",
    "name_of_person",
    "channel",
];

/// What a text that must not be seen begins with.
const CANARY: &str = "canary";

/// Forty digits, and the seven by which people know a commit.
const COMMIT: &str = "c0ffee5";

/// The text instead of `text` in the field `name`.
fn replaced(name: &str, text: &str) -> String {
    let digits = text.get(1..).filter(|it| it.len() < 6 && !it.is_empty());
    let numbered = digits.is_some_and(|it| it.bytes().all(|it| it.is_ascii_digit()));
    match text.as_bytes().first() {
        // `w0` and `s1` are the waves of surveys.
        _ if name == "wave" => text.to_owned(),
        Some(b'm' | b'p' | b's' | b'k' | b'l' | b'e') if numbered && name != "id" => {
            let of: String = text.bytes().map(|it| format!("{it:02x}")).collect();
            format!("{COMMIT}{of:0>33}")
        }
        Some(_) if numbered => format!("{CANARY}-{text}"),
        _ if FREE.contains(&name) => format!("{CANARY}@example.org Fix {text}"),
        // Where it lies says whose it is; what it is called does not.
        _ if name == "path" || name == "file" => match text.rsplit_once('/') {
            Some((folder, _)) => format!("{folder}/{CANARY}.md"),
            None => format!("{CANARY}.md"),
        },
        _ if name == "labels" && text == "bug" => CANARY.to_owned(),
        _ => text.to_owned(),
    }
}

fn mark(name: &str, value: &mut Value) {
    match value {
        Value::String(text) => *text = replaced(name, text),
        Value::Array(list) => list.iter_mut().for_each(|it| mark(name, it)),
        Value::Object(fields) => fields.iter_mut().for_each(|(name, it)| mark(name, it)),
        _ => {}
    }
}

fn marked(fact: &Fact) -> Fact {
    let mut value = serde_json::to_value(fact).expect("a fact is JSON");
    mark("", &mut value);
    serde_json::from_value(value).expect("another text is as good")
}

/// /metrics and the files of a snapshot of a world all of whose texts are marked, and how many marks
/// there were.
fn exposed(world: &World) -> (String, Vec<(&'static str, String)>, usize) {
    let mut story = world.story();
    let mut marks = 0;
    for (_, fact) in &mut story.facts {
        let before = fact.clone();
        *fact = marked(fact);
        marks += usize::from(*fact != before);
    }
    let window = Window::parse("30d").expect("a window");
    let plan =
        Plan { windows: vec![window], history: false, ..Plan::published(vec![window], false) };
    let timeline = story.timeline();
    let evaluation = evaluate(&timeline, &story.params, &world.freshness(), &plan, story.as_of);
    let text = exposition::render(&evaluation, &Options::default()).text;
    let text = String::from_utf8(text).expect("an exposition is text");
    (text, snapshot(&story, &timeline), marks)
}

/// The first quarter of the world, or every fourth time what is said when a fact is learned late.
fn snapshot(story: &Story, timeline: &Timeline) -> Vec<(&'static str, String)> {
    let now = instant("2026-06-01T00:00");
    let fresh = SourceFreshness { last_success: now, data_through: now };
    let freshness = story.params.sources.iter().map(|it| (it.name.clone(), fresh)).collect();
    let asked = Asked { quarter: Period::quarter("2026-Q1").expect("a quarter"), now };
    let taken = snapshot::take(timeline, &story.params, &freshness, asked);
    if !story.facts.len().is_multiple_of(4) {
        return taken.files();
    }
    let earlier = story.known(story.kept().split_off(1));
    let earlier = snapshot::take(&earlier, &story.params, &freshness, asked);
    taken.clone().correcting(&earlier).unwrap_or(taken).files()
}

/// The text without hashes, in which anything may stand.
fn without_hashes(text: &str) -> String {
    static HASH: LazyLock<Regex> =
        LazyLock::new(|| Regex::new("sha256:[0-9a-f]{64}").expect("a regular expression"));
    HASH.replace_all(text, "").into_owned()
}

fn nobody_is_named_in(count: usize, size: usize) {
    let mut runner = TestRunner::deterministic();
    let worlds = worlds(size);
    let (mut marks, mut series, mut readings) = (0, 0, 0);
    for number in 0..count {
        let world = worlds.new_tree(&mut runner).expect("a world").current();
        let (text, mut files, marked) = exposed(&world);
        files.iter_mut().for_each(|(_, text)| *text = without_hashes(text));
        marks += marked;
        series += text.lines().filter(|it| !it.starts_with('#')).count();
        for forbidden in [CANARY, COMMIT, "example.org"] {
            let shown = text.lines().find(|it| it.contains(forbidden));
            assert_eq!(shown, None, "/metrics of world {number} shows it: {world:#?}");
            for (name, text) in &files {
                let shown = text.lines().find(|it| it.contains(forbidden));
                assert_eq!(shown, None, "{name} of world {number} shows it: {world:#?}");
            }
        }
        readings += files.iter().map(|(_, text)| text.lines().count()).sum::<usize>();
    }
    assert!(marks > 5 * count, "{marks} facts of {count} worlds have a text that must not be seen");
    assert!(series > 500 * count, "{series} series of {count} worlds");
    assert!(readings > 5_000 * count, "{readings} lines of snapshots of {count} worlds");
}

#[test]
fn no_person_text_commit_or_id_is_in_metrics_or_snapshots() {
    nobody_is_named_in(40, 40);
}

#[test]
#[ignore = "takes minutes: cargo test --lib output::private -- --ignored"]
fn no_person_text_commit_or_id_is_in_metrics_or_snapshots_of_ten_thousand_organisations() {
    nobody_is_named_in(10_000, 40);
}
