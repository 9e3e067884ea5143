//! `[sources]`: names, time, and what sources must be there for others.

use serde_json::Value as Json;

use super::Checker;
use crate::config::path::KeyPath;
use crate::config::sources::SourceSettings;
use crate::config::suggest;
use crate::source::files;

pub(super) fn check(checker: &mut Checker<'_>) {
    let root = KeyPath::root().key("sources");
    for name in checker.names("sources") {
        let valid = |it: char| it.is_ascii_alphanumeric() || it == '-' || it == '_';
        if name.is_empty() || name.len() > 64 || !name.chars().all(valid) {
            let fix =
                "use letters, digits, - and _, at most 64: it becomes a label and a part of ids";
            checker.key(&root.key(name), "cannot be the name of a source", fix);
        }
    }
    let document = checker.document;
    for (name, source) in &document.sources {
        let path = root.key(name.as_str()).key("surveys");
        for (survey, settings) in source.surveys() {
            invited(checker, &path.key(survey.as_str()).key("waves"), settings);
        }
        let start = source.history_start();
        if start.0 >= checker.now {
            let path = root.key(name.as_str()).key("history_start");
            checker.value(
                &path,
                "lies in the future",
                "write the day from which on history is wanted",
            );
        }
    }
}

/// Teams that were asked are those of the catalogue.
fn invited(checker: &mut Checker<'_>, path: &KeyPath, survey: &files::SurveySettings) {
    if checker.is_broken("teams") {
        return;
    }
    let teams = checker.names("teams");
    for (wave, settings) in &survey.waves {
        for name in settings.invited_by_team.keys() {
            if !teams.iter().any(|it| it.eq_ignore_ascii_case(name)) {
                let path = path.key(wave.as_str()).key("invited_by_team").key(name.as_str());
                let fix = suggest::fix(name, teams.iter().map(String::as_str), "add it to [teams]");
                checker.key(&path, format!("there is no team {name:?}"), fix);
            }
        }
    }
}

/// Whether any source is of this `type`, decoded or not.
pub(super) fn has(checker: &Checker<'_>, kind: &str) -> bool {
    let root = KeyPath::root().key("sources");
    checker.names("sources").iter().any(|name| {
        let path = root.key(name.as_str()).key("type");
        checker.layers.get(&path).and_then(Json::as_str) == Some(kind)
    })
}

/// Whether some GitHub source reads `repository`, as far as configuration can tell. Also true where
/// a source has problems of its own.
pub(super) fn reads(checker: &Checker<'_>, repository: &str) -> bool {
    let owner = repository.split('/').next().unwrap_or_default();
    let root = KeyPath::root().key("sources");
    checker.broken.iter().any(|it| root.holds(it))
        || checker.document.sources.iter().any(|(_, source)| match source {
            SourceSettings::GitHub(settings) => {
                settings.repositories.iter().any(|it| it.eq_ignore_ascii_case(repository))
                    || settings
                        .organisation
                        .as_ref()
                        .is_some_and(|it| it.eq_ignore_ascii_case(owner))
            }
            SourceSettings::PagerDuty(_)
            | SourceSettings::Files(_)
            | SourceSettings::Prometheus(_) => false,
        })
}

/// The repositories that configuration names as collected, for suggestions.
pub(super) fn repositories(checker: &Checker<'_>) -> Vec<String> {
    let sources = checker.document.sources.iter();
    sources
        .flat_map(|(_, source)| match source {
            SourceSettings::GitHub(settings) => settings.repositories.clone(),
            SourceSettings::PagerDuty(_)
            | SourceSettings::Files(_)
            | SourceSettings::Prometheus(_) => Vec::new(),
        })
        .collect()
}
