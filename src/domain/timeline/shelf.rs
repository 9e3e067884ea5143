//! Many facts of one kind, in order, with nothing beside them.

use crate::domain::fact::{Change, Deployment, IncidentAlert, IncidentEvent, Release, WorkflowRun};

/// A fact that says by what it is found among others.
pub trait Shelved {
    /// What it is found by.
    type Key: Ord + ?Sized;

    /// What this one is found by.
    fn key(&self) -> &Self::Key;
}

macro_rules! by_id {
    ($($fact:ty),*) => {
        $(impl Shelved for $fact {
            type Key = str;

            fn key(&self) -> &str {
                &self.id
            }
        })*
    };
}

by_id!(Deployment, WorkflowRun, Release, IncidentEvent, IncidentAlert);

impl Shelved for Change {
    type Key = u64;

    fn key(&self) -> &u64 {
        &self.number
    }
}

/// Facts of which no two have one key, in the order of their keys.
///
/// Most facts come in that order, so it is a plain list: a tree of them would be half empty and
/// would hold every key a second time. What comes out of order moves only pointers.
#[derive(Debug, PartialEq)]
pub struct Shelf<T>(Vec<Box<T>>);

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Shelved> Shelf<T> {
    fn find(&self, key: &T::Key) -> Result<usize, usize> {
        match self.0.last() {
            Some(last) if last.key() < key => Err(self.0.len()),
            _ => self.0.binary_search_by(|it| it.key().cmp(key)),
        }
    }

    /// The fact with this key.
    pub fn get(&self, key: &T::Key) -> Option<&T> {
        self.find(key).ok().map(|at| &*self.0[at])
    }

    /// Adds a fact, or replaces the one with its key.
    pub fn insert(&mut self, fact: T) {
        match self.find(fact.key()) {
            Ok(at) => *self.0[at] = fact,
            Err(at) => {
                // There are many shelves, most of them short: room for twice as many is too much.
                if self.0.len() == self.0.capacity() {
                    self.0.reserve_exact(1 + self.0.len() / 8);
                }
                self.0.insert(at, Box::new(fact));
            }
        }
    }

    /// Takes the fact with this key out.
    pub fn remove(&mut self, key: &T::Key) {
        if let Ok(at) = self.find(key) {
            self.0.remove(at);
        }
    }
}

impl<T> Shelf<T> {
    /// The facts, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::domain::Instant;

    fn alert(id: &str, incident: &str) -> IncidentAlert {
        IncidentAlert {
            id: id.into(),
            incident: incident.into(),
            created_at: Instant::UNIX_EPOCH,
            rule: None,
        }
    }

    proptest! {
        #[test]
        fn it_holds_what_a_map_would(
            done in prop::collection::vec(("[a-f]", prop::option::of("[x-z]")), 0..40),
        ) {
            let (mut shelf, mut map) = (Shelf::default(), BTreeMap::new());
            for (id, incident) in done {
                match incident {
                    Some(incident) => {
                        shelf.insert(alert(&id, &incident));
                        map.insert(id, incident);
                    }
                    None => {
                        shelf.remove(&id);
                        map.remove(&id);
                    }
                }
            }
            let held: Vec<_> = shelf.iter().map(|it| (it.id.as_str(), it.incident.as_str())).collect();
            let expected: Vec<_> = map.iter().map(|(id, it)| (id.as_str(), it.as_str())).collect();
            prop_assert_eq!(held, expected);
            prop_assert_eq!(shelf.is_empty(), map.is_empty());
            for id in ["a", "c", "f"] {
                let found = shelf.get(id).map(|it| it.incident.as_str());
                prop_assert_eq!(found, map.get(id).map(String::as_str));
            }
        }
    }
}
