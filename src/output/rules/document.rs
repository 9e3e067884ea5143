//! Files of rules in YAML.

use std::collections::BTreeMap;

use serde::Serialize;

/// A group of rules, evaluated together and in this order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Unique in its file.
    pub name: String,
    /// How often it is evaluated, unless as often as the server does it in general.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<&'static str>,
    /// Its rules.
    pub rules: Vec<Rule>,
}

/// A rule of either kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Rule {
    /// Keeps the answer to a query as a series.
    Record {
        /// The name of the series.
        record: String,
        /// The query.
        expr: String,
        /// Labels that are put on it.
        labels: BTreeMap<String, String>,
    },
    /// Alerts while a query has an answer.
    Alert {
        /// The name of the alert.
        alert: String,
        /// The query.
        expr: String,
        /// How long it must have had one.
        #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
        lasting: Option<&'static str>,
        /// Labels that are put on it.
        labels: BTreeMap<String, String>,
        /// What people read.
        annotations: BTreeMap<String, String>,
    },
}

/// One file with all the groups. Prometheus reads the first document of a file only, so there is
/// one.
pub fn render(groups: &[Group]) -> String {
    #[derive(Serialize)]
    struct File<'a> {
        groups: &'a [Group],
    }
    format!("{}{}", HEAD, yaml(&File { groups }))
}

pub(super) const HEAD: &str = "# Written by `engkpi rules`. Change the specifications instead.\n";

/// A value as YAML. Lines are never folded, so that queries stay as they were written.
pub(super) fn yaml(value: &impl Serialize) -> String {
    let options = serde_saphyr::ser_options! {
        folded_wrap_chars: usize::MAX,
    };
    #[expect(
        clippy::expect_used,
        reason = "plain structs, maps with texts as keys, a String to write to"
    )]
    serde_saphyr::to_string_with_options(value, options).expect("it can be written")
}

/// A text in PromQL.
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for it in text.chars() {
        match it {
            '"' | '\\' => quoted.extend(['\\', it]),
            '\n' => quoted.push_str("\\n"),
            it => quoted.push(it),
        }
    }
    quoted.push('"');
    quoted
}

/// What may be the name of a label: other signs become `_`.
pub fn label_name(text: &str) -> String {
    let sign = |it: char| if it.is_ascii_alphanumeric() || it == '_' { it } else { '_' };
    let name: String = text.chars().map(sign).collect();
    if name.starts_with(|it: char| it.is_ascii_digit()) { format!("_{name}") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_names_are_valid() {
        assert_eq!(quoted("a\"b\\c\nd"), r#""a\"b\\c\nd""#);
        assert_eq!(label_name("team.io/x-1"), "team_io_x_1");
        assert_eq!(label_name("2nd"), "_2nd");
    }

    /// Whatever a text is, it is read back as that text.
    #[test]
    fn nothing_is_lost_on_the_way_through_yaml() {
        for text in [
            "2",
            "yes",
            "null",
            "",
            " a ",
            "#a",
            "a: b",
            "sum(\n  rate(x[5m])\n)\n/ 5",
            "ends\n",
            "\n starts",
            "@{$labels.x}",
            "{{ $labels.x }} \"quoted\"",
            "tab\there",
            &"long ".repeat(60),
        ] {
            let map = BTreeMap::from([("key".to_owned(), text.to_owned())]);
            let back: BTreeMap<String, String> = serde_saphyr::from_str(&yaml(&map)).unwrap();
            assert_eq!(back, map, "{}", yaml(&map));
        }
    }
}
