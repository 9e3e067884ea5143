//! Which deployment of a service was the first to contain a commit: by ancestry, never by time.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use super::deployments::ServiceDeployment;
use crate::domain::graph::{CommitGraph, FirstReached, Node};
use crate::domain::{CommitId, RepositoryId, Timeline};
use crate::kpi::parallel;

/// The deployments of every service as tips in the commit graph of its repository.
///
/// Services that were deployed with the same commits in the same order share one walk, and a walk
/// visits each commit of its repository once.
#[derive(Debug)]
pub struct Lineage<'a> {
    lines: Vec<Line<'a>>,
}

/// Services of one repository that were deployed with the same commits in the same order.
#[derive(Debug)]
pub struct Line<'a> {
    /// For each of the services its index in the catalogue and the position of its first
    /// deployment among all deployments. The others follow it.
    pub services: Vec<(usize, usize)>,
    /// Their repository.
    pub repository: &'a RepositoryId,
    graph: Option<&'a CommitGraph>,
    tips: Vec<Tip<'a>>,
    walk: OnceLock<Walk>,
}

/// What was deployed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Tip<'a> {
    /// A commit of the graph.
    Known(Node),
    /// A commit that is not in the graph, or of which only a child is.
    Unknown(&'a CommitId),
    /// The vendor does not say.
    Unsaid,
}

impl<'a> Lineage<'a> {
    /// The lineage of `deployments`, which are sorted by service and finish.
    pub fn of(timeline: &'a Timeline, deployments: &'a [ServiceDeployment<'a>]) -> Self {
        let mut lines: Vec<Line<'a>> = Vec::new();
        let mut known: HashMap<(&RepositoryId, Vec<Tip<'a>>), usize> = HashMap::new();
        let mut first = 0;
        for own in deployments.chunk_by(|a, b| a.service == b.service) {
            let repository = own[0].repository;
            let graph = timeline.commits.get(repository).map(Arc::as_ref);
            let tips: Vec<Tip<'_>> = own.iter().map(|it| Tip::of(it, graph)).collect();
            let line = *known.entry((repository, tips)).or_insert_with_key(|(_, tips)| {
                let (tips, walk) = (tips.clone(), OnceLock::new());
                lines.push(Line { services: Vec::new(), repository, graph, tips, walk });
                lines.len() - 1
            });
            lines[line].services.push((own[0].service, first));
            first += own.len();
        }
        Self { lines }
    }

    /// The line of this number, in the order of [`Self::lines`].
    pub fn line(&self, number: usize) -> &Line<'a> {
        &self.lines[number]
    }

    /// What `of` makes of the repository of each line, once for each.
    pub fn by_repository<T: Send + Sync>(
        &self,
        of: impl Fn(&RepositoryId) -> T + Sync,
    ) -> HashMap<&'a RepositoryId, T> {
        let repositories: BTreeSet<&RepositoryId> =
            self.lines.iter().map(|line| line.repository).collect();
        let repositories: Vec<&RepositoryId> = repositories.into_iter().collect();
        let made = parallel::map(repositories.len(), |at| of(repositories[at]));
        repositories.into_iter().zip(made).collect()
    }

    /// The lines, each with at least one service and one deployment.
    pub fn lines(&self) -> impl Iterator<Item = &Line<'a>> {
        self.lines.iter()
    }
}

impl<'a> Tip<'a> {
    fn of(deployment: &ServiceDeployment<'a>, graph: Option<&CommitGraph>) -> Self {
        let Some(commit) = deployment.commit else {
            return Self::Unsaid;
        };
        let node = graph.filter(|it| it.get(commit).is_some()).and_then(|it| it.node(commit));
        node.map_or(Self::Unknown(commit), Self::Known)
    }
}

/// What the deployments of a [`Line`] contain.
#[derive(Debug)]
struct Walk {
    reached: Option<FirstReached>,
    unknown: HashMap<CommitId, usize>,
    /// The first deployment whose ancestors are known.
    beginning: Option<usize>,
}

/// How a commit came into production, with the position among the service's own deployments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// It was new in this deployment.
    In(usize),
    /// It is a true ancestor of this one, the first deployment that is known: nobody can say when
    /// it came.
    Before(usize),
}

impl<'a> Line<'a> {
    /// Walks the graph from one deployment after the other, once somebody asks.
    fn walk(&self) -> &Walk {
        self.walk.get_or_init(|| {
            let nodes = self.tips.iter().map(|tip| match tip {
                Tip::Known(node) => Some(*node),
                Tip::Unknown(_) | Tip::Unsaid => None,
            });
            let unknown =
                self.tips.iter().enumerate().rev().filter_map(|(position, tip)| match tip {
                    Tip::Unknown(commit) => Some(((*commit).clone(), position)),
                    Tip::Known(_) | Tip::Unsaid => None,
                });
            Walk {
                reached: self.graph.map(|graph| graph.first_reached(nodes)),
                unknown: unknown.collect(),
                beginning: self.tips.iter().position(|tip| matches!(tip, Tip::Known(_))),
            }
        })
    }

    /// Whether the repository's graph has `commit`.
    pub fn knows(&self, commit: &CommitId) -> bool {
        self.graph.is_some_and(|graph| graph.get(commit).is_some())
    }

    /// How `commit` came into production; `None` = it did not yet.
    pub fn arrival(&self, commit: &CommitId) -> Option<Arrival> {
        let walk = self.walk();
        let node = self.graph.and_then(|graph| graph.node(commit));
        let reached = node.zip(walk.reached.as_ref()).and_then(|(node, it)| it.by(node));
        let position = match (reached, walk.unknown.get(commit).copied()) {
            (Some(reached), Some(deployed)) => reached.min(deployed),
            (reached, deployed) => reached.or(deployed)?,
        };
        let deployed_itself = match self.tips[position] {
            Tip::Known(tip) => Some(tip) == node,
            Tip::Unknown(tip) => tip == commit,
            Tip::Unsaid => false,
        };
        let swallowed = Some(position) == walk.beginning && !deployed_itself;
        Some(if swallowed { Arrival::Before(position) } else { Arrival::In(position) })
    }
}
