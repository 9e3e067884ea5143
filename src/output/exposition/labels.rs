//! The labels of one series.

use std::borrow::Cow;

use crate::kpi::Reading;

/// The longest label value, in characters.
pub(super) const MAX_LABEL: usize = 256;

/// Labels of one series. An empty value is no label.
#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Labels<'a>(Vec<(&'static str, Cow<'a, str>)>);

impl<'a> Labels<'a> {
    /// A name that is given again replaces what was there: a KPI about the present has `window` as
    /// a dimension of its own, and a series with a label twice spoils the whole scrape.
    pub(super) fn push(&mut self, name: &'static str, value: impl Into<Cow<'a, str>>) {
        let value = clean(value.into());
        if value.is_empty() {
            return;
        }
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.0.push((name, value)),
        }
    }

    pub(super) fn window(&mut self, window: &'a str, period: Option<&'a str>) {
        self.push("window", window);
        self.push("period", period.unwrap_or_default());
    }

    pub(super) fn stat(&mut self, reading: &Reading) {
        self.push("stat", reading.stat.map_or("", |stat| stat.as_str()));
    }

    pub(super) fn dimensions(&mut self, dimensions: &'a [(&'static str, String)]) {
        for (name, value) in dimensions {
            self.push(name, value.as_str());
        }
    }

    pub(super) fn sort(&mut self) {
        self.0.sort_unstable_by_key(|(name, _)| *name);
    }

    /// Writes `{name="value",…}`, or nothing where there are none.
    pub(super) fn write(&self, text: &mut Vec<u8>) {
        for (at, (name, value)) in self.0.iter().enumerate() {
            text.push(if at == 0 { b'{' } else { b',' });
            text.extend_from_slice(name.as_bytes());
            text.extend_from_slice(b"=\"");
            for byte in value.bytes() {
                if matches!(byte, b'"' | b'\\') {
                    text.push(b'\\');
                }
                text.push(byte);
            }
            text.push(b'"');
        }
        if !self.0.is_empty() {
            text.push(b'}');
        }
    }
}

/// A value without control characters and of at most [`MAX_LABEL`] characters.
pub(super) fn clean(value: Cow<'_, str>) -> Cow<'_, str> {
    let is_plain = |byte: u8| (b' '..=b'~').contains(&byte);
    if value.len() <= MAX_LABEL && value.bytes().all(is_plain) {
        return value;
    }
    if value.chars().any(char::is_control) || value.chars().nth(MAX_LABEL).is_some() {
        let kept = value.chars().filter(|it| !it.is_control()).take(MAX_LABEL);
        Cow::Owned(kept.collect())
    } else {
        value
    }
}

#[cfg(test)]
mod tests {
    use super::Labels;

    #[test]
    fn no_label_is_there_twice() {
        let mut labels = Labels::default();
        labels.window("now", None);
        let dimensions = [("window", "7d".to_owned()), ("slo", "up".to_owned())];
        labels.dimensions(&dimensions);
        labels.sort();
        let mut text = Vec::new();
        labels.write(&mut text);
        assert_eq!(String::from_utf8(text).unwrap(), r#"{slo="up",window="7d"}"#);
    }
}
