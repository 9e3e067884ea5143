//! What the KPIs from surveys have in common.

use std::collections::BTreeMap;

use super::item::Answers;
use super::statistics::{Bounds, Sample, count, mean_difference, mean_interval, real};
use super::status::Estimate;
use super::view::surveys::{Block, EVERYBODY, Question};
use super::{
    Exclusions, Item, ItemId, Mark, Outcome, Placement, Reading, Scope, Slice, Stat, View,
};

/// Below it there is no status: who answers is no longer who was asked (kpis.md 2).
pub(super) const LEAST_RESPONSE: f64 = 0.3;

const SUPPRESSED: &str = "suppressed";

/// One item for each block of answers to a survey of `kpi`, and one without a number for each team
/// whose answers are not shown.
pub(super) fn of(view: &View<'_>, kpi: &str) -> Vec<Item> {
    let questions = view.surveys.iter().filter(|it| it.survey.kpi == kpi);
    questions.flat_map(|question| items(view, question)).collect()
}

fn items(view: &View<'_>, question: &Question<'_>) -> Vec<Item> {
    let team = |team: usize| view.params.catalogue.teams[team].clone();
    let item = |of: Option<usize>| Item {
        id: ItemId::Answers(Box::new(Answers {
            source: question.survey.source.clone(),
            survey: question.survey.name.clone(),
            wave: question.wave.0.to_owned(),
            dimension: question.dimension.to_owned(),
            group: question.group.clone(),
            team: of.map(team),
        })),
        placement: Placement { teams: of.into_iter().collect(), ..Placement::default() },
        started_at: question.wave.1.closed_at,
        completed_at: Some(question.wave.1.closed_at),
        outcome: Outcome::Counted,
        values: Vec::new(),
        marks: Vec::new(),
        times: Vec::new(),
    };
    let shown = question.blocks.iter().map(|block| {
        let mut item = item(block.team);
        let sample = Sample::new(block.scores.clone());
        item.values.extend(sample.mean().map(|mean| ("mean", mean)));
        item.marks.push(Mark::new("answers", block.scores.len().to_string()));
        item.marks.push(Mark::new("scores", tally(&block.scores)));
        item
    });
    let hidden = |of| Item { outcome: Outcome::Excluded(SUPPRESSED), ..item(of) };
    let nobody = question.blocks.is_empty().then(|| hidden(None));
    let teams = question.suppressed.iter().map(|team| hidden(Some(*team)));
    shown.chain(teams).chain(nobody).collect()
}

/// Ascending scores as people count them: `3 × 2, 4 × 5`.
fn tally(scores: &[f64]) -> String {
    let runs = scores.chunk_by(|a, b| a == b);
    let run = |run: &[f64]| format!("{} × {}", run.len(), (run[0] * 1000.0).round() / 1000.0);
    runs.map(run).collect::<Vec<_>>().join(", ")
}

/// The scores of one question in one scope.
#[derive(Debug)]
pub(super) struct Score<'a> {
    pub(super) question: &'a Question<'a>,
    scores: Vec<f64>,
    /// How many cells are suppressed.
    suppressed: u64,
    /// Share of those asked who answered.
    response: Option<f64>,
}

/// The latest answers of a scope by dimension and group, from the items of the scope.
pub(super) fn latest<'a>(items: &[&Item], slice: &Slice<'a>) -> Vec<Score<'a>> {
    let mut latest: BTreeMap<(&str, &str), Score<'a>> = BTreeMap::new();
    for question in slice.view.surveys.iter().filter(|it| it.is_last) {
        let Some(score) = Score::of(items, slice, question) else { continue };
        let place = (question.dimension, question.group.as_str());
        let later = |it: &Score<'_>| it.question.wave.1.closed_at > question.wave.1.closed_at;
        if !latest.get(&place).is_some_and(later) {
            latest.insert(place, score);
        }
    }
    latest.into_values().collect()
}

impl<'a> Score<'a> {
    /// `None` if nobody of the scope answered.
    fn of(items: &[&Item], slice: &Slice<'a>, question: &'a Question<'a>) -> Option<Self> {
        let of_question: Vec<&&Item> = items.iter().filter(|it| is_about(it, question)).collect();
        of_question.first()?;
        let teams = &slice.view.params.catalogue.teams;
        let shown = |block: &&Block| {
            let team = block.team.map(|team| &teams[team]);
            let is = |id: &ItemId| matches!(id, ItemId::Answers(it) if it.team.as_ref() == team);
            of_question.iter().any(|item| item.counted() && is(&item.id))
        };
        let blocks = question.blocks.iter().filter(shown);
        let scores: Vec<f64> = blocks.flat_map(|it| it.scores.iter().copied()).collect();
        let suppressed = count(of_question.iter().filter(|it| !it.counted()).count());
        let invited = invited(question, slice.scope);
        let response = invited
            .filter(|invited| *invited > 0 && !scores.is_empty())
            .map(|invited| (real(count(scores.len())) / real(invited)).min(1.0));
        Some(Self { question, scores, suppressed, response })
    }

    /// Its mean and its median as readings of `family`, the dimension or group still to be named.
    pub(super) fn readings(self, family: &'static str, change: Option<Estimate>) -> Vec<Reading> {
        let scale = self.question.scale;
        let mean = mean_interval(&self.scores);
        let sample = Sample::new(self.scores);
        let median = sample.quantile_interval(0.5);
        let mut exclusions = Exclusions::default();
        if self.suppressed > 0 {
            exclusions.add(SUPPRESSED, self.suppressed);
        }
        let reading = |stat, value: Option<f64>, bounds: Bounds| {
            let mut reading =
                Reading::new(family, value, sample.n()).stat(stat).bounds(within(scale, bounds));
            reading.excluded = exclusions.clone();
            reading.coverage = self.response;
            reading.change = change.map(Box::new);
            reading
        };
        vec![
            reading(Stat::Mean, sample.mean(), mean),
            reading(Stat::Median, sample.quantile(0.5), median),
        ]
    }

    /// How much higher the mean is than in the wave `baseline` of the same survey, on the same
    /// scale. `None` where that cannot be said.
    pub(super) fn since(
        &self,
        baseline: &str,
        items: &[&Item],
        slice: &Slice<'a>,
    ) -> Option<Estimate> {
        let then = slice.view.surveys.iter().find(|it| {
            std::ptr::eq(it.survey, self.question.survey)
                && it.wave.0 == baseline
                && it.dimension == self.question.dimension
                && it.group == self.question.group
        })?;
        let same = then.scale.is_some() && then.scale == self.question.scale;
        let then = Self::of(items, slice, then).filter(|_| same)?;
        let low = |it: &Self| it.response.is_none_or(|share| share < LEAST_RESPONSE);
        if low(&then) || low(self) {
            return None;
        }
        let (value, interval) = mean_difference(&then.scores, &self.scores)?;
        let n = count(then.scores.len().min(self.scores.len()));
        Some(Estimate { value: Some(value), interval, beyond: None, n })
    }
}

fn is_about(item: &Item, question: &Question<'_>) -> bool {
    match &item.id {
        ItemId::Answers(it) => {
            it.source == question.survey.source
                && it.survey == question.survey.name
                && it.wave == question.wave.0
                && it.dimension == question.dimension
                && it.group == question.group
        }
        _ => false,
    }
}

/// How many were asked; of a group within a team nobody says that.
fn invited(question: &Question<'_>, scope: Scope) -> Option<u64> {
    let wave = question.wave.1;
    match (scope, question.group.as_str()) {
        (Scope::Org, EVERYBODY) => wave.invited,
        (Scope::Org, group) => wave.invited_by_group.get(group).copied(),
        (Scope::Team(team), EVERYBODY) => wave.invited_by_team.get(&team).copied(),
        (Scope::Team(_) | Scope::Service(_), _) => None,
    }
}

/// No interval reaches beyond the scale.
fn within(scale: Option<(f64, f64)>, bounds: Bounds) -> Bounds {
    match scale {
        Some((low, high)) => Bounds {
            lower: bounds.lower.map(|it| it.max(low)),
            upper: bounds.upper.map(|it| it.min(high)),
        },
        None => bounds,
    }
}
