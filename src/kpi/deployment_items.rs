//! What the KPIs about deployments have in common.

use super::view::deployments::ServiceDeployment;
use super::{Item, ItemId, Mark, Outcome, Placement, View};
use crate::domain::Instant;

/// The mark that names an environment which the deployment reached.
pub(super) const ENVIRONMENT: &str = "environment";

/// An item for the deployment at `index` of the view, counted at its finish, without values.
pub(super) fn of(view: &View<'_>, index: usize) -> Item {
    let deployment = &view.deployments[index];
    let catalogue = &view.params.catalogue;
    // Room for what there is, and no more: there are hundreds of thousands.
    let read = if view.is_explained { 2 } else { 0 };
    let mut marks = Vec::with_capacity(deployment.environments.len() + read);
    let environments = deployment.environments.iter();
    marks.extend(environments.map(|(name, at)| reached(deployment, name, *at)));
    let mut times = Vec::new();
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
