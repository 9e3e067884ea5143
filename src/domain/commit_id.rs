//! The name of a commit, kept as the digits' value: a million of them are held at a time.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A full commit sha, lower case.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CommitId(Repr);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Repr {
    /// Forty hexadecimal digits in lower case, and always these.
    Sha([u8; 20]),
    /// Anything else, such as a SHA-256.
    Other(Arc<str>),
}

impl CommitId {
    /// Wraps a name that has already been checked at the boundary where it entered.
    pub fn new(name: impl AsRef<str>) -> Self {
        let name = name.as_ref();
        Self(decode(name).map_or_else(|| Repr::Other(name.into()), Repr::Sha))
    }

    /// The value of the first eight digits of a sha of forty; `None` for another name.
    #[inline]
    pub fn beginning(&self) -> Option<u32> {
        match &self.0 {
            Repr::Sha([a, b, c, d, ..]) => Some(u32::from_be_bytes([*a, *b, *c, *d])),
            Repr::Other(_) => None,
        }
    }

    /// The name as text.
    pub fn text(&self) -> CommitText<'_> {
        CommitText(match &self.0 {
            Repr::Sha(bytes) => {
                let mut digits = [0; 40];
                for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
                    pair[0] = DIGITS[usize::from(byte >> 4)];
                    pair[1] = DIGITS[usize::from(byte & 15)];
                }
                Written::Digits(digits)
            }
            Repr::Other(text) => Written::Text(text),
        })
    }
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

fn decode(name: &str) -> Option<[u8; 20]> {
    let digits: &[u8; 40] = name.as_bytes().try_into().ok()?;
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; 20];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(bytes)
}

/// A commit's name as text. Reads like a `&str`.
#[derive(Clone, Copy)]
pub struct CommitText<'a>(Written<'a>);

#[derive(Clone, Copy)]
enum Written<'a> {
    Digits([u8; 40]),
    Text(&'a str),
}

impl Deref for CommitText<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match &self.0 {
            Written::Digits(digits) => {
                std::str::from_utf8(digits).expect("hexadecimal digits are text")
            }
            Written::Text(text) => text,
        }
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text())
    }
}

impl fmt::Debug for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CommitId").field(&&*self.text()).finish()
    }
}

impl From<&str> for CommitId {
    fn from(name: &str) -> Self {
        Self::new(name)
    }
}

/// As their texts.
impl Ord for CommitId {
    fn cmp(&self, other: &Self) -> Ordering {
        match (&self.0, &other.0) {
            (Repr::Sha(one), Repr::Sha(other)) => one.cmp(other),
            _ => self.text().cmp(&other.text()),
        }
    }
}

impl PartialOrd for CommitId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Serialize for CommitId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

impl<'de> Deserialize<'de> for CommitId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = CommitId;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a commit")
            }

            fn visit_str<E>(self, name: &str) -> Result<CommitId, E> {
                Ok(CommitId::new(name))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_name_is_what_it_was_and_is_ordered_like_its_text(
            one in "[0-9a-f]{40}|[0-9a-fA-F]{0,64}|c[0-9]",
            other in "[0-9a-f]{40}|[0-9a-f]{39,41}|[0-9A-F]{40}",
        ) {
            let (a, b) = (CommitId::new(&one), CommitId::new(&other));
            prop_assert_eq!(&*a.text(), &one);
            if let Some(beginning) = a.beginning() {
                prop_assert_eq!(format!("{beginning:08x}"), &one[..8]);
            }
            prop_assert_eq!(a.to_string(), one.clone());
            prop_assert_eq!(a.cmp(&b), one.cmp(&other));
            prop_assert_eq!(a == b, one == other);
            let json = serde_json::to_string(&a).unwrap();
            prop_assert_eq!(&json, &format!("\"{one}\""));
            prop_assert_eq!(serde_json::from_str::<CommitId>(&json).unwrap(), a);
        }
    }

    #[test]
    fn it_takes_no_more_than_a_string_does() {
        assert!(size_of::<Option<CommitId>>() <= size_of::<String>());
    }
}
