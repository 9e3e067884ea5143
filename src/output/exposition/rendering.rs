//! A rendered evaluation in pieces, so that the next one renders only what is different.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;

use super::draft::Draft;
use super::labels::clean;
use super::{FAMILIES, Options};
use crate::kpi::evaluation::{Evaluation, Part, Scope};
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

/// An evaluation as text: for every family its HELP and TYPE and then a block for every group of
/// scopes. Groups that are as in the rendering before share its blocks.
#[derive(Debug, Default)]
pub struct Rendering {
    families: Vec<FamilyText>,
    groups: Vec<Group>,
}

#[derive(Debug)]
struct FamilyText {
    name: String,
    blocks: Vec<Arc<Block>>,
    dropped: u64,
}

/// What the blocks of a group were made from, and the blocks by family.
#[derive(Debug)]
struct Group {
    parts: Vec<Arc<Part>>,
    blocks: Vec<Arc<Block>>,
}

/// How many teams, or at most services of one team, make a group: few enough that one that changed costs little, enough
/// that compressing each on its own costs little.
const TEAMS: usize = 2;
const SERVICES: usize = 32;

impl Rendering {
    /// Renders `evaluation`. What is in `before`, rendered with the same options, is not rendered
    /// again.
    pub fn of(
        evaluation: &Evaluation,
        options: &Options,
        before: Option<(&Evaluation, &Self)>,
    ) -> Self {
        let places = Places::of(evaluation);
        let mut parts: Vec<Vec<Arc<Part>>> = vec![Vec::new(); places.count];
        for part in &evaluation.parts {
            parts[places.of_scope(part.scope)].push(Arc::clone(part));
        }
        let before = before.filter(|(earlier, _)| earlier.names == evaluation.names);
        let groups = parallel::map(parts.len(), |at| {
            let parts = &parts[at];
            let known = before.and_then(|(earlier, it)| {
                let group = it.groups.get(at)?;
                let same = is_same(&group.parts, parts)
                    && (at != places.of_kpis() || earlier.goals == evaluation.goals)
                    && (at != places.of_facts() || earlier.facts == evaluation.facts);
                same.then_some(group)
            });
            let blocks = match known {
                Some(group) => group.blocks.clone(),
                None => {
                    let mut draft = Draft::new(evaluation, options.complete);
                    parts.iter().for_each(|part| draft.part(part));
                    if at == places.of_kpis() {
                        draft.kpis();
                    }
                    if at == places.of_facts() {
                        draft.facts();
                    }
                    draft.settle().into_iter().map(Arc::new).collect()
                }
            };
            Group { parts: parts.clone(), blocks }
        });
        let families = FAMILIES.iter().enumerate().map(|(at, exposed)| {
            let name = exposed.name().into_owned();
            let blocks = groups.iter().map(|group| Arc::clone(&group.blocks[at]));
            let help = exposed.help(options);
            let before = before.and_then(|(_, it)| it.families.get(at));
            FamilyText::new(name, &help, blocks.collect(), options.max_series, before)
        });
        Self { families: families.collect(), groups }
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

fn is_same(before: &[Arc<Part>], after: &[Arc<Part>]) -> bool {
    let says_the_same = |(a, b): (&Arc<Part>, &Arc<Part>)| {
        a.kpi.id == b.kpi.id
            && a.scope == b.scope
            && Arc::ptr_eq(&a.readings, &b.readings)
            && Arc::ptr_eq(&a.statuses, &b.statuses)
    };
    before.len() == after.len() && before.iter().zip(after).all(says_the_same)
}

/// Which group a scope is in.
struct Places {
    /// How many teams have a group; of the others nothing can be told apart.
    teams: usize,
    /// The group of each service: it is with others of its team, since what lands is about a team.
    services: Vec<usize>,
    count: usize,
}

impl Places {
    /// Names that become equal when they are cleaned must meet in one group to be seen.
    fn of(evaluation: &Evaluation) -> Self {
        let names = &evaluation.names;
        let mut seen = HashSet::new();
        let teams = names.teams.iter().map(|team| (clean(team.into()), "".into()));
        let services = names.services.iter();
        let services = services
            .map(|(name, team)| (clean(names.teams[*team].as_str().into()), clean(name.into())));
        if !teams.chain(services).all(|name| seen.insert(name)) {
            return Self { teams: 0, services: Vec::new(), count: 2 };
        }
        let mut next = 1 + names.teams.len().div_ceil(TEAMS);
        let mut latest: HashMap<usize, (usize, usize)> = HashMap::new();
        let services = names.services.iter().map(|(_, team)| {
            let (group, members) = latest.entry(*team).or_insert((0, SERVICES));
            if *members == SERVICES {
                (*group, *members) = (next, 0);
                next += 1;
            }
            *members += 1;
            *group
        });
        let services = services.collect();
        Self { teams: names.teams.len(), services, count: next + 1 }
    }

    /// The organisation, with what there is once for every KPI.
    fn of_kpis(&self) -> usize {
        0
    }

    fn of_facts(&self) -> usize {
        self.count - 1
    }

    fn of_scope(&self, scope: Scope) -> usize {
        match scope {
            Scope::Team(team) if self.teams > 0 => 1 + team / TEAMS,
            Scope::Service(service) => self.services.get(service).copied().unwrap_or(0),
            Scope::Org | Scope::Team(_) => 0,
        }
    }
}
