//! Text that many facts have in common, and small tables of it.
//!
//! A million facts name the same few repositories, environments, people and paths over and over.
//! Kept once and pointed at, they take a fraction of the memory.

use std::borrow::{Borrow, Cow};
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use arcstr::ArcStr;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Text that does not change and may be shared. Reads like a `&str`, and is one pointer: a million
/// facts have several each.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(ArcStr);

impl Text {
    /// The text itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Text {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Default for Text {
    fn default() -> Self {
        Self(ArcStr::new())
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<&String> for Text {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        text.as_str().to_owned()
    }
}

impl From<Text> for Cow<'static, str> {
    fn from(text: Text) -> Self {
        Self::Owned(text.into())
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text")
            }

            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(Text::from(text))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        *self.as_str() == *other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        *self.as_str() == **other
    }
}

impl PartialEq<String> for Text {
    fn eq(&self, other: &String) -> bool {
        *self.as_str() == **other
    }
}

impl PartialEq<Text> for String {
    fn eq(&self, other: &Text) -> bool {
        **self == *other.as_str()
    }
}

impl PartialEq<Text> for str {
    fn eq(&self, other: &Text) -> bool {
        *self == *other.as_str()
    }
}

/// A few named texts, by name, each name once. Stored as a JSON object.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "BTreeMap<Text, Text>", into = "BTreeMap<Text, Text>")]
pub struct Attributes(Arc<[(Text, Text)]>);

impl Attributes {
    /// The text called `name`.
    pub fn get(&self, name: &str) -> Option<&Text> {
        let at = self.0.binary_search_by(|(it, _)| it.as_str().cmp(name)).ok()?;
        Some(&self.0[at].1)
    }

    /// Every name with its text, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&Text, &Text)> {
        self.0.iter().map(|(name, text)| (name, text))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds `text` under `name`, or replaces what was there.
    pub fn insert(&mut self, name: impl Into<Text>, text: impl Into<Text>) {
        let mut all: BTreeMap<Text, Text> = std::mem::take(self).into();
        all.insert(name.into(), text.into());
        *self = all.into();
    }
}

impl<N: Into<Text>, T: Into<Text>> FromIterator<(N, T)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (N, T)>>(texts: I) -> Self {
        let texts = texts.into_iter().map(|(name, text)| (name.into(), text.into()));
        texts.collect::<BTreeMap<Text, Text>>().into()
    }
}

impl<N: Into<Text>, T: Into<Text>, const COUNT: usize> From<[(N, T); COUNT]> for Attributes {
    fn from(texts: [(N, T); COUNT]) -> Self {
        texts.into_iter().collect()
    }
}

impl From<BTreeMap<Text, Text>> for Attributes {
    fn from(texts: BTreeMap<Text, Text>) -> Self {
        Self(texts.into_iter().collect())
    }
}

impl From<BTreeMap<String, String>> for Attributes {
    fn from(texts: BTreeMap<String, String>) -> Self {
        texts.into_iter().collect()
    }
}

impl From<Attributes> for BTreeMap<Text, Text> {
    fn from(attributes: Attributes) -> Self {
        attributes.0.iter().cloned().collect()
    }
}

impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// The text of a name that is there.
impl std::ops::Index<&str> for Attributes {
    type Output = Text;

    fn index(&self, name: &str) -> &Text {
        self.get(name).expect("whoever indexes knows that the name is there")
    }
}

/// Texts that are kept once.
#[derive(Debug, Default)]
pub struct Pool {
    texts: HashSet<Text>,
    tables: HashSet<Arc<[(Text, Text)]>>,
    /// How many of both there were after the last tidying.
    tidied: usize,
}

/// So few are not worth tidying.
const FEW: usize = 1 << 14;

impl Pool {
    /// Lets `text` point at the equal one that is known already.
    pub fn share(&mut self, text: &mut Text) {
        if let Some(known) = self.texts.get(text) {
            *text = known.clone();
        } else {
            self.texts.insert(text.clone());
            self.grown();
        }
    }

    /// Lets `attributes`, and their names and texts, point at the equal ones that are known already.
    pub fn share_attributes(&mut self, attributes: &mut Attributes) {
        if let Some(known) = self.tables.get(&attributes.0) {
            attributes.0 = Arc::clone(known);
            return;
        }
        let shared = attributes.iter().map(|(name, text)| {
            let (mut name, mut text) = (name.clone(), text.clone());
            self.share(&mut name);
            self.share(&mut text);
            (name, text)
        });
        attributes.0 = shared.collect();
        self.tables.insert(Arc::clone(&attributes.0));
        self.grown();
    }

    fn len(&self) -> usize {
        self.texts.len() + self.tables.len()
    }

    fn grown(&mut self) {
        if self.len() > 2 * self.tidied.max(FEW) {
            self.tidy();
            self.tidied = self.len();
        }
    }

    /// Forgets what nobody else points at any more.
    fn tidy(&mut self) {
        self.tables.retain(|table| Arc::strong_count(table) > 1);
        self.texts.retain(|text| ArcStr::strong_count(&text.0).is_none_or(|users| users > 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_are_kept_once_and_forgotten_with_the_last_that_needs_them() {
        let mut pool = Pool::default();
        let (mut one, mut other) = (Text::from("production"), Text::from("production"));
        pool.share(&mut one);
        pool.share(&mut other);
        assert!(ArcStr::ptr_eq(&one.0, &other.0));
        drop((one, other));
        pool.tidy();
        assert!(pool.texts.is_empty());
    }

    #[test]
    fn equal_attributes_are_kept_once() {
        let mut pool = Pool::default();
        let of = |name: &str| Attributes::from([(name, "web"), ("task", "deploy")]);
        let (mut one, mut other, mut another) = (of("service"), of("service"), of("team"));
        for it in [&mut one, &mut other, &mut another] {
            pool.share_attributes(it);
        }
        assert!(Arc::ptr_eq(&one.0, &other.0));
        assert_eq!([&one, &another], [&of("service"), &of("team")]);
        drop((one, other));
        pool.tidy();
        assert_eq!(pool.tables.len(), 1);
    }

    #[test]
    fn attributes_are_stored_as_an_object_and_found_by_name() {
        let text = r#"{"rollback":"true","service":"web"}"#;
        let attributes: Attributes = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&attributes).unwrap(), text);
        assert_eq!(attributes.get("service").map(Text::as_str), Some("web"));
        assert_eq!(attributes.get("task"), None);
    }

    #[test]
    fn a_name_that_is_given_again_replaces_what_was_there() {
        let mut attributes: Attributes = [("b", "1"), ("a", "2"), ("b", "3")].into_iter().collect();
        attributes.insert("a", "4");
        let all: Vec<_> = attributes.iter().map(|(name, text)| format!("{name}={text}")).collect();
        assert_eq!(all, ["a=4", "b=3"]);
    }
}
