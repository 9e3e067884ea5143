//! What the sample organisation keeps in files: costs, demand, surveys and registers.

use std::fmt::Write as _;

use chrono::{Datelike, Duration, NaiveDate};

use super::metrics::{RETENTION_DAYS, WATCHED};
use super::random::Random;
use super::{HISTORY_DAYS, SERVICES, TEAMS};
use crate::time::Instant;

/// One file.
#[derive(Clone, Debug)]
pub struct File {
    /// Its name.
    pub name: &'static str,
    /// What is in it.
    pub text: String,
}

/// A wave of a survey of the sample.
#[derive(Clone, Copy, Debug)]
pub struct Wave {
    /// Its name, and that of its file before `.csv`.
    pub name: &'static str,
    /// How many days ago it closed.
    pub closed_days_ago: i64,
    /// How many were asked.
    pub invited: u64,
}

/// The waves of the survey of developers; the first is the baseline.
pub const DEVELOPERS: [Wave; 2] = [
    Wave { name: "developers-before", closed_days_ago: 330, invited: 54 },
    Wave { name: "developers-after", closed_days_ago: 40, invited: 60 },
];

/// The wave of the survey of stakeholders.
pub const STAKEHOLDERS: Wave = Wave { name: "stakeholders", closed_days_ago: 25, invited: 30 };

/// The questions to developers, by dimension.
pub const QUESTIONS: [(&str, &str); 3] = [
    ("flow", "I have time to focus"),
    ("feedback", "Feedback comes quickly"),
    ("load", "Systems are easy to understand"),
];

/// The question to stakeholders.
pub const CONTENT: &str = "How content are you with us?";

/// Everything that is kept in files at `now`.
pub fn files(now: Instant) -> Vec<File> {
    let mut random = Random::seeded(20_261_122);
    let today = now.date_naive();
    vec![
        costs(today, &mut random),
        units(today, &mut random),
        developers(DEVELOPERS[0], 3.0, &mut random),
        developers(DEVELOPERS[1], 4.1, &mut random),
        stakeholders(&mut random),
        mentorship(today),
        escalations(today),
    ]
}

fn days(today: NaiveDate) -> impl Iterator<Item = NaiveDate> {
    (1..HISTORY_DAYS).rev().map(move |back| today - Duration::days(back))
}

/// From 1 at the start to 0 now.
fn ago(day: NaiveDate, today: NaiveDate) -> f64 {
    (today - day).num_days() as f64 / HISTORY_DAYS as f64
}

fn costs(today: NaiveDate, random: &mut Random) -> File {
    let mut text =
        "ChargeCategory,ChargePeriodStart,ChargePeriodEnd,EffectiveCost,BillingCurrency,Tags\n"
            .to_owned();
    for day in days(today) {
        let next = day + Duration::days(1);
        for service in &SERVICES {
            // It gets cheaper by a quarter while it grows.
            let cost = 40.0
                * service.changes
                * (1.0 + 0.3 * ago(day, today))
                * (0.9 + 0.2 * random.unit());
            let _ = writeln!(
                text,
                "Usage,{day}T00:00:00Z,{next}T00:00:00Z,{cost:.4},EUR,\"{{\"\"service\"\":\"\"{}\"\"}}\"",
                service.name
            );
        }
        let shared = 25.0 + 10.0 * random.unit();
        let _ = writeln!(text, "Usage,{day}T00:00:00Z,{next}T00:00:00Z,{shared:.4},EUR,{{}}");
        if day.day() == 1 {
            let _ = writeln!(text, "Tax,{day}T00:00:00Z,{next}T00:00:00Z,900,EUR,{{}}");
        }
    }
    File { name: "costs.csv", text }
}

/// What is counted by the metric store, from when it keeps it on, is in no register.
fn units(today: NaiveDate, random: &mut Random) -> File {
    let counted = today - Duration::days(RETENTION_DAYS - 2);
    let is_watched = |service: &str| WATCHED.iter().any(|it| it.service == service);
    let mut text = "date,service,unit,count\n".to_owned();
    for day in days(today) {
        for service in &SERVICES {
            let requests =
                1e5 * service.changes * (1.2 - 0.4 * ago(day, today)) * (0.8 + 0.4 * random.unit());
            if day < counted || !is_watched(service.name) {
                let _ = writeln!(text, "{day},{},request,{requests:.0}", service.name);
            }
        }
    }
    File { name: "units.csv", text }
}

fn developers(wave: Wave, mean: f64, random: &mut Random) -> File {
    let questions: Vec<&str> = QUESTIONS.iter().map(|(_, question)| *question).collect();
    let mut text = format!("Email,Team,{}\n", questions.join(","));
    // The platform team has four people: too few to be shown.
    for (team, people) in TEAMS.iter().zip([17, 14, 4]) {
        for person in 0..people {
            let mut answers = QUESTIONS.iter().map(|_| score(mean, random).to_string());
            let answers: Vec<String> = answers.by_ref().collect();
            let _ = writeln!(text, "{team}{person}@acme.example,{team},{}", answers.join(","));
        }
    }
    File { name: wave.name, text }
}

fn stakeholders(random: &mut Random) -> File {
    let mut text = format!("Email,Department,{CONTENT}\n");
    for (group, people, mean) in [("Sales", 9, 4.4), ("Finance", 7, 3.9), ("Legal", 3, 3.0)] {
        for person in 0..people {
            let score = score(mean, random);
            let _ = writeln!(text, "{group}{person}@acme.example,{group},{score}");
        }
    }
    File { name: STAKEHOLDERS.name, text }
}

fn score(mean: f64, random: &mut Random) -> u8 {
    (mean + 1.6 * (random.unit() - 0.5)).round().clamp(1.0, 5.0) as u8
}

fn mentorship(today: NaiveDate) -> File {
    let mut text = String::new();
    let entries = [
        (300, "ada", "payments"),
        (210, "ben", "storefront"),
        (90, "ada", "payments"),
        (30, "cid", "platform"),
    ];
    for (number, (back, person, team)) in entries.into_iter().enumerate() {
        let day = today - Duration::days(back);
        let _ = write!(
            text,
            "[[mentorship]]\ndate = {day}\nperson = \"{person}\"\nteam = \"{team}\"\nwhat = \"led a design review\"\n\
             evidence = \"https://wiki.acme.example/growth/{number}\"\n\n"
        );
    }
    File { name: "mentorship.toml", text }
}

fn escalations(today: NaiveDate) -> File {
    let mut text = "date,team,group\n".to_owned();
    for (number, back) in (10..HISTORY_DAYS).step_by(23).enumerate() {
        let day = today - Duration::days(back);
        let _ = writeln!(text, "{day},{},Sales", TEAMS[number % TEAMS.len()]);
    }
    File { name: "escalations.csv", text }
}
