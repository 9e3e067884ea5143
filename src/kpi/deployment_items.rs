//! What the KPIs about deployments have in common.

use std::borrow::Cow;

use super::{Item, ItemId, Mark, Outcome, Placement, View};

/// The mark that names an environment which the deployment reached.
pub(super) const ENVIRONMENT: &str = "environment";

/// An item for the deployment at `index` of the view, counted at its finish, without values.
pub(super) fn of(view: &View<'_>, index: usize) -> Item {
    let deployment = &view.deployments[index];
    let catalogue = &view.params.catalogue;
    let mut marks: Vec<Mark> =
        deployment.environments.iter().map(|it| mark(ENVIRONMENT, it.clone(), None)).collect();
    marks.extend(deployment.tag.map(|tag| mark("tag", tag.to_owned(), None)));
    marks.extend(deployment.commit.as_ref().map(|it| mark("commit", it.to_string(), None)));
    Item {
        id: ItemId::Deployment {
            service: catalogue.services[deployment.service].name.clone(),
            repository: deployment.repository.clone(),
            native: deployment.native.clone(),
        },
        placement: Placement::of_services(catalogue, [deployment.service]),
        started_at: deployment.finished_at,
        completed_at: Some(deployment.finished_at),
        outcome: Outcome::Counted,
        values: Vec::new(),
        marks,
        times: vec![("finished_at", deployment.finished_at)],
    }
}

pub(super) fn mark(
    name: &'static str,
    value: impl Into<Cow<'static, str>>,
    evidence: Option<String>,
) -> Mark {
    Mark { name, value: value.into(), evidence }
}
