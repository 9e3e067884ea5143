//! A rendered evaluation in pieces, so that the next one renders only what is different.

use std::collections::HashSet;
use std::sync::Arc;

use bytes::Bytes;

use super::draft::Draft;
use super::labels::clean;
use super::{FAMILIES, Options};
use crate::kpi::evaluation::{Evaluation, Part, Section};
use crate::kpi::parallel;
use crate::kpi::statistics::count;

/// The series that one family has for a group of scopes.
#[derive(Debug, Default)]
pub struct Block {
    /// Lines of text.
    pub text: Bytes,
    /// How many series they are.
    pub series: usize,
    /// How many became equal to another when their labels were cleaned.
    pub(super) dropped: u64,
}

/// An evaluation as text: for every family its HELP and TYPE and then a block for every section of
/// its parts. Sections that are as in the evaluation before share its blocks.
#[derive(Debug, Default)]
pub struct Rendering {
    families: Vec<FamilyText>,
    /// By section the blocks of all families; after them those of what is in no section.
    sections: Vec<Vec<Arc<Block>>>,
}

#[derive(Debug)]
struct FamilyText {
    name: String,
    blocks: Vec<Arc<Block>>,
    dropped: u64,
}

impl Rendering {
    /// Renders `evaluation`. What is in `before`, rendered with the same options, is not rendered
    /// again.
    pub fn of(
        evaluation: &Evaluation,
        options: &Options,
        before: Option<(&Evaluation, &Self)>,
    ) -> Self {
        let before = before.filter(|(earlier, _)| earlier.names == evaluation.names);
        let drafter = Drafter { evaluation, options, before };
        let apart = drafter.sections();
        // What is in no section comes last.
        let sections = parallel::map(apart.len() + 1, |at| match apart.get(at) {
            Some(section) => drafter.section(at, section),
            None => drafter.facts(at),
        });
        let families = FAMILIES.iter().enumerate().map(|(at, exposed)| {
            let name = exposed.name().into_owned();
            let blocks = sections.iter().map(|own| Arc::clone(&own[at]));
            let help = exposed.help(options);
            let before = before.and_then(|(_, it)| it.families.get(at));
            FamilyText::new(name, &help, blocks.collect(), options.max_series, before)
        });
        Self { families: families.collect(), sections }
    }

    /// The blocks of all families in their order.
    pub fn blocks(&self) -> impl Iterator<Item = &Arc<Block>> {
        self.families.iter().flat_map(|family| &family.blocks)
    }

    /// Their texts.
    pub fn texts(&self) -> impl Iterator<Item = &[u8]> {
        self.blocks().map(|block| &*block.text)
    }

    /// How many series there are.
    pub fn series(&self) -> usize {
        self.blocks().map(|block| block.series).sum()
    }

    /// Families of which series were left out, and how many.
    pub fn dropped(&self) -> impl Iterator<Item = (&str, u64)> {
        let dropped = self.families.iter().map(|family| (family.name.as_str(), family.dropped));
        dropped.filter(|(_, count)| *count > 0)
    }
}

impl FamilyText {
    /// A family with its HELP and TYPE, unless it is empty, and of no more than `max` series.
    fn new(
        name: String,
        help: &str,
        mut blocks: Vec<Arc<Block>>,
        max: usize,
        before: Option<&Self>,
    ) -> Self {
        blocks.retain(|block| block.series > 0 || block.dropped > 0);
        let mut dropped = blocks.iter().map(|block| block.dropped).sum();
        let mut room = max;
        for block in &mut blocks {
            if block.series > room {
                dropped += count(block.series - room);
                *block = Arc::new(block.first(room));
            }
            room -= block.series;
        }
        blocks.retain(|block| block.series > 0);
        if !blocks.is_empty() {
            let help = help.replace('\\', "\\\\").replace('\n', "\\n");
            let text: Bytes = format!("# HELP {name} {help}\n# TYPE {name} gauge\n").into();
            let known = before.and_then(|it| it.blocks.first());
            let header = known.filter(|it| it.text == text).cloned();
            let header = header.unwrap_or_else(|| Arc::new(Block { text, ..Block::default() }));
            blocks.insert(0, header);
        }
        Self { name, blocks, dropped }
    }
}

impl Block {
    /// The first `series` of it.
    fn first(&self, series: usize) -> Self {
        let lines = self.text.split_inclusive(|byte| *byte == b'\n').take(series);
        Self { text: lines.collect::<Vec<_>>().concat().into(), series, dropped: self.dropped }
    }
}

/// Makes the blocks of the sections of an evaluation.
struct Drafter<'e> {
    evaluation: &'e Evaluation,
    options: &'e Options,
    /// The evaluation before, of the same names, and what was made of it.
    before: Option<(&'e Evaluation, &'e Rendering)>,
}

impl Drafter<'_> {
    /// The sections that are made into blocks on their own. Names that become equal when they are
    /// cleaned must meet in one to be seen: then there is only one.
    fn sections(&self) -> Vec<Vec<&Arc<Section>>> {
        let sections = self.evaluation.parts.sections();
        if self.has_equal_names() {
            vec![sections.iter().collect()]
        } else {
            sections.iter().map(|it| vec![it]).collect()
        }
    }

    fn has_equal_names(&self) -> bool {
        let names = &self.evaluation.names;
        let mut seen = HashSet::new();
        let teams = names.teams.iter().map(|team| (clean(team.into()), "".into()));
        let services = names.services.iter();
        let services = services
            .map(|(name, team)| (clean(names.teams[*team].as_str().into()), clean(name.into())));
        !teams.chain(services).all(|name| seen.insert(name))
    }

    /// The blocks of what is `at` this place among the sections. With the first comes what there is
    /// once for every KPI.
    fn section(&self, at: usize, sections: &[&Arc<Section>]) -> Vec<Arc<Block>> {
        let known = self.known(at).filter(|(earlier, _)| {
            let same = match sections {
                [section] => {
                    earlier.parts.sections().get(at).is_some_and(|it| is_same(it, section))
                }
                _ => false,
            };
            same && (at > 0 || earlier.goals == self.evaluation.goals)
        });
        if let Some((_, blocks)) = known {
            return blocks.to_vec();
        }
        self.draft(|draft| {
            sections.iter().flat_map(|it| it.iter()).for_each(|part| draft.part(part));
            if at == 0 {
                draft.kpis();
            }
        })
    }

    /// The blocks of the counts of facts, after all sections.
    fn facts(&self, at: usize) -> Vec<Arc<Block>> {
        let known = self.known(at).filter(|(earlier, _)| earlier.facts == self.evaluation.facts);
        known.map_or_else(|| self.draft(Draft::facts), |(_, blocks)| blocks.to_vec())
    }

    /// What was made before at this place.
    fn known(&self, at: usize) -> Option<(&Evaluation, &[Arc<Block>])> {
        let (earlier, rendering) = self.before?;
        Some((earlier, rendering.sections.get(at)?))
    }

    fn draft<'a>(&'a self, fill: impl FnOnce(&mut Draft<'a>)) -> Vec<Arc<Block>> {
        let mut draft = Draft::new(self.evaluation, self.options.complete);
        fill(&mut draft);
        draft.settle().into_iter().map(Arc::new).collect()
    }
}

fn is_same(before: &Arc<Section>, after: &Arc<Section>) -> bool {
    let says_the_same = |(a, b): (&Arc<Part>, &Arc<Part>)| {
        a.kpi.id == b.kpi.id
            && a.scope == b.scope
            && Arc::ptr_eq(&a.readings, &b.readings)
            && Arc::ptr_eq(&a.statuses, &b.statuses)
    };
    Arc::ptr_eq(before, after)
        || (before.len() == after.len() && before.iter().zip(after.iter()).all(says_the_same))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::Index as Choice;

    use super::*;
    use crate::domain::fact::Repository;
    use crate::domain::{Fact, SourceName};
    use crate::kpi::Window;
    use crate::kpi::evaluation::{self, Plan};
    use crate::kpi::testing::worlds::worlds;
    use crate::kpi::view::index::Index;
    use crate::kpi::view::reach::Landed;

    fn told(rendering: &Rendering) -> String {
        String::from_utf8(rendering.texts().flatten().copied().collect()).expect("text")
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(8))]

        #[test]
        fn with_one_from_before_a_rendering_says_what_it_says_without(
            world in worlds(40), known in any::<Choice>(), landed in any::<Choice>(),
            equal_names in any::<bool>(), max_series in prop_oneof![Just(usize::MAX), 1..40_usize],
        ) {
            let windows = vec![Window::parse("7d").expect("a window"), Window::Month];
            let plan = Plan { windows: windows.clone(), history: false, ..Plan::published(windows, false) };
            let (story, freshness, as_of) = (world.story(), world.freshness(), world.as_of);
            let params = &story.params;
            let earlier = world.until(known.index(world.len() + 1)).timeline();
            let timeline = story.timeline();
            let before = evaluation::evaluate(&earlier, params, &freshness, &plan, as_of);
            let facts = (&timeline, params);

            let repositories: Vec<Repository> = timeline.repositories.values().cloned().collect();
            let pushed = Fact::Repository(landed.get(&repositories).clone());
            let mut landed = Landed::default();
            landed.note(&timeline, &SourceName::from("github"), &pushed);
            let news = (&landed, &mut Index::of(&timeline, &params.rules));
            let refreshed = evaluation::refresh(&before, news, facts, &freshness, &plan, as_of);
            let last = refreshed.as_ref().unwrap_or(&before);
            let whole = evaluation::evaluate_after(Some(last), facts, &freshness, &plan, as_of);

            let mut evaluations: Vec<Evaluation> =
                [Some(before), refreshed, Some(whole)].into_iter().flatten().collect();
            for names in evaluations.iter_mut().map(|it| Arc::make_mut(&mut it.names)) {
                if equal_names {
                    names.teams[1] = names.teams[0].clone();
                }
            }
            let options = Options { max_series, ..Options::complete() };
            let mut known: Option<(&Evaluation, Rendering)> = None;
            for evaluation in &evaluations {
                let before = known.as_ref().map(|(earlier, it)| (*earlier, it));
                let rendering = Rendering::of(evaluation, &options, before);
                let anew = Rendering::of(evaluation, &options, None);
                let (told, expected) = (told(&rendering), told(&anew));
                let other = told.lines().zip(expected.lines()).find(|(one, other)| one != other);
                prop_assert_eq!(other, None, "see Drafter::section and Drafter::facts");
                prop_assert_eq!(told.len(), expected.len());
                prop_assert!(rendering.dropped().eq(anew.dropped()));
                known = Some((evaluation, rendering));
            }
        }
    }
}
