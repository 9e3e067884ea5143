//! Which services a path, a change or a repository belongs to (kpis.md 1.8 and 1.9).

use std::collections::{BTreeSet, HashMap};

use crate::domain::fact::Change;
use crate::domain::{RepositoryId, Timeline};
use crate::kpi::Params;

/// The services of every repository, with the paths that they own.
#[derive(Debug, Default)]
pub struct Ownership<'a> {
    repositories: HashMap<&'a RepositoryId, Owners<'a>>,
}

impl<'a> Ownership<'a> {
    /// What the catalogue says about the repositories of `timeline`.
    pub fn of(timeline: &'a Timeline, params: &'a Params) -> Self {
        let mut ownership = Self::default();
        for (service, configured) in params.catalogue.services.iter().enumerate() {
            if let Some(repository) = timeline.repository_named(&configured.repository) {
                let owners = ownership.repositories.entry(&repository.id).or_default();
                owners.add(service, &configured.paths);
            }
        }
        ownership
    }

    /// The repositories that have services, in no order.
    pub fn repositories(&self) -> impl Iterator<Item = &'a RepositoryId> {
        self.repositories.keys().copied()
    }

    /// The services of a repository, ascending.
    pub fn repository(&self, repository: &RepositoryId) -> &[usize] {
        self.repositories.get(repository).map_or(&[], |owners| owners.services.as_slice())
    }

    /// The services that `path` of a repository belongs to, ascending: the one whose matching glob
    /// has the most characters (ties: the first configured), else all that are configured without
    /// paths.
    pub fn path(&self, repository: &RepositoryId, path: &str) -> Vec<usize> {
        self.repositories.get(repository).map_or_else(Vec::new, |owners| owners.path(path).to_vec())
    }

    /// Whether a change touches any service.
    pub fn has(&self, change: &Change) -> bool {
        let owners = self.repositories.get(&change.repository);
        owners.is_some_and(|it| it.globs.is_empty() || !self.change(change).is_empty())
    }

    /// The services that a change touches, ascending: the union over its paths.
    ///
    /// Where every service has the whole repository, so has the change. A change whose paths were
    /// not collected belongs to the only service that there is, else to those without paths.
    pub fn change(&self, change: &Change) -> Vec<usize> {
        let Some(owners) = self.repositories.get(&change.repository) else {
            return Vec::new();
        };
        if owners.globs.is_empty() {
            return owners.services.clone();
        }
        match &change.paths {
            None if owners.services.len() == 1 => owners.services.clone(),
            None => owners.whole.clone(),
            Some(paths) => {
                let services = paths.iter().flat_map(|path| owners.path(&path.path));
                services.copied().collect::<BTreeSet<_>>().into_iter().collect()
            }
        }
    }
}

/// The services of one repository.
#[derive(Debug, Default)]
struct Owners<'a> {
    services: Vec<usize>,
    /// Those that have the whole repository.
    whole: Vec<usize>,
    /// By the text before the first wildcard, so that a path meets only globs that can match.
    globs: HashMap<&'a str, Vec<Glob<'a>>>,
    /// The lengths of those texts.
    lengths: BTreeSet<usize>,
}

impl<'a> Owners<'a> {
    fn add(&mut self, service: usize, paths: &'a [String]) {
        self.services.push(service);
        if paths.is_empty() {
            self.whole.push(service);
        }
        for path in paths {
            let (literal, wild) = path.split_at(path.find('*').unwrap_or(path.len()));
            let glob = Glob { wild, characters: path.chars().count(), service: [service] };
            self.globs.entry(literal).or_default().push(glob);
            self.lengths.insert(literal.len());
        }
    }

    fn path(&self, path: &str) -> &[usize] {
        let candidates = self.lengths.iter().filter_map(|&length| {
            let (literal, rest) = path.split_at_checked(length)?;
            Some(self.globs.get(literal)?.iter().filter(move |glob| matches(glob.wild, rest)))
        });
        let best = candidates
            .flatten()
            .max_by(|a, b| a.characters.cmp(&b.characters).then_with(|| b.service.cmp(&a.service)));
        best.map_or(&self.whole, |glob| &glob.service)
    }
}

/// A configured glob: what follows its literal beginning.
#[derive(Debug)]
struct Glob<'a> {
    wild: &'a str,
    characters: usize,
    service: [usize; 1],
}

/// Whether `glob` matches the whole of `text`: `**` is any text, `*` any text without `/`, all else
/// is itself. Follows every way through the glob at once, so no input makes it slow.
pub(crate) fn matches(glob: &str, text: &str) -> bool {
    if glob == "**" {
        return true;
    }
    let glob = glob.as_bytes();
    let mut here = vec![false; glob.len() + 1];
    let mut next = here.clone();
    here[0] = true;
    skip_stars(glob, &mut here);
    for &byte in text.as_bytes() {
        next.fill(false);
        for at in (0..glob.len()).filter(|&at| here[at]) {
            match glob[at] {
                b'*' if is_double(glob, at) || byte != b'/' => next[at] = true,
                b'*' => {}
                literal if literal == byte => next[at + 1] = true,
                _ => {}
            }
        }
        std::mem::swap(&mut here, &mut next);
        skip_stars(glob, &mut here);
    }
    here[glob.len()]
}

/// Stars match nothing too: wherever one is reached, so is what follows it.
fn skip_stars(glob: &[u8], reached: &mut [bool]) {
    for at in 0..glob.len() {
        if reached[at] && glob[at] == b'*' {
            let width = if is_double(glob, at) { 2 } else { 1 };
            reached[at + width] = true;
        }
    }
}

fn is_double(glob: &[u8], at: usize) -> bool {
    glob.get(at + 1) == Some(&b'*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::matches;
    use crate::domain::{RepositoryId, SourceName};
    use crate::kpi::testing::Story;
    use crate::kpi::view::ownership::Ownership;

    #[track_caller]
    fn owners(scene: &str, path: &str) -> Vec<String> {
        let story = Story::told(scene);
        let timeline = story.timeline();
        let repository = RepositoryId::of(&SourceName::from("github"), "mono");
        let services = Ownership::of(&timeline, &story.params).path(&repository, path);
        let services = services.into_iter().map(|it| &story.params.catalogue.services[it].name);
        services.map(ToString::to_string).collect()
    }

    const MONO: &str = "
        service api in mono paths services/api/**,shared/*.rs
        service api-docs in mono paths services/api/docs/**
        service web in mono paths services/web/**,shared/*.rs
        service rest in mono
        service more in mono";

    #[test]
    fn the_matching_glob_with_the_most_characters_wins() {
        assert_eq!(owners(MONO, "services/api/src/main.rs"), ["api"]);
        assert_eq!(owners(MONO, "services/api/docs/index.md"), ["api-docs"]);
    }

    #[test]
    fn of_globs_of_one_length_the_first_configured_wins() {
        assert_eq!(owners(MONO, "shared/log.rs"), ["api"]);
    }

    #[test]
    fn what_no_glob_matches_belongs_to_every_service_without_paths() {
        assert_eq!(owners(MONO, "README.md"), ["rest", "more"]);
        assert_eq!(owners(MONO, "shared/deep/log.rs"), ["rest", "more"]);
    }

    #[test]
    fn what_no_glob_matches_belongs_to_nobody_where_every_service_has_paths() {
        assert_eq!(owners("service api in mono paths api/**", "README.md"), [""; 0]);
    }

    #[test]
    fn a_star_stays_within_a_segment_and_two_stars_are_any_text() {
        for (glob, path, expected) in [
            ("a/*", "a/b", true),
            ("a/*", "a/b/c", false),
            ("a/*/c", "a/b/c", true),
            ("a/*/c", "a/b/b/c", false),
            ("a/**", "a/b/c", true),
            ("a/**", "a/", true),
            ("a/**", "a", false),
            ("**/c", "a/b/c", true),
            ("**/c", "c", false),
            ("**c", "c", true),
            ("a**z", "a/b/z", true),
            ("*.md", "a/b.md", false),
            ("**.md", "a/b.md", true),
            ("a.c", "abc", false),
            ("a", "ab", false),
            ("", "", true),
            ("ü/*", "ü/ß", true),
        ] {
            assert_eq!(matches(glob, path), expected, "{glob} on {path}");
        }
    }

    fn by_definition(glob: &[u8], text: &[u8]) -> bool {
        let any =
            |rest: &[u8], text: &[u8]| (0..=text.len()).any(|n| by_definition(rest, &text[n..]));
        match glob {
            [] => text.is_empty(),
            [b'*', b'*', rest @ ..] => any(rest, text),
            [b'*', rest @ ..] => {
                let segment = text.iter().take_while(|byte| **byte != b'/').count();
                (0..=segment).any(|n| by_definition(rest, &text[n..]))
            }
            [literal, rest @ ..] => {
                text.first() == Some(literal) && by_definition(rest, &text[1..])
            }
        }
    }

    proptest! {
        #[test]
        fn a_glob_matches_what_its_definition_says(glob in "[ab/*]{0,8}", text in "[ab/]{0,8}") {
            prop_assert_eq!(matches(&glob, &text), by_definition(glob.as_bytes(), text.as_bytes()));
        }
    }
}
