//! What may be known of surveys (kpis.md 1.10, 3.18, 3.19).
//!
//! The answers to one question of one wave are divided into blocks: one for each team that may be
//! shown, and one for all others together. No block is of fewer than [`SMALLEST_CELL`] people, and
//! whatever is shown is made of whole blocks; so nothing about fewer people can be calculated from
//! it, by subtraction or otherwise. Where not even two blocks can be made there is one for the
//! organisation, and where that is too small there is none.

use std::collections::BTreeMap;

use crate::domain::{Instant, SourceName, Timeline};
use crate::kpi::Params;
use crate::kpi::params::{SurveyParams, WaveParams};

/// Of fewer respondents nothing is shown.
pub const SMALLEST_CELL: usize = 5;

/// The group of those whose group is not asked for.
pub const EVERYBODY: &str = "all";

/// One question of one wave: all answers of one dimension in one group.
#[derive(Clone, Debug, PartialEq)]
pub struct Question<'a> {
    /// The survey.
    pub survey: &'a SurveyParams,
    /// The wave, which is closed.
    pub wave: (&'a str, &'a WaveParams),
    /// No later wave of the survey has answers.
    pub is_last: bool,
    /// What was asked about.
    pub dimension: &'a str,
    /// Which group of stakeholders answered.
    pub group: String,
    /// The lowest and the highest answer possible; `None` where files do not agree.
    pub scale: Option<(f64, f64)>,
    /// Disjoint, the teams first; empty where nothing may be shown.
    pub blocks: Vec<Block>,
    /// Teams with answers that are not shown on their own.
    pub suppressed: Vec<usize>,
}

/// Answers that are shown together or not at all.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    /// The team; `None` = everybody of no shown team.
    pub team: Option<usize>,
    /// In ascending order.
    pub scores: Vec<f64>,
}

/// Every question of every wave that closed before `as_of`, by survey and then by wave.
pub fn build<'a>(timeline: &'a Timeline, params: &'a Params, as_of: Instant) -> Vec<Question<'a>> {
    let cells = cells(timeline, params);
    let mut questions = Vec::new();
    for survey in &params.surveys {
        let mut waves: Vec<_> =
            survey.waves.iter().filter(|(_, it)| it.closed_at < as_of).collect();
        waves.sort_by_key(|(name, it)| (it.closed_at, *name));
        let of_wave = |name: &'a str| cells.get(&(&survey.source, survey.name.as_str(), name));
        waves.retain(|(name, _)| of_wave(name).is_some());
        let last = waves.len().saturating_sub(1);
        for (index, (name, wave)) in waves.into_iter().enumerate() {
            for ((dimension, group), answers) in of_wave(name).into_iter().flatten() {
                let (blocks, suppressed) = blocks(&answers.by_team);
                questions.push(Question {
                    survey,
                    wave: (name, wave),
                    is_last: index == last,
                    dimension,
                    group: group.clone(),
                    scale: answers.scale(),
                    blocks,
                    suppressed,
                });
            }
        }
    }
    questions
}

/// The answers to one question.
#[derive(Debug, Default)]
struct Answers {
    scales: Vec<(f64, f64)>,
    by_team: BTreeMap<Option<usize>, Vec<f64>>,
}

impl Answers {
    fn scale(&self) -> Option<(f64, f64)> {
        let first = *self.scales.first()?;
        self.scales.iter().all(|it| *it == first).then_some(first)
    }
}

type Wave<'a> = (&'a SourceName, &'a str, &'a str);

/// The answers by wave and by dimension and group. Two files of one wave are one crowd.
fn cells<'a>(
    timeline: &'a Timeline,
    params: &Params,
) -> BTreeMap<Wave<'a>, BTreeMap<(&'a str, String), Answers>> {
    let mut cells: BTreeMap<Wave<'a>, BTreeMap<(&'a str, String), Answers>> = BTreeMap::new();
    for ((source, _), cell) in &timeline.survey_cells {
        let group = cell.group.as_deref().map_or_else(|| EVERYBODY.to_owned(), named);
        let of_wave = cells.entry((source, &cell.survey, &cell.wave)).or_default();
        let answers = of_wave.entry((&cell.dimension, group)).or_default();
        let team = cell.team.as_deref().and_then(|name| params.catalogue.team_called(name));
        answers.scales.push(cell.scale);
        answers.by_team.entry(team).or_default().extend(&cell.scores);
    }
    cells
}

/// A group as a label: those that differ in capitals or spaces only are one.
fn named(group: &str) -> String {
    group.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// Divides answers into blocks, and names the teams that got none.
fn blocks(by_team: &BTreeMap<Option<usize>, Vec<f64>>) -> (Vec<Block>, Vec<usize>) {
    let sorted = |mut scores: Vec<f64>| {
        scores.sort_unstable_by(f64::total_cmp);
        scores
    };
    let mut rest = Vec::new();
    let mut shown: Vec<Block> = Vec::new();
    let mut suppressed = Vec::new();
    for (team, scores) in by_team {
        if team.is_some() && scores.len() >= SMALLEST_CELL {
            shown.push(Block { team: *team, scores: sorted(scores.clone()) });
        } else {
            rest.extend(scores);
            suppressed.extend(*team);
        }
    }
    // Those that are left could be found by subtraction: the smallest team joins them.
    while !rest.is_empty() && rest.len() < SMALLEST_CELL {
        let smallest = shown.iter().enumerate().min_by_key(|(_, block)| block.scores.len());
        let Some((index, _)) = smallest else { return (Vec::new(), suppressed) };
        let joined = shown.remove(index);
        rest.extend(joined.scores);
        suppressed.extend(joined.team);
    }
    suppressed.sort_unstable();
    if !rest.is_empty() {
        shown.push(Block { team: None, scores: sorted(rest) });
    }
    (shown, suppressed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Blocks of so many answers of each team; the last of them is of no team.
    fn divided(sizes: &[usize]) -> (Vec<Block>, Vec<usize>) {
        let last = sizes.len() - 1;
        let teams = sizes.iter().enumerate().filter(|(_, size)| **size > 0);
        let by_team = teams.map(|(team, size)| {
            let team = (team < last).then_some(team);
            (team, (0..*size).map(|it| it as f64).collect())
        });
        blocks(&by_team.collect())
    }

    fn shape(sizes: &[usize]) -> String {
        let (blocks, suppressed) = divided(sizes);
        let one = |it: &Block| {
            let team = it.team.map_or("rest".to_owned(), |team| team.to_string());
            format!("{team}:{}", it.scores.len())
        };
        let blocks: Vec<String> = blocks.iter().map(one).collect();
        format!("{} hidden {suppressed:?}", blocks.join(" "))
    }

    #[test]
    fn teams_of_five_are_shown() {
        assert_eq!(shape(&[5, 6, 0]), "0:5 1:6 hidden []");
    }

    #[test]
    fn a_team_of_four_is_not_and_nor_is_one_that_it_could_be_subtracted_with() {
        assert_eq!(shape(&[4, 9, 7, 0]), "1:9 rest:11 hidden [0, 2]");
    }

    #[test]
    fn two_small_teams_hide_each_other() {
        assert_eq!(shape(&[3, 2, 9, 0]), "2:9 rest:5 hidden [0, 1]");
    }

    #[test]
    fn people_of_no_team_are_hidden_too() {
        assert_eq!(shape(&[9, 8, 1]), "0:9 rest:9 hidden [1]");
        assert_eq!(shape(&[9, 8, 5]), "0:9 1:8 rest:5 hidden []");
    }

    #[test]
    fn of_few_people_in_all_nothing_is_shown() {
        assert_eq!(shape(&[2, 2, 0]), " hidden [0, 1]");
        assert_eq!(shape(&[2, 2, 1]), "rest:5 hidden [0, 1]");
        assert_eq!(shape(&[0, 0]), " hidden []");
    }

    proptest! {
        #[test]
        fn everybody_is_in_one_block_of_five_or_more_or_nobody_is_shown(
            sizes in prop::collection::vec(0..12_usize, 1..8)
        ) {
            let all: usize = sizes.iter().sum();
            let (blocks, suppressed) = divided(&sizes);
            prop_assert!(blocks.iter().all(|it| it.scores.len() >= SMALLEST_CELL));
            let shown: usize = blocks.iter().map(|it| it.scores.len()).sum();
            prop_assert_eq!(shown, if all >= SMALLEST_CELL { all } else { 0 });
            for team in suppressed {
                prop_assert!(blocks.iter().all(|it| it.team != Some(team)));
            }
        }

        /// By brute force: the number of everybody minus those of any shown teams, whichever,
        /// leaves nobody or at least five people.
        #[test]
        fn no_difference_of_what_is_shown_is_about_fewer_than_five(
            sizes in prop::collection::vec(0..12_usize, 1..8)
        ) {
            let (blocks, _) = divided(&sizes);
            let all: usize = blocks.iter().map(|it| it.scores.len()).sum();
            let teams: Vec<usize> =
                blocks.iter().filter(|it| it.team.is_some()).map(|it| it.scores.len()).collect();
            for chosen in 0..1_u32 << teams.len() {
                let taken: usize = teams
                    .iter()
                    .enumerate()
                    .filter(|(index, _)| chosen >> index & 1 == 1)
                    .map(|(_, size)| size)
                    .sum();
                let left = all - taken;
                prop_assert!(left == 0 || left >= SMALLEST_CELL, "{left} are left of {all}");
            }
        }
    }
}
