//! What surveys and registers say.
//!
//! ```text
//! wave developer_experience w1 closed 02-01T00:00 invited 40 core=12,shop=9
//! answers w1 flow team core scale 1,5 3,4,4,5,2     # one respondent each
//! answers w1 score group sales 4,5,5
//! baseline wave developer_experience w1
//! baseline 2025-10-01T00:00 2026-01-01T00:00        # the interval of baseline targets
//! feeds escalations from 2025-01-01T00:00
//! 05T00:00 escalation e1 team core
//! 05T00:00 grew m1 alice evidence https://wiki/talk team core
//! 05T00:00 cost web 12.5 EUR                        # `-` = not tagged
//! 05T00:00 units web request 1000
//! 05T00:00 note i1 ...                              # is in `incidents`
//! 05T00:00 learnt i1 fault 05T09:00 cause dns category network impact few
//! ```

use chrono::Duration;

use super::{Line, Story, instant, source};
use crate::domain::fact::{Cost, Escalation, IncidentNote, Mentoring, SurveyCell, Units};
use crate::domain::{Fact, Instant, SourceName};
use crate::kpi::params::{SourceParams, SurveyParams, WaveParams};
use crate::kpi::{self, Need, Span};

const SOURCE: &str = "files";

#[track_caller]
pub(super) fn wave(story: &mut Story, line: &mut Line) {
    let kpi = line.next("a KPI");
    let kpi = kpi::find(&kpi).expect("a KPI of the registry").id;
    let name = line.next("a wave");
    let closed_at = line.time("closed").expect("a wave closes");
    let invited = line.after("invited").map(|it| it.parse().expect("a number"));
    let by_name = line.list("each");
    let mut wave = WaveParams {
        closed_at,
        invited,
        invited_by_team: Default::default(),
        invited_by_group: Default::default(),
    };
    for pair in by_name {
        let (name, count) = pair.split_once('=').expect("name=count");
        let count = count.parse().expect("a number");
        match story.params.catalogue.team_called(name) {
            Some(team) => wave.invited_by_team.insert(team, count),
            None => wave.invited_by_group.insert(name.to_owned(), count),
        };
    }
    let surveys = &mut story.params.surveys;
    let position = surveys.iter().position(|it| it.kpi == kpi).unwrap_or_else(|| {
        surveys.push(SurveyParams {
            source: SourceName::from(SOURCE),
            name: kpi.to_owned(),
            kpi,
            waves: Default::default(),
        });
        surveys.len() - 1
    });
    surveys[position].waves.insert(name, wave);
}

#[track_caller]
pub(super) fn answers(story: &mut Story, line: &mut Line) {
    let wave = line.next("a wave");
    let dimension = line.next("a dimension");
    let (team, group) = (line.after("team"), line.after("group"));
    let scale: Vec<f64> =
        line.list("scale").iter().map(|it| it.parse().expect("a scale")).collect();
    let scores = line.next("scores");
    let survey = story.params.surveys.iter().find(|it| it.waves.contains_key(&wave));
    let survey = survey.expect("a wave that was told before").clone();
    let cell = SurveyCell {
        id: format!("{wave} {dimension} {team:?} {group:?}"),
        file: "answers.csv".to_owned(),
        closed_at: survey.waves[&wave].closed_at,
        survey: survey.name,
        wave,
        team,
        group,
        dimension,
        scale: match scale[..] {
            [low, high] => (low, high),
            _ => (1.0, 5.0),
        },
        scores: scores.split(',').map(|it| it.parse().expect("a score")).collect(),
    };
    story.learn(SOURCE, Fact::SurveyCell(cell));
}

#[track_caller]
pub(super) fn baseline(story: &mut Story, line: &mut Line) {
    let first = line.next("`wave` or an instant");
    if first == "wave" {
        let kpi = line.next("a KPI");
        story.params.kpis.entry(kpi).or_default().baseline_wave = Some(line.next("a wave"));
    } else {
        let end = instant(&line.next("an instant"));
        story.params.baseline = Some(Span { start: instant(&first), end });
    }
}

#[track_caller]
pub(super) fn feeds(story: &mut Story, line: &mut Line) {
    let need = match line.next("a need").as_str() {
        "escalations" => Need::Escalations,
        "surveys" => Need::DeveloperSurveys,
        "stakeholders" => Need::StakeholderSurveys,
        "mentorship" => Need::Mentorship,
        "costs" => Need::Costs,
        "units" => Need::Units,
        other => panic!("nothing is called {other}"),
    };
    let history_start = line.time("from").expect("a start");
    story.params.sources.push(SourceParams {
        stale_after: Duration::days(1),
        web_base: "file:///".parse().expect("an address"),
        ..source(&format!("{need:?}"), &[need], history_start)
    });
}

#[track_caller]
pub(super) fn happened(story: &mut Story, at: Instant, verb: &str, line: &mut Line) -> bool {
    let (file, day) = ("register.csv".to_owned(), at.date_naive());
    let fact = match verb {
        "escalation" => Fact::Escalation(Escalation {
            id: line.next("an id"),
            file,
            day,
            team: line.after("team"),
            service: line.after("service"),
            group: line.after("group"),
            link: line.after("link"),
        }),
        "grew" => Fact::Mentoring(Mentoring {
            id: line.next("an id"),
            file,
            day,
            person: line.next("a person"),
            team: line.after("team"),
            what: line.after("what"),
            evidence: line.after("evidence"),
        }),
        "cost" => {
            let tag = line.next("a tag");
            let amount = line.next("an amount").parse().expect("an amount");
            let currency = line.next("a currency");
            let id = format!("{day} {tag} {currency}");
            let tag = (tag != "-").then_some(tag);
            Fact::Cost(Cost { id, file, day, tag, currency, amount })
        }
        "units" => {
            let (service, unit) = (line.next("a service"), line.next("a unit"));
            let count = line.next("a count").parse().expect("a count");
            let id = format!("{day} {service} {unit}");
            Fact::Units(Units { id, file: Some(file), day, service, unit, count })
        }
        "learnt" => {
            let incident = line.next("an incident");
            Fact::IncidentNote(IncidentNote {
                id: incident.clone(),
                file,
                incident,
                fault_at: line.time("fault"),
                root_cause: line.after("cause"),
                problem: line.after("problem"),
                category: line.after("category"),
                customer_impact: line.after("impact"),
                link: line.after("link"),
            })
        }
        _ => return false,
    };
    story.learn(SOURCE, fact);
    true
}
