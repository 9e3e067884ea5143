//! What the KPIs about deployments have in common.

use super::view::deployments::ServiceDeployment;
use super::{Item, ItemId, Mark, Outcome, Placement, View};
use crate::domain::Instant;

/// The mark that names an environment which the deployment reached.
pub(super) const ENVIRONMENT: &str = "environment";

/// An item for the deployment at `index` of the view, counted at its finish, without values.
pub(super) fn of(view: &View<'_>, index: usize) -> Item {
    item(view, index, view.is_explained)
}

/// The same with the environments that it reached, whoever reads the item.
pub(super) fn with_environments(view: &View<'_>, index: usize) -> Item {
    item(view, index, true)
}

fn item(view: &View<'_>, index: usize, environments: bool) -> Item {
    let deployment = &view.deployments[index];
    let catalogue = &view.params.catalogue;
    let (mut marks, mut times) = (Vec::new(), Vec::new());
    if environments {
        // Room for what there is, and no more: there are hundreds of thousands.
        marks.reserve_exact(1 + deployment.later_environments.len());
        marks.extend(deployment.environments().map(|(name, at)| reached(deployment, name, at)));
    }
    if view.is_explained {
        marks.extend(deployment.tag.map(|tag| Mark::new("tag", tag.to_owned())));
        marks.extend(deployment.commit.as_ref().map(|it| Mark::new("commit", it.to_string())));
        times.push(("finished_at", deployment.finished_at));
    }
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
        times,
    }
}

fn reached(deployment: &ServiceDeployment<'_>, environment: &str, at: Instant) -> Mark {
    let later = (at != deployment.finished_at).then_some(at);
    Mark { at: later, ..Mark::new(ENVIRONMENT, environment.to_owned()) }
}
