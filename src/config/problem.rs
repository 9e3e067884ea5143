//! Problems: what is wrong with a configuration, where, by which rule, and what to do about it.

use std::fmt;
use std::path::Path;

use serde::Serialize;

use super::path::KeyPath;

/// Where a problem is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
pub enum Place {
    /// At a place in a file; lines and columns count from 1, columns in characters.
    Text {
        /// Which of the files, in the order in which they are layered.
        #[serde(skip)]
        layer: usize,
        /// The file as it was named.
        file: String,
        /// Line.
        line: usize,
        /// Column.
        column: usize,
    },
    /// A file as a whole.
    File {
        /// The file as it was named.
        file: String,
    },
    /// An environment variable.
    Variable {
        /// Its name, `ENGKPI__…`.
        variable: String,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text { file, line, column, .. } => write!(f, "{file}:{line}:{column}"),
            Self::File { file } => f.write_str(file),
            Self::Variable { variable } => write!(f, "environment {variable}"),
        }
    }
}

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// At which key; empty where the file cannot even be taken apart.
    pub key: String,
    /// What is wrong.
    pub rule: String,
    /// What to do about it.
    pub fix: String,
}

impl Problem {
    /// At `place`, the setting at `key` breaks `rule`; `fix` mends it.
    pub(super) fn new(
        place: Place,
        key: &KeyPath,
        rule: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            place,
            key: key.to_string(),
            rule: without_tokens(&rule.into()),
            fix: without_tokens(&fix.into()),
        }
    }
}

impl Problem {
    /// What is wrong with `file` as a whole.
    pub fn of_file(file: &Path, rule: impl Into<String>, fix: impl Into<String>) -> Self {
        Self::new(Place::File { file: file.display().to_string() }, &KeyPath::root(), rule, fix)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.rule)?;
        if !self.fix.is_empty() {
            write!(f, "\n    fix: {}", self.fix)?;
        }
        Ok(())
    }
}

/// Everything that is wrong, in the order in which people read their files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{}", summary(.0))]
pub struct Problems(pub Vec<Problem>);

/// How the rule of a syntax error begins.
pub(super) const NOT_TOML: &str = "not TOML: ";

fn summary(problems: &[Problem]) -> String {
    let mut text = String::new();
    for problem in problems {
        text.push_str(&problem.to_string());
        text.push('\n');
    }
    let count = problems.len();
    let noun = if count == 1 { "problem" } else { "problems" };
    text.push_str(&format!("{count} {noun} in the configuration"));
    if problems.iter().any(|problem| problem.rule.starts_with(NOT_TOML)) {
        text.push_str("; whether settings fit each other is seen once the text is TOML");
    }
    text
}

/// How the tokens of vendors begin. Somebody may have written one where a name belongs, and
/// messages end up in logs.
const TOKEN_PREFIXES: [&str; 8] =
    ["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "pdus+", "-----BEGIN"];

/// `text` with everything that looks like a vendor's token replaced.
fn without_tokens(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = TOKEN_PREFIXES.iter().filter_map(|it| rest.find(it)).min() {
        let token = &rest[at..];
        // A key has spaces and line breaks in it: nothing after its beginning is repeated.
        if token.starts_with("-----BEGIN") {
            clean.push_str(&rest[..at]);
            clean.push_str("[redacted]");
            return clean;
        }
        let length = token
            .find(|it: char| {
                it.is_whitespace() || matches!(it, '"' | '`' | '\'' | ',' | ';' | '}' | ']')
            })
            .unwrap_or(token.len());
        clean.push_str(&rest[..at]);
        clean.push_str("[redacted]");
        rest = &token[length..];
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_written_where_a_name_belongs_is_not_repeated() {
        assert_eq!(
            without_tokens("found \"ghp_abc123\" and `github_pat_x_y`; also gho_1"),
            "found \"[redacted]\" and `[redacted]`; also [redacted]"
        );
        assert_eq!(
            without_tokens("not the text \"-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc\n\""),
            "not the text \"[redacted]"
        );
        assert_eq!(without_tokens("nothing to hide"), "nothing to hide");
    }

    #[test]
    fn a_problem_says_where_what_and_how_to_mend_it() {
        let place = Place::Text { layer: 1, file: "engkpi.toml".into(), line: 3, column: 8 };
        let problem = Problem::new(place, &KeyPath::parse("teams.a"), "is odd", "make it even");
        assert_eq!(problem.to_string(), "engkpi.toml:3:8: teams.a: is odd\n    fix: make it even");
        assert_eq!(
            serde_json::to_string(&problem).unwrap(),
            r#"{"file":"engkpi.toml","line":3,"column":8,"key":"teams.a","rule":"is odd","fix":"make it even"}"#
        );
    }
}
