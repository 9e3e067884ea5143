//! What the KPIs from registers have in common.

use super::{Placement, View};

/// What a register says of a service or, where that is not known, of a team.
pub(super) fn placement(view: &View<'_>, service: Option<&str>, team: Option<&str>) -> Placement {
    let catalogue = &view.params.catalogue;
    match service.and_then(|name| catalogue.service_called(name)) {
        Some(service) => Placement::of_services(catalogue, [service]),
        None => Placement {
            teams: team.and_then(|name| catalogue.team_called(name)).into_iter().collect(),
            ..Placement::default()
        },
    }
}
