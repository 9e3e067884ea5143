//! Key paths: how a setting is named, `services.checkout.paths[0]`.

use std::fmt;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Segment {
    /// Into a table.
    Key(String),
    /// Into a list, counted from 0.
    Index(usize),
}

/// The steps from the root to a setting.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyPath(pub(super) Vec<Segment>);

impl KeyPath {
    /// The root.
    pub(super) fn root() -> Self {
        Self::default()
    }

    /// The path that `text` names, keys separated by dots. For keys without dots of their own.
    pub(super) fn parse(text: &str) -> Self {
        let mut path = Self::root();
        for part in text.split('.').filter(|it| !it.is_empty()) {
            let (key, indices) = part.split_once('[').unwrap_or((part, ""));
            path = path.key(key);
            for index in indices.split(['[', ']']).filter_map(|it| it.parse().ok()) {
                path.0.push(Segment::Index(index));
            }
        }
        path
    }

    /// This path and then into the table's `key`.
    pub(super) fn key(&self, key: impl Into<String>) -> Self {
        self.and(Segment::Key(key.into()))
    }

    /// This path and then into the list's element.
    pub(super) fn index(&self, index: usize) -> Self {
        self.and(Segment::Index(index))
    }

    pub(super) fn and(&self, segment: Segment) -> Self {
        let mut path = self.clone();
        path.0.push(segment);
        path
    }

    /// This path and then everything of `below`.
    pub(super) fn join(&self, below: &Self) -> Self {
        Self(self.0.iter().chain(&below.0).cloned().collect())
    }

    /// Where this setting stands; the root has no parent.
    pub(super) fn parent(&self) -> Option<Self> {
        let (_, parents) = self.0.split_last()?;
        Some(Self(parents.to_vec()))
    }

    /// Whether `other` is this path or below it.
    pub(super) fn holds(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }
}

/// As TOML writes it, with quotes around keys that need them.
impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) => {
                    let dot = if position == 0 { "" } else { "." };
                    let bare = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == '-';
                    if !key.is_empty() && key.chars().all(bare) {
                        write!(f, "{dot}{key}")?;
                    } else {
                        write!(f, "{dot}{key:?}")?;
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_written_as_toml_writes_it() {
        let path = KeyPath::parse("rules.decisions").key("acme/shop").key("folders").index(2);
        assert_eq!(path.to_string(), "rules.decisions.\"acme/shop\".folders[2]");
        assert_eq!(KeyPath::parse("a.b[0]"), KeyPath::root().key("a").key("b").index(0));
    }
}
